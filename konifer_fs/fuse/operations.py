"""The FUSE operations: translate, delegate, reply.

Runs on the trio thread. What is in memory or in the spool is answered at once; what may block goes to a thread. Between
two checkpoints nothing else runs, so the tables of inodes and handles need no locks.
"""

import logging
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import replace

import pyfuse3
from pyfuse3 import FileHandleT, FileNameT, FlagT, InodeT, ModeT, RequestContext, XAttrNameT

from konifer_fs.domain.errors import (
    KindUnsupported,
    MovedOn,
    MoveUnsupported,
    NoSuchName,
    NotASymlink,
    ReadOnly,
    StoreUnreachable,
)
from konifer_fs.domain.node import Directory, Ownership, Symlink
from konifer_fs.fuse.attributes import absent, to_attributes, to_ownership, to_statvfs, to_text
from konifer_fs.fuse.callers import caller, owned
from konifer_fs.fuse.coherence import UNTOLD_SECONDS
from konifer_fs.fuse.directories import OpenDirectory
from konifer_fs.fuse.errnos import replies
from konifer_fs.fuse.files import OpenFiles
from konifer_fs.fuse.handles import Handles
from konifer_fs.fuse.inodes import Inode
from konifer_fs.fuse.observing import Observer
from konifer_fs.fuse.session import Session
from konifer_fs.fuse.virtual_files import VirtualFiles
from konifer_fs.fuse.xattrs_ahead import XattrsAhead
from konifer_fs.ports import OnClash
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.vfs.moves import Place
from konifer_fs.vfs.names import may_appear
from konifer_fs.vfs.nodes import Node, changeable
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import VirtualDirectory, VirtualFile, VirtualLink
from konifer_fs.vfs.virtual.reports import Figure
from konifer_fs.vfs.xattrs import name_of

log = logging.getLogger(__name__)

_ON_CLASH = {0: OnClash.REPLACE, 1: OnClash.REFUSE, 2: OnClash.EXCHANGE}


class Operations(pyfuse3.Operations):
    """One mount's answers to the kernel."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, filesystem: FileSystem) -> None:
        super().__init__()
        self._fs = filesystem
        self._session = Session(filesystem)
        self._offload = self._session.offload
        self.reader = self._offload.reader
        self._inodes = self._session.inodes
        self.kernel_caches = self._session.kernel_caches
        self.coherence = self._session.coherence
        self._files = OpenFiles(self._session)
        self._virtual_files = VirtualFiles(self._session)
        self._xattrs = XattrsAhead(self._session)
        self._directories: Handles[OpenDirectory] = Handles()
        self.observer = Observer(self._session, self._opened)
        filesystem.reports.figures.extend(
            [
                Figure("konifer_fs_changes_told", "1 while others' changes are told.", lambda: self.coherence.is_told),
                Figure("konifer_fs_changes_silent_seconds", "Since the feed told.", lambda: self.coherence.silence),
                Figure("konifer_fs_inodes", "Inodes that the kernel knows.", lambda: len(self._inodes)),
            ]
        )

    def _opened(self, operation: str, handle: int) -> Inode:
        """Give the inode that the handle of an operation is open on; raises MovedOn for one that is not."""
        if operation.endswith("dir"):
            return self._directories[handle].inode
        return (self._virtual_files if self._virtual_files.has(handle) else self._files).inode_of(handle)

    # Names.
    @replies
    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> pyfuse3.EntryAttributes:
        """Tell what a name denotes; that nothing has a name may be remembered, too.

        While no store answers a directory is told as it is known, so that drafts in it can be found.
        """
        text, parent, mark = to_text(name), self._inodes[parent_inode].node, self.coherence.mark()
        if isinstance(parent, Directory) and (draft := self._fs.tree.find_draft(parent, text)):
            return self._session.introduce(draft, self._fs.tree.stat(draft), parent_inode, text, mark)
        try:
            node, shown = await self._session.find(parent_inode, text)
        except NoSuchName:
            moved = self._inodes.find_directory(parent_inode, text)
            if moved is not None and isinstance(moved.node, Directory):
                self._fs.note_moved(moved.node.path)
            if isinstance(parent, VirtualDirectory) or may_appear(text):
                raise
            return absent(self.coherence.believe_absent(self._inodes[parent_inode], text, mark))
        except StoreUnreachable:
            known = self._inodes.find_directory(parent_inode, text)
            if known is None:
                raise
            known.lookups += 1
            return to_attributes(
                self._fs.tree.stat(known.node), known.number, UNTOLD_SECONDS, generation=known.generation
            )
        return self._session.introduce(node, shown, parent_inode, text, mark)

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        """Take back look-ups."""
        for number, lookups in inode_list:
            self._inodes.forget(number, lookups)

    @replies
    async def mkdir(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Make a directory."""
        parent = await self._session.directory(parent_inode)
        ownership = owned(ctx, mode & 0o7777, parent, inherit_mode=True)
        text, mark = to_text(name), self.coherence.mark()
        node = await self._offload.ask(self._fs.edits.make_directory, parent, text, ownership)
        self._inodes.note_change(parent_inode, touched_ns=node.ownership.ctime_ns)
        return self._session.introduce(node, self._fs.tree.stat(node), parent_inode, text, mark)

    @replies
    async def symlink(
        self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Make a symbolic link."""
        parent = await self._session.any_directory(parent_inode)
        ownership = owned(ctx, 0o777, parent) if isinstance(parent, Directory) else Ownership()
        text, mark = to_text(name), self.coherence.mark()
        made = parent, text, to_text(target), ownership, caller(ctx)
        node = await self._offload.ask(self._fs.edits.make_symlink, *made)
        touched_ns = node.ownership.ctime_ns if isinstance(node, Symlink) else None
        self._inodes.note_change(parent_inode, touched_ns=touched_ns)
        return self._session.introduce(node, self._fs.tree.stat(node), parent_inode, text, mark)

    @replies
    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        """Tell where a symbolic link points."""
        node = self._session.node(inode)
        if not isinstance(node, Symlink | VirtualLink):
            raise NotASymlink
        return FileNameT(node.target.encode())

    @replies
    async def link(
        self, inode: InodeT, new_parent_inode: InodeT, new_name: FileNameT, ctx: RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Refuse: there are no hard links."""
        raise KindUnsupported("a hard link")

    @replies
    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        """Remove a file or symbolic link."""
        parent, text = await self._session.any_directory(parent_inode), to_text(name)
        await self._files.foresee_loss((parent_inode, text))
        now_ns = time.time_ns()
        await self._offload.ask(self._fs.edits.remove, parent, text, now_ns, caller(ctx))
        self._inodes.note_change(parent_inode, lost_name=text, touched_ns=now_ns)

    @replies
    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        """Remove an empty directory."""
        parent, text = await self._session.directory(parent_inode), to_text(name)
        now_ns = time.time_ns()
        removed = self._inodes.find_directory(parent_inode, text)
        await self._offload.ask(self._fs.edits.remove_directory, parent, text, now_ns)
        if removed is not None:
            removed.generation += 1
        self._inodes.note_change(parent_inode, lost_name=text, touched_ns=now_ns)

    @replies
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        """Rename, with NOREPLACE and EXCHANGE."""
        if flags not in _ON_CLASH:
            raise MoveUnsupported(f"flags {flags}")
        source, target = [await self._session.any_directory(number) for number in (parent_inode_old, parent_inode_new)]
        names, now_ns = (to_text(name_old), to_text(name_new)), time.time_ns()
        changed = (parent_inode_old, names[0]), (parent_inode_new, names[1])
        if isinstance(source, Directory) and isinstance(target, Directory):
            places = Place(directory=source, name=names[0]), Place(directory=target, name=names[1])
            replaced = self._inodes.find_directory(*changed[1])
            if _ON_CLASH[flags] is OnClash.REPLACE:
                await self._files.foresee_loss(changed[1])
            moved = await self._offload.ask(self._fs.moves.move, *places, _ON_CLASH[flags], now_ns)
            if replaced is not None and _ON_CLASH[flags] is OnClash.REPLACE:
                replaced.generation += 1
            exchanged = {changed[1]: changed[0]} if _ON_CLASH[flags] is OnClash.EXCHANGE else {}
            self._files.note_renamed({changed[0]: changed[1], **exchanged})
            self.coherence.note_moved(changed, moved)
        elif _ON_CLASH[flags] is OnClash.EXCHANGE:
            raise ReadOnly("a link here changes places with none")
        else:
            moving = source, names[0], target, names[1], caller(ctx)
            await self._offload.ask(self._fs.edits.move_link, *moving)
        for parent, name in changed:
            self._inodes.note_change(parent, lost_name=name, touched_ns=now_ns)

    # Attributes.
    @replies
    async def getattr(self, inode: InodeT, ctx: RequestContext) -> pyfuse3.EntryAttributes:
        """Tell the attributes of a node: also of one that is removed but open, or while no store answers."""
        known = self._inodes[inode]
        try:
            node = self._session.node(inode)
            self._inodes.versions.check(inode, node)
            rest = known.believed_until - time.monotonic()
            if isinstance(node, Draft | VirtualFile | VirtualLink) or (
                isinstance(node, Directory) and rest > 0 and not known.is_outdated
            ):
                return to_attributes(self._fs.tree.stat(node), inode, max(0.0, rest))
            mark = self.coherence.mark()
            node, shown = await self._offload.ask(self._read, node)
            self._inodes.versions.check(inode, node)
        except MovedOn:
            if not self._fs.files.opened.is_open(known.node.id):
                raise
            return to_attributes(self._fs.tree.stat(known.node)._replace(nlink=0), inode, UNTOLD_SECONDS)
        except StoreUnreachable as error:
            log.warning("what is known of %d is told again: %s", inode, error)
            return to_attributes(self._fs.tree.stat(known.node), inode, UNTOLD_SECONDS)
        return to_attributes(shown, inode, self._session.confirm(known, node, mark))

    def _read(self, node: Node) -> tuple[Node, Stat]:
        node = self._fs.tree.refresh(node)
        return node, self._fs.tree.stat(node)

    @replies
    async def setattr(
        self,
        inode: InodeT,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> pyfuse3.EntryAttributes:
        """Set size, mode, owner and modification time."""
        changeable(self._session.node(inode))
        is_resized = not fields.update_size or await self._files.truncate(inode, fh, attr.st_size)
        known, mark = self._inodes[inode], self.coherence.mark()
        is_current = known.believed_until > mark.at and not (known.is_outdated or fields.update_size)
        change = to_ownership(attr, fields)
        if not is_resized:
            change = replace(change, mtime_ns=time.time_ns())
        node, shown = await self._session.ask_of(inode, self._set_ownership, change, is_current)
        self._inodes.note_change(inode)
        if self._inodes.versions.shows_another(inode, node):
            shown = shown._replace(size=self._fs.tree.stat(known.node).size)
        return to_attributes(shown, inode, self._session.confirm(known, node, mark._replace(at=time.monotonic())))

    def _set_ownership(self, node: Node, change: Ownership, is_current: bool) -> tuple[Node, Stat]:
        """Change a node, and read it again unless what is known of it was current."""
        if change != Ownership():
            node = self._fs.edits.set_ownership(node, change)
        return (node, self._fs.tree.stat(node)) if is_current else self._read(node)

    @replies
    async def access(self, inode: InodeT, mode: ModeT, ctx: RequestContext) -> bool:
        """Allow: the kernel has checked the permissions (`default_permissions`)."""
        return True

    @replies
    async def statfs(self, ctx: RequestContext) -> pyfuse3.StatvfsData:
        """Tell the space there is."""
        return to_statvfs(await self._offload.ask(self._fs.space))

    # Extended attributes.
    @replies
    async def getxattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> bytes:
        """Give the value of an extended attribute."""
        return await self._xattrs.get(inode, name_of(name))

    @replies
    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> Sequence[XAttrNameT]:
        """Give the names of the extended attributes that are set."""
        return [XAttrNameT(name.encode()) for name in await self._xattrs.list(inode)]

    @replies
    async def setxattr(self, inode: InodeT, name: XAttrNameT, value: bytes, ctx: RequestContext) -> None:
        """Set an extended attribute."""
        text = name_of(name)
        await self._session.ask_of(inode, self._fs.xattrs.set, text, value)
        self._inodes.note_change(inode)

    @replies
    async def removexattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> None:
        """Remove an extended attribute."""
        text = name_of(name)
        await self._session.ask_of(inode, self._fs.xattrs.remove, text)
        self._inodes.note_change(inode)

    # Files.
    @replies
    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        """Make a file and open it."""
        parent = await self._session.directory(parent_inode)
        ownership = owned(ctx, mode & 0o7777, parent)
        return await self._files.create(parent, parent_inode, to_text(name), ownership, flags)

    @replies
    async def mknod(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, rdev: int, ctx: RequestContext
    ) -> pyfuse3.EntryAttributes:
        """Make an empty file; refuse devices, FIFOs and sockets."""
        if not stat.S_ISREG(mode):
            raise KindUnsupported(to_text(name))
        parent = await self._session.directory(parent_inode)
        ownership = owned(ctx, mode & 0o7777, parent)
        info, attributes = await self._files.create(parent, parent_inode, to_text(name), ownership, os.O_EXCL)
        await self._files.release(info.fh)
        return attributes

    @replies
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> pyfuse3.FileInfo:
        """Open a file."""
        node = self._session.node(inode)
        if isinstance(node, VirtualFile):
            return await self._virtual_files.open(self._inodes[inode], node, flags)
        return await self._files.open(inode, flags)

    @replies
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        """Read."""
        if self._virtual_files.has(fh):
            return await self._virtual_files.read(fh, off, size)
        return await self._files.read(fh, off, size)

    @replies
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        """Write to the draft."""
        return await self._files.write(fh, off, buf)

    @replies
    async def flush(self, fh: FileHandleT) -> None:
        """Commit: a failure is close(2)'s."""
        if not self._virtual_files.has(fh):
            await self._files.flush(fh)

    @replies
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        """Commit, or sync what is not whole yet."""
        if not self._virtual_files.has(fh):
            await self._files.sync(fh)

    @replies
    async def release(self, fh: FileHandleT) -> None:
        """Close a file for good."""
        await (self._virtual_files if self._virtual_files.has(fh) else self._files).release(fh)

    # Directories.
    @replies
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        """Open a directory."""
        await self._session.any_directory(inode)
        return FileHandleT(self._directories.add(OpenDirectory(self._session, self._inodes[inode])))

    @replies
    async def readdir(self, fh: FileHandleT, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """List, from the place after `start_id` on."""
        await self._directories[fh].reply(start_id, token)

    @replies
    async def releasedir(self, fh: FileHandleT) -> None:
        """Close a directory."""
        self._directories.pop(fh)

    @replies
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        """Do nothing: names are committed by the calls that make them."""
