"""Open virtual files as the kernel numbers them, apart from the others. Lives on the trio thread."""

import os
from typing import Final

import pyfuse3
from pyfuse3 import FileHandleT

from konifer_fs.domain.errors import ReadOnly
from konifer_fs.fuse.handles import Handles
from konifer_fs.fuse.inodes import Inode
from konifer_fs.fuse.session import Session
from konifer_fs.vfs.virtual.nodes import Reading, VirtualFile

_FIRST: Final = 1 << 32


class VirtualFiles:
    """The open virtual files of one mount; nothing can be written to them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handles: Handles[tuple[Inode, Reading]] = Handles()

    def has(self, handle: int) -> bool:
        """Whether a file handle is one of these."""
        return handle >= _FIRST

    def inode_of(self, handle: int) -> Inode:
        """Give the inode that a handle is open on; raises MovedOn for one that is not."""
        return self._handles[handle - _FIRST][0]

    async def open(self, inode: Inode, file: VirtualFile, flags: int) -> pyfuse3.FileInfo:
        """Open a file; the page cache stays when it holds these very bytes. Raises ReadOnly, MovedOn."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise ReadOnly
        reading = await self._session.offload.transfer(file.begin_reading)
        number = FileHandleT(_FIRST + self._handles.add((inode, reading)))
        if reading.token is None:
            return pyfuse3.FileInfo(fh=number, direct_io=True)
        keep_cache, inode.cached = reading.token == inode.cached, reading.token
        return pyfuse3.FileInfo(fh=number, keep_cache=keep_cache)

    async def read(self, handle: int, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`."""
        _, reading = self._handles[handle - _FIRST]
        if reading.is_at_hand:
            return reading.read(length, offset)
        return await self._session.offload.transfer(reading.read, length, offset)

    async def release(self, handle: int) -> None:
        """Close a file for good."""
        _, reading = self._handles.pop(handle - _FIRST)
        await self._session.offload.transfer(reading.close)
