"""Open files as the kernel numbers them: what can be answered at once is, the rest goes to threads.

Lives on the trio thread.
"""

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

import pyfuse3
from pyfuse3 import FileHandleT

from konifer_fs.domain.errors import IsADirectory, KoniferFsError, MovedOn, NameTaken
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.fuse.coherence import UNTOLD_SECONDS
from konifer_fs.fuse.handles import Handles
from konifer_fs.fuse.inodes import Inode
from konifer_fs.fuse.kept_xattrs import Place
from konifer_fs.fuse.reading_ahead import ReadingAhead
from konifer_fs.fuse.session import Session
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.opened import OpenFile

_WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(slots=True)
class _File:
    """`cached` is whether the kernel may answer from the pages that all handles on the inode share."""

    inode: Inode
    opened: OpenFile
    cached: bool


class OpenFiles:
    """The open files of one mount."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._offload = session.offload
        self._files = session.fs.files
        self._handles: Handles[_File] = Handles()
        self._ahead = ReadingAhead(session.inodes, session.fs.files)

    def inode_of(self, handle: int) -> Inode:
        """Give the inode that a handle is open on; raises MovedOn for one that is not."""
        return self._handles[handle].inode

    async def create(
        self, parent: Directory, parent_number: int, name: str, ownership: Ownership, flags: int
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        """Make a file and open it; with O_EXCL the kernel has just looked that nothing has the name."""
        tree = self._session.fs.tree
        if not flags & os.O_EXCL and await self._offload.ask(tree.find, parent, name) is not None:
            raise MovedOn  # The kernel remembered wrongly that nothing has the name: it looks again, and opens it.
        try:
            if self._files.is_ready_to_create(parent):
                draft, opened = self._files.create(parent, name, ownership)
            else:
                draft, opened = await self._offload.ask(self._files.create, parent, name, ownership)
        except NameTaken as error:
            if flags & os.O_EXCL:
                raise
            raise MovedOn from error  # Another has made it since the kernel looked.
        mark = self._session.coherence.mark()
        attributes = self._session.introduce(draft, tree.stat(draft), parent_number, name, mark)
        attributes.attr_timeout = UNTOLD_SECONDS  # It is changed by the kernel's own requests only, until it is stored.
        inode = self._session.inodes[attributes.st_ino]
        self._session.inodes.drop_kept(inode)
        return self._hand_out(inode, opened), attributes

    async def open(self, number: int, flags: int) -> pyfuse3.FileInfo:
        """Open a file; its entry is checked, and MovedOn lets the kernel look the name up again."""
        node = self._session.node(number)
        if not isinstance(node, Entry | Draft):
            raise IsADirectory
        self._session.inodes.versions.check(number, node)
        opened = await self._offload.transfer(self._open, node, flags)
        return self._hand_out(self._session.inodes[number], opened)

    def _open(self, node: Entry | Draft, flags: int) -> OpenFile:
        return self._files.open(node, writable=bool(flags & _WRITING), truncate=bool(flags & os.O_TRUNC))

    def _hand_out(self, inode: Inode, opened: OpenFile) -> pyfuse3.FileInfo:
        """Number an open file; the page cache stays when it holds these very bytes.

        It is left alone while another handle reads other bytes through it, as those of a draft that was refused.
        """
        versions = self._session.inodes.versions
        file = _File(inode, opened, cached=versions.have_bytes_of(opened, inode.number))
        number = FileHandleT(self._handles.add(file))
        versions.note_opened(inode.number, opened)
        if not file.cached:
            return pyfuse3.FileInfo(fh=number, direct_io=True, keep_cache=True)
        token = opened.content_token
        keep_cache, inode.cached = token is not None and token == inode.cached, token
        return pyfuse3.FileInfo(fh=number, keep_cache=keep_cache)

    async def read(self, handle: int, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`."""
        opened = self._handles[handle].opened
        if self._files.is_at_hand(opened, length, offset):
            return self._files.read(opened, length, offset)
        return await self._offload.transfer(self._files.read, opened, length, offset)

    async def write(self, handle: int, offset: int, content: bytes) -> int:
        """Write to the draft; gives how much, which is all of it."""
        file = self._handles[handle]
        written = self._files.write_now(file.opened, content, offset)
        if written is None:
            written = await self._offload.transfer(self._files.write, file.opened, content, offset)
        if file.cached:
            file.inode.cached = file.opened.content_token
        return written

    async def truncate(self, number: int, handle: int | None, size: int) -> bool:
        """Cut or lengthen a file, which the caller has open or not; gives whether it had another size."""
        if handle is not None:
            return await self._offload.transfer(self._files.truncate, self._handles[handle].opened, size)
        node = self._session.node(number)
        if not isinstance(node, Entry | Draft):
            raise IsADirectory
        try:
            return await self._offload.transfer(self._files.truncate_by_path, node, size)
        except KoniferFsError:
            await self._offload.transfer(self._session.kernel_caches.drop_attributes, number)
            raise

    async def foresee_loss(self, place: Place) -> None:
        """Keep what is said of the file at a place, which is about to lose its name, for those who have it open."""
        for inode in self._find_at(place):
            with suppress(MovedOn):
                await self._offload.ask(self._session.fs.orphans.foresee, inode.node)

    def note_renamed(self, renamed: Mapping[Place, Place]) -> None:
        """Note that what is open at some places was renamed to others: the kernel may not look it up again."""
        for inode, place in [(inode, new) for old, new in renamed.items() for inode in self._find_at(old)]:
            inode.parent, inode.name = place

    def _find_at(self, place: Place) -> Collection[Inode]:
        """Give what is open that was last found at a place: also what has lost that name, or has none any more."""
        return {file.inode for file in self._handles if file.inode.place == place}

    async def flush(self, handle: int) -> None:
        """Commit what was changed through this handle."""
        await self._commit(self._handles[handle], self._files.flush)

    async def sync(self, handle: int) -> None:
        """Commit what was changed; an image that is not whole yet is safe in the spool."""
        await self._commit(self._handles[handle], self._files.sync)

    async def _commit(self, file: _File, commit: Callable[[OpenFile], None]) -> None:
        if not file.opened.changed:
            return
        fresh = file.inode.cached == file.opened.content_token
        await self._offload.transfer(commit, file.opened)
        self._session.inodes.note_change(file.inode.number)
        if fresh:
            file.inode.cached = file.opened.content_token

    async def release(self, handle: int) -> None:
        """Close a file for good."""
        file = self._handles.pop(handle)
        self._session.inodes.versions.note_closed(file.inode.number, file.opened)
        if not self._files.release_now(file.opened):
            await self._offload.transfer(self._files.release, file.opened)
        if file.opened.draft is not None:
            self._session.inodes.note_change(file.inode.number)
        elif file.opened.was_read_whole:
            self._ahead.note_read(file.inode)
