"""The tree as it is seen: what a name denotes, what a directory holds, what `stat` shows.

Drafts lie over the stored tree: where both have a name, the draft is seen. Virtual nodes hang off entries and
directories.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import Final

from konifer_fs.domain.errors import MovedOn, NameTooLong, NoSuchName
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.domain.path import MAX_NAME_BYTES, is_reserved
from konifer_fs.domain.thumbnails import SHARED
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.bases import Bases
from konifer_fs.vfs.drafts import Draft, Drafts
from konifer_fs.vfs.nodes import AnyDirectory, Defaults, Node, StoredNode
from konifer_fs.vfs.shown import ShownNames
from konifer_fs.vfs.sizes import Sizes
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import VirtualDirectory, VirtualNode
from konifer_fs.vfs.virtual.selectors import SELECTORS, Selectors
from konifer_fs.vfs.virtual.thumbnails import Thumbnails
from konifer_fs.vfs.virtual.variants import Variants

VARIANTS: Final = "@"


class Tree:
    """Reads the tree of one mount. Thread-safe.

    With `show_virtual` listing a directory names `-`, and `photo.jpg@` beside each `photo.jpg`.
    """

    def __init__(
        self,
        metadata: MetadataStore,
        drafts: Drafts,
        defaults: Defaults,
        sizes: Sizes,
        variants: Variants,
        selectors: Selectors,
        thumbnails: Thumbnails,
        shown: ShownNames,
        *,
        show_virtual: bool,
    ) -> None:
        self._shown = shown
        self._selectors = selectors
        self._thumbnails = thumbnails
        self._metadata = metadata
        self._drafts = drafts
        self._bases = Bases(metadata, drafts)
        self._defaults = defaults
        self._sizes = sizes
        self._variants = variants
        self._show_virtual = show_virtual

    def find(self, directory: Directory, name: str) -> Node | None:
        """Give what `name` denotes in `directory`, if it denotes anything; raises NameTooLong for what nothing can."""
        if is_reserved(name):
            return self._find_virtual(directory, name)
        if len(name.encode()) > MAX_NAME_BYTES:
            raise NameTooLong(name)
        if (draft := self._drafts.find(directory, name)) is not None:
            return draft
        found = self._metadata.find_child(directory, name)
        if isinstance(found, Entry):
            return self._bases.followed(found)
        if found is None and name == SHARED:
            return self._thumbnails.directory_of(directory)
        return found

    def _find_virtual(self, directory: Directory, name: str) -> VirtualDirectory | None:
        if name == SELECTORS:
            return self._selectors.directory_of(directory)
        base = name.removesuffix(VARIANTS)
        return self._variants_of(self.find(directory, base)) if base and not is_reserved(base) else None

    def _variants_of(self, node: Node | None) -> VirtualDirectory | None:
        """Give the variants of an entry, or of the one that a draft lies over."""
        entry = node.base if isinstance(node, Draft) else node
        return self._variants.directory_of(entry) if isinstance(entry, Entry) else None

    def find_draft(self, directory: Directory, name: str) -> Draft | None:
        """Give the draft called `name` in `directory`; asks no store."""
        return self._drafts.find(directory, name)

    def can_be_stored_only(self, directory: Directory, name: str) -> bool:
        """Whether nothing but the store can have something of that name: no draft has it, nor is it one made up."""
        is_ordinary = not is_reserved(name) and name != SHARED and len(name.encode()) <= MAX_NAME_BYTES
        return is_ordinary and self._drafts.find(directory, name) is None

    def has_drafts(self, directory: Directory) -> bool:
        """Whether some name in a directory is a draft's."""
        return bool(self._drafts.list_in(directory))

    def lookup(self, directory: AnyDirectory, name: str) -> Node:
        """Give what `name` denotes in `directory`; raises NoSuchName, also for what would have to be made first."""
        node = directory.names.find(name) if isinstance(directory, VirtualDirectory) else self.find(directory, name)
        if node is None or isinstance(node, Future):
            raise NoSuchName(name)
        return node

    def settled(self, node: Node) -> Node:
        """Give the draft over an entry, or the entry of a draft that was let go of; asks no store."""
        if not isinstance(node, (Entry, Draft)):
            return node
        draft = self._drafts.find_by_id(node.id)
        if draft is not None:
            return draft
        if isinstance(node, Entry):
            return node
        if node.base is None:
            raise MovedOn
        return node.base

    def refresh(self, node: Node) -> Node:
        """Read a node again; raises MovedOn when it is gone."""
        node = self.settled(node)
        if isinstance(node, VirtualDirectory):
            return node.names.refreshed()
        if isinstance(node, Draft | VirtualNode):
            return node
        current = self._metadata.refresh(node)
        if current is None:
            raise MovedOn
        return current

    def list_children(self, directory: Directory) -> Iterator[Sequence[tuple[str, Node]]]:
        """Give all children with their names, in pages; each name once."""
        if self._show_virtual:
            yield [(SELECTORS, self._selectors.directory_of(directory))]
        for page in self._list_real(directory):
            yield page
            if self._show_virtual:
                yield [
                    (name + VARIANTS, variants)
                    for name, node in page
                    if len(name.encode()) < MAX_NAME_BYTES and (variants := self._variants_of(node))
                ]

    def _list_real(self, directory: Directory) -> Iterator[Sequence[tuple[str, Node]]]:
        drafts = {draft.name or "": draft for draft in self._drafts.list_in(directory)}
        for page in self._shown.name_children(directory, self._metadata.list_children(directory)):
            if drafts or self._drafts.are_there:
                yield [(name, self._followed(node)) for name, node in page if name not in drafts]
            else:
                yield page
        yield list(drafts.items())

    def _followed(self, node: StoredNode) -> Node:
        return self._bases.followed(node) if isinstance(node, Entry) else node

    def list_each(self, directories: Sequence[Directory], most: int) -> Sequence[Sequence[tuple[str, Node]] | None]:
        """Give all stored children of directories without drafts, with their names; None for one with over `most`."""
        found = self._metadata.list_each(directories, most)
        return [
            None if nodes is None else list(chain(*self._shown.name_children(directory, iter([nodes]))))
            for directory, nodes in zip(directories, found, strict=True)
        ]

    @property
    def shows_virtual(self) -> bool:
        """Whether listings tell of what the mount makes up."""
        return self._show_virtual

    def stat_all(self, nodes: Sequence[Node]) -> Sequence[Stat]:
        """Give the attributes of several nodes; sizes that nobody recorded are asked for at once."""
        self._sizes.learn([node for node in nodes if isinstance(node, Entry)])
        return [self.stat(node) for node in nodes]

    def stat(self, node: Node) -> Stat:
        """Give the attributes of a node."""
        if isinstance(node, Entry):
            return self._stat_entry(node)
        if isinstance(node, Draft):
            return self._defaults.stat_draft(node)
        if isinstance(node, VirtualNode):
            return node.stat
        if isinstance(node, Directory):
            return self._defaults.stat_directory(node, self._drafts.renamed_ns(node))
        return self._defaults.stat_symlink(node)

    def _stat_entry(self, entry: Entry) -> Stat:
        size = 0 if entry.original is None else self._sizes.find(entry.original, entry.size)
        shown = self._defaults.stat_entry(entry, size or 0)
        # Nobody tells when a missing object is there again.
        return shown if size is not None else shown._replace(is_volatile=True)
