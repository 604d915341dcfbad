"""The least that a file system by pyfuse3 can do: names and attributes in memory, bytes in files, nothing checked.

Beside it one sees what of a mount's time goes to the kernel's requests and to Python's answering them, and what to the
stores. `python -m bench.bare DIRECTORY MOUNTPOINT` mounts it, until it is unmounted.
"""

import errno
import itertools
import os
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyfuse3
import trio
from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileInfo,
    FileNameT,
    FlagT,
    InodeT,
    ModeT,
    ReaddirToken,
    RequestContext,
    SetattrFields,
)

_BELIEVED_SECONDS: Final = 3600.0


class Node:
    """A file or directory: `entries` is what a directory holds, `path` where a file's bytes are."""

    __slots__ = ("entries", "mode", "number", "path", "size", "time_ns")

    def __init__(self, number: int, mode: int, path: Path) -> None:
        self.number = InodeT(number)
        self.mode = ModeT(mode)
        self.path = path
        self.size = 0
        self.time_ns = time.time_ns()
        self.entries: dict[bytes, Node] = {}


class Bare(pyfuse3.Operations):
    """The operations that `cp`, `find`, `ls`, `md5sum`, `getfattr`, `mv` and `rm` need."""

    supports_dot_lookup = False

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._numbers = itertools.count(int(pyfuse3.ROOT_INODE))
        self._nodes: dict[int, Node] = {}
        self._open: dict[int, Node] = {}
        self._make(stat.S_IFDIR | 0o755)

    def _make(self, mode: int) -> Node:
        number = next(self._numbers)
        node = self._nodes[number] = Node(number, mode, self._directory / str(number))
        return node

    def _tell(self, node: Node) -> EntryAttributes:
        told = EntryAttributes()
        told.st_ino, told.st_mode, told.st_size, told.st_nlink = node.number, node.mode, node.size, 1
        told.st_blocks = (node.size + 511) // 512
        told.st_atime_ns = told.st_mtime_ns = told.st_ctime_ns = node.time_ns
        told.attr_timeout = told.entry_timeout = _BELIEVED_SECONDS
        return told

    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        node = self._nodes[parent_inode].entries.get(name)
        if node is not None:
            return self._tell(node)
        absent = EntryAttributes()
        absent.st_ino, absent.entry_timeout = InodeT(0), _BELIEVED_SECONDS
        return absent

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        pass

    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        return self._tell(self._nodes[inode])

    async def setattr(
        self, inode: InodeT, attr: EntryAttributes, fields: SetattrFields, fh: FileHandleT | None, ctx: RequestContext
    ) -> EntryAttributes:
        node = self._nodes[inode]
        if fields.update_mode:
            node.mode = attr.st_mode
        return self._tell(node)

    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> Sequence[pyfuse3.XAttrNameT]:
        return []

    async def getxattr(self, inode: InodeT, name: pyfuse3.XAttrNameT, ctx: RequestContext) -> bytes:
        # So that nobody asks each file for its access list.
        raise pyfuse3.FUSEError(errno.EOPNOTSUPP if name.startswith(b"system.") else errno.ENODATA)

    async def mkdir(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext) -> EntryAttributes:
        node = self._nodes[parent_inode].entries[name] = self._make(stat.S_IFDIR | mode)
        return self._tell(node)

    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        del self._nodes[parent_inode].entries[name]

    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        self._nodes[parent_inode].entries.pop(name).path.unlink()

    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        self._nodes[parent_inode_new].entries[name_new] = self._nodes[parent_inode_old].entries.pop(name_old)

    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        return FileHandleT(inode)

    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        entries = list(self._nodes[fh].entries.items())
        for place, (name, node) in enumerate(entries[start_id:], start_id + 1):
            if not pyfuse3.readdir_reply(token, FileNameT(name), self._tell(node), place):
                return

    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        node = self._nodes[parent_inode].entries[name] = self._make(stat.S_IFREG | mode)
        return self._opened(node, os.O_CREAT), self._tell(node)

    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        return self._opened(self._nodes[inode], 0)

    def _opened(self, node: Node, flags: int) -> FileInfo:
        descriptor = os.open(node.path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        self._open[descriptor] = node
        return FileInfo(fh=FileHandleT(descriptor), keep_cache=True)

    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return os.pread(fh, size, off)

    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        node, written = self._open[fh], os.pwrite(fh, buf, off)
        node.size = max(node.size, off + written)
        return written

    async def flush(self, fh: FileHandleT) -> None:
        pass

    async def release(self, fh: FileHandleT) -> None:
        del self._open[fh]
        os.close(fh)


def main() -> None:
    directory, mountpoint = sys.argv[1:]
    options = {*pyfuse3.default_options, "fsname=bare", "default_permissions"}
    pyfuse3.init(Bare(Path(directory)), mountpoint, options)
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close(unmount=False)


if __name__ == "__main__":
    main()
