"""The inodes that the kernel knows. Lives on the trio thread; touched only between checkpoints, so it needs no lock."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import ROOT_ID, Directory
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.fuse.by_path import ByPath
from konifer_fs.fuse.kept_xattrs import KeptXattrs, Place
from konifer_fs.fuse.listings import Listings
from konifer_fs.fuse.versions import Versions
from konifer_fs.vfs.drafts import Renamed
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.virtual.nodes import VirtualNode


class Inode:
    """What the kernel holds: a number, the node as it was last read, and how often the kernel looked it up.

    Times are on the monotonic clock. `confirmed` is when the reading of the node began, `changed` when this mount last
    changed attributes that are in it, `renamed` when a name in this directory was last taken away here. The node is
    believed, here and by the kernel, until `believed_until`. `absent` are the names in this directory of which the
    kernel was told that nothing has them. `cached` is the token of the bytes in the page cache. `generation` is how
    often the kernel removed a directory of this number here: it takes what has the number then for another one.
    """

    __slots__ = (
        "absent", "believed_until", "cached", "changed", "confirmed", "generation", "lookups", "name", "node", "number",
        "parent", "renamed",
    )  # fmt: skip

    def __init__(self, number: int, node: Node, parent: int, name: str) -> None:
        self.number = number
        self.node = node
        self.parent = parent
        self.name = name
        self.lookups = self.generation = 0
        self.confirmed = self.changed = self.renamed = self.believed_until = 0.0
        self.absent: set[str] | None = None
        self.cached: object = None

    @property
    def place(self) -> Place:
        """The number of the directory that it was last found in, and its name there."""
        return self.parent, self.name

    @property
    def is_outdated(self) -> bool:
        """Whether this mount has changed attributes since the node was read."""
        return self.changed > self.confirmed


class Inodes:
    """Inode numbers are node ids, but for the mount's root, which FUSE wants to be 1, and some of `versions`.

    `listings` are of directories among them; what is in those of an inode and of its parent changes with it. `xattrs`
    are of any. `carried` are those that were found to be elsewhere with a directory, for whoever has them doubted.
    """

    def __init__(self, root: Directory) -> None:
        self.root: Final = Inode(ROOT_ID, root, ROOT_ID, "")
        self._known: dict[int, Inode] = {ROOT_ID: self.root}
        self._by_path = ByPath()
        self._by_path.add(self.root)
        self.versions: Final = Versions()
        self.listings: Final = Listings()
        self.xattrs: Final = KeptXattrs()
        self.carried: list[Inode] = []

    def __getitem__(self, number: int) -> Inode:
        """Give a known inode; raises MovedOn for one that the kernel should not know."""
        try:
            return self._known[number]
        except KeyError:
            raise MovedOn from None

    def __len__(self) -> int:
        """Give how many inodes the kernel knows."""
        return len(self._known)

    def __iter__(self) -> Iterator[Inode]:
        """Go over all inodes that the kernel knows."""
        return iter(self._known.values())

    def note(self, node: Node, parent: int, name: str, read_at: float) -> Inode:
        """Give the inode of a node that was read as `name`, making it when it is new; counts no look-up."""
        number = self._number_for(node)
        if number is None:
            number = node.id if self._was_changed_since(read_at, node.id) else self.versions.add(node.id)
        inode = self._known.get(number)
        if inode is None:
            inode = self._known[number] = Inode(number, node, parent, name)
            inode.confirmed = read_at
            self._by_path.add(inode)
        else:
            inode.parent, inode.name = parent, name
            self.confirm(inode, node, read_at)
        return inode

    def confirm(self, inode: Inode, node: Node, read_at: float) -> None:
        """Take over a node whose reading began, or that was changed, at `read_at`.

        One that is at another path by now was renamed elsewhere: what was found below it has another path, too, but
        not what has come to where it was. That may have been found as this one, whose number it has: see `_number_for`.
        Of an inode whose handles read what the file was before nothing changes.
        """
        if self.versions.shows_another(inode.number, node):
            return
        before = inode.node
        self._take(inode, node, read_at)
        if isinstance(before, Directory) and isinstance(node, Directory) and before.path != node.path:
            below = [it for it in self.within(before.path) if self._was_found_below(it, inode)]
            self._carry(below, before.path, node.path)
            self.carried += inode, *below

    def _take(self, inode: Inode, node: Node, read_at: float) -> None:
        self._by_path.remove(inode)
        inode.node, inode.confirmed = node, read_at
        self._by_path.add(inode)

    def by_id(self, node_id: int) -> Inode | None:
        """Give the inode of the node that has this id, when the kernel knows it."""
        return self._known.get(ROOT_ID if node_id == self.root.node.id else node_id)

    def all_by_id(self, node_id: int) -> Iterator[Inode]:
        """Give the inodes of the node that has this id: of a file, what it is and what it was."""
        numbers = [ROOT_ID] if node_id == self.root.node.id else self.versions.numbers_of(node_id)
        return filter(None, map(self._known.get, numbers))

    def at_path(self, path: AssetPath) -> Inode | None:
        """Give the inode of the directory at `path`, when the kernel knows it."""
        return self._by_path.directory_at(path)

    def within(self, path: AssetPath) -> Iterator[Inode]:
        """Give the inodes of all stored nodes that were last read at and below `path`; none may change meanwhile."""
        return self._by_path.within(path)

    def find_directory(self, parent: int, name: str) -> Inode | None:
        """Give the inode of the stored directory that was last found as `name`, when the kernel knows it."""
        above = self[parent].node
        paths = map(above.path.child, candidate_labels(name)) if isinstance(above, Directory) else ()
        return next((it for it in map(self.at_path, paths) if it is not None and it.place == (parent, name)), None)

    def find(self, node: Node) -> Inode | None:
        """Give the inode of a node, when the kernel knows it."""
        number = self._number_for(node)
        return None if number is None else self._known.get(number)

    def _was_changed_since(self, read_at: float, number: int) -> bool:
        return number in self._known and self._known[number].changed > read_at

    def _number_for(self, node: Node) -> int | None:
        """Give the node's number, or the next free one when a directory that was renamed away has it.

        A foreign writer can bring back a path whose directory was renamed: both derive their ids from it. It is None
        for a file that needs another one, as handles on what it was have each that it has.
        """
        number = ROOT_ID if node.id == self.root.node.id else self.versions.find(node)
        while number is not None and (known := self._known.get(number)) and _is_another(known.node, node):
            number += 1
        return number

    def forget(self, number: int, lookups: int) -> None:
        """Take back look-ups; an inode without any is dropped."""
        inode = self._known.get(number)
        if inode is None or inode is self.root:
            return
        inode.lookups -= lookups
        if inode.lookups <= 0:
            self.listings.forget(number)
            self._by_path.remove(inode)
            self.versions.forget(number)
            del self._known[number]

    def take_oldest(self, count: int) -> list[Inode]:
        """Give those that were made first, the root not among them; the next call gives others."""
        oldest = [inode for inode in islice(self._known.values(), count) if inode is not self.root]
        for inode in oldest:
            self._known[inode.number] = self._known.pop(inode.number)
        return oldest

    def note_change(self, number: int, *, lost_name: str | None = None, touched_ns: int | None = None) -> None:
        """Note that this mount changed attributes: of a directory also by making a name in it, or taking one away.

        When that gave it the times `touched_ns`, and nothing else, it need not be read again: of such changes the
        kernel lets in one at a time.

        Raises MovedOn for an inode that the kernel should not know.
        """
        inode = self[number]
        was_outdated, inode.changed = inode.is_outdated, time.monotonic()
        node = inode.node
        if touched_ns is not None and not was_outdated and isinstance(node, Directory) and node.made:
            ownership = replace(node.ownership, mtime_ns=touched_ns, ctime_ns=touched_ns)
            self._take(inode, node._replace(ownership=ownership), inode.changed)
        if lost_name is not None:
            inode.renamed = inode.changed
            self.xattrs.drop((number, lost_name))
        if isinstance(inode.node, VirtualNode):  # What is a name there may be a tag of any entry.
            self.xattrs.clear()
        self.drop_kept(inode)

    def drop_kept(self, inode: Inode) -> None:
        """Drop what is kept of an inode: its extended attributes, and the listings that tell of it."""
        self.listings.drop(inode.number, inode.parent)
        self.xattrs.drop(inode.place)

    def drop_all_kept(self) -> None:
        """Drop what is kept of all inodes."""
        self.listings.clear()
        self.xattrs.clear()

    def rebase(self, renamed: Sequence[Renamed]) -> None:
        """Note that directories have other paths, and so have those below them."""
        for inodes, old, new in [(list(self.within(old)), old, new) for old, new in renamed]:
            self._carry(inodes, old, new)

    def _carry(self, inodes: Iterable[Inode], old: AssetPath, new: AssetPath) -> None:
        for inode in inodes:
            node = inode.node
            if isinstance(node, Directory):
                self._take(inode, node._replace(path=node.path.rebased(old, new), made=True), inode.confirmed)
                self.listings.drop(inode.number)

    def _was_found_below(self, inode: Inode, above: Inode) -> bool:
        passed = {self.root.number}  # Directories that change places may for a moment be parents of each other.
        while inode is not above and inode.number not in passed:
            passed.add(inode.number)
            inode = self._known.get(inode.parent, self.root)
        return inode is above


def _is_another(known: Node, node: Node) -> bool:
    return (
        isinstance(known, Directory)
        and isinstance(node, Directory)
        and known.made
        and not node.made
        and known.path != node.path
    )
