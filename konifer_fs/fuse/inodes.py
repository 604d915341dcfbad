"""The inodes that the kernel knows. Lives on the trio thread; touched only between checkpoints, so it needs no lock."""

import time
from collections.abc import Sequence
from typing import Final

from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import ROOT_ID, Directory
from konifer_fs.vfs.drafts import Renamed, rebased
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.virtual.nodes import VirtualNode


class Inode:
    """What the kernel holds: a number, the node as it was last read, and how often the kernel looked it up.

    `confirmed` is when the node was last read or changed here, `renamed` when a name in this directory was last taken
    away here, both on the monotonic clock. `outdated` is whether this mount has changed a directory's times since the
    node was read. `cached` is the token of the bytes in the page cache. `name` is a virtual node's own in its parent.
    """

    __slots__ = ("cached", "confirmed", "lookups", "name", "node", "number", "outdated", "parent", "renamed")

    def __init__(self, number: int, node: Node, parent: int) -> None:
        self.number = number
        self.node = node
        self.parent = parent
        self.name = ""
        self.lookups = 0
        self.confirmed = time.monotonic()
        self.renamed = 0.0
        self.outdated = False
        self.cached: object = None

    def confirm(self, node: Node) -> None:
        """Take over a node that was just read or changed."""
        self.node, self.confirmed, self.outdated = node, time.monotonic(), False

    def note_change(self, *, lost_name: bool) -> None:
        """Note that this mount made a name in this directory, or took one away."""
        self.outdated = True
        if lost_name:
            self.renamed = time.monotonic()


class Inodes:
    """Inode numbers are node ids, but for the mount's root, which FUSE wants to be 1."""

    def __init__(self, root: Directory) -> None:
        self.root: Final = Inode(ROOT_ID, root, ROOT_ID)
        self._known: dict[int, Inode] = {ROOT_ID: self.root}

    def __getitem__(self, number: int) -> Inode:
        """Give a known inode; raises MovedOn for one that the kernel should not know."""
        try:
            return self._known[number]
        except KeyError:
            raise MovedOn from None

    def __len__(self) -> int:
        """Give how many inodes the kernel knows."""
        return len(self._known)

    def note(self, node: Node, parent: int, name: str) -> Inode:
        """Give the inode of a node that was just read as `name`, making it when it is new; counts no look-up."""
        number = self._number_for(node)
        inode = self._known.get(number)
        if inode is None:
            inode = self._known[number] = Inode(number, node, parent)
        inode.parent = parent
        if isinstance(node, VirtualNode):
            inode.name = name
        inode.confirm(node)
        return inode

    def find(self, node: Node) -> Inode | None:
        """Give the inode of a node, when the kernel knows it."""
        return self._known.get(self._number_for(node))

    def _number_for(self, node: Node) -> int:
        """Give the node's id, or the next free number when a directory that was renamed away has it.

        A foreign writer can bring back a path whose directory was renamed: both derive their ids from it.
        """
        number = ROOT_ID if node.id == self.root.node.id else node.id
        while (known := self._known.get(number)) and _is_another(known.node, node):
            number += 1
        return number

    def forget(self, number: int, lookups: int) -> None:
        """Take back look-ups; an inode without any is dropped."""
        inode = self._known.get(number)
        if inode is None or inode is self.root:
            return
        inode.lookups -= lookups
        if inode.lookups <= 0:
            del self._known[number]

    def rebase(self, renamed: Sequence[Renamed]) -> None:
        """Note that directories have other paths."""
        if not renamed:
            return
        for inode in self._known.values():
            node = inode.node
            if isinstance(node, Directory):
                path = rebased(node.path, renamed)
                if path != node.path:
                    inode.node = Directory(id=node.id, path=path, made=True, ownership=node.ownership)


def _is_another(known: Node, node: Node) -> bool:
    return (
        isinstance(known, Directory)
        and isinstance(node, Directory)
        and known.made
        and not node.made
        and known.path != node.path
    )
