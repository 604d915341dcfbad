"""The known inodes by the path that their nodes were last read at, so that what is below one is found without the rest.

Lives on the trio thread.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from konifer_fs.domain.node import Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.virtual.nodes import VirtualNode

if TYPE_CHECKING:
    from konifer_fs.fuse.inodes import Inode


class _Folder:
    """What is known at one path: the directory, what is no directory in it, and the folders below by their labels.

    Of several directories that were read at this path the last is `directory`, others are among the `inodes`.
    """

    __slots__ = ("directory", "folders", "inodes")

    def __init__(self) -> None:
        self.directory: Inode | None = None
        self.folders: dict[str, _Folder] = {}
        self.inodes: dict[int, Inode] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.directory or self.inodes or self.folders)


class ByPath:
    """Finds inodes of stored nodes; of others it takes no notice."""

    def __init__(self) -> None:
        self._root = _Folder()

    def add(self, inode: "Inode") -> None:
        """Add an inode at the path of its node."""
        node = inode.node
        if isinstance(node, Draft | VirtualNode):
            return
        folder = self._root
        for label in node.path.labels:
            below = folder.folders.get(label)
            if below is None:
                below = folder.folders[label] = _Folder()
            folder = below
        if isinstance(node, Directory):
            if folder.directory is not None:
                folder.inodes[folder.directory.number] = folder.directory
            folder.directory = inode
        else:
            folder.inodes[inode.number] = inode

    def remove(self, inode: "Inode") -> None:
        """Remove an inode; its node is the one that it was added with."""
        node = inode.node
        if isinstance(node, Draft | VirtualNode):
            return
        labels, folders = list(node.path.labels), [self._root]
        for label in labels:
            folders.append(folders[-1].folders[label])
        if folders[-1].directory is inode:
            folders[-1].directory = None
        else:
            del folders[-1].inodes[inode.number]
        while labels and folders[-1].is_empty:
            folders.pop()
            del folders[-1].folders[labels.pop()]

    def directory_at(self, path: AssetPath) -> "Inode | None":
        """Give the directory at `path` that was added last."""
        folder = self._find(path)
        return None if folder is None else folder.directory

    def within(self, path: AssetPath) -> "Iterator[Inode]":
        """Give all at and below `path`; none may be added or removed meanwhile."""
        folder = self._find(path)
        folders = [] if folder is None else [folder]
        while folders:
            folder = folders.pop()
            if folder.directory is not None:
                yield folder.directory
            yield from folder.inodes.values()
            folders.extend(folder.folders.values())

    def _find(self, path: AssetPath) -> _Folder | None:
        folder = self._root
        for label in path.labels:
            below = folder.folders.get(label)
            if below is None:
                return None
            folder = below
        return folder
