"""Under which names nodes are shown, and where they are seen from the mount's root."""

from collections.abc import Sequence

from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.domain.path import AssetPath, decode_label
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.names import shown_label, spelling_in_the_way
from konifer_fs.vfs.nodes import RealNode

StoredNode = Directory | Entry | Symlink


class ShownNames:
    """Asks the metadata store where a name depends on what else there is. Thread-safe."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata

    def name_page(self, directory: Directory, page: Sequence[StoredNode]) -> list[tuple[str, StoredNode]]:
        """Give the nodes of a directory with their names."""
        defaults = [node.default_name for node in page if isinstance(node, Entry) and node.name is None]
        taken = self._metadata.find_taken(directory, defaults) if defaults else frozenset()
        return [(self._name(node, taken), node) for node in page]

    def _name(self, node: StoredNode, taken: frozenset[str]) -> str:
        if isinstance(node, Directory):
            return self.name_directory(node.path)
        if isinstance(node, Symlink) or node.name is not None:
            return node.name or ""
        return node.clashing_name if node.default_name in taken else node.default_name

    def name_directory(self, path: AssetPath) -> str:
        """Give the name of the directory at `path` within the one above it."""
        spelling = spelling_in_the_way(path.label)
        in_the_way = spelling and self._metadata.find_directory(path.parent.child(spelling))
        return shown_label(path.label, spelling_taken=bool(in_the_way))


def spell_labels(labels: Sequence[str]) -> list[str]:
    """Give names that lead along labels, whatever lies beside them; asks no store."""
    return [decode_label(label) or label for label in labels]


def spell_place(node: RealNode, root: AssetPath) -> str:
    """Give where a node is seen from the mount's `root`, for people; asks no store."""
    directory = node.directory.path if isinstance(node, Draft) else node.path
    names = spell_labels(directory.labels[len(root.labels) :])
    if isinstance(node, Entry):
        names.append(node.name or node.default_name)
    elif not isinstance(node, Directory):
        names.append(node.name or "")
    return "/" + "/".join(names)
