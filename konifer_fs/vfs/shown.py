"""Under which names nodes are shown, and where they are seen from the mount's root."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.names import shown_label, spelling_in_the_way
from konifer_fs.vfs.nodes import RealNode, StoredNode

_SMALL: Final = 1000


class ShownNames:
    """Asks the metadata store where a name depends on what else there is. Thread-safe."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata

    def name_children(
        self, directory: Directory, pages: Iterator[Sequence[StoredNode]]
    ) -> Iterator[list[tuple[str, StoredNode]]]:
        """Give all nodes of a directory with their names, page by page."""
        first = next(pages, ())
        # After a small page there is seldom another, and then there is nothing to ask for.
        second = next(pages, None) if len(first) < _SMALL else ()
        if second is None:
            taken = _find_taken(first)
            yield [(self._name(node, taken), node) for node in first]
            return
        for page in chain([first, second], pages):
            defaults = [entry.default_name for entry in _unnamed(page)]
            taken = self._metadata.find_taken(directory, defaults) if defaults else frozenset()
            yield [(self._name(node, taken), node) for node in page]

    def _name(self, node: StoredNode, taken: frozenset[str]) -> str:
        if isinstance(node, Directory):
            return self.name_directory(node.path)
        if isinstance(node, Symlink) or node.name is not None:
            return node.name or ""
        name = node.default_name
        return node.clashing_name if name in taken else name

    def name_directory(self, path: AssetPath) -> str:
        """Give the name of the directory at `path` within the one above it."""
        spelling = spelling_in_the_way(path.label)
        in_the_way = spelling and self._metadata.find_directory(path.parent.child(spelling))
        return shown_label(path.label, spelling_taken=bool(in_the_way))


def _unnamed(nodes: Sequence[StoredNode]) -> Iterator[Entry]:
    return (node for node in nodes if isinstance(node, Entry) and node.name is None)


def _find_taken(whole: Sequence[StoredNode]) -> frozenset[str]:
    """Give the default names that something else has, of all nodes that a directory has."""
    names = {node.name for node in whole if not isinstance(node, Directory)}
    labels = {node.path.label for node in whole if isinstance(node, Directory)}
    defaults = {entry.default_name for entry in _unnamed(whole)}
    of_directories = {name for name in defaults if labels and not labels.isdisjoint(candidate_labels(name))}
    return frozenset(defaults & names | of_directories)


def spell_place(node: RealNode, root: AssetPath) -> str:
    """Give where a node is seen from the mount's `root`, for people; asks no store."""
    directory = node.directory.path if isinstance(node, Draft) else node.path
    names = list(directory.names[len(root.labels) :])
    if isinstance(node, Entry):
        names.append(node.name or node.default_name)
    elif not isinstance(node, Directory):
        names.append(node.name or "")
    return "/" + "/".join(names)
