"""What a name of the mount denotes, and the attributes that `stat` shows of it.

Stored nodes are the frozen ones of `domain.node`; a file being written is a `Draft`, the one that changes; what the
mount makes up is a virtual node.
"""

import stat
from dataclasses import dataclass, replace
from datetime import datetime

from konifer_fs.domain.errors import ReadOnly
from konifer_fs.domain.node import Directory, Entry, Ownership, Symlink
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import VirtualDirectory, VirtualNode

StoredNode = Directory | Entry | Symlink
RealNode = StoredNode | Draft
Node = RealNode | VirtualNode
AnyDirectory = Directory | VirtualDirectory

_NANOSECONDS = 1_000_000_000


def changeable(node: Node) -> RealNode:
    """Give a node that can be changed; raises ReadOnly for a virtual one."""
    if isinstance(node, VirtualNode):
        raise ReadOnly
    return node


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Owner and permissions of what nobody has changed through a mount."""

    uid: int
    gid: int
    umask: int

    def stat_directory(self, node: Directory, renamed_ns: int) -> Stat:
        """Show a directory, in which a draft's name came or went at `renamed_ns`; an untouched one is of 1970."""
        owned = node.ownership
        if renamed_ns > (owned.ctime_ns or 0):
            owned = replace(owned, mtime_ns=renamed_ns, ctime_ns=renamed_ns)
        return self._stat(node.id, stat.S_IFDIR, 0o777, owned, size=0, changed_ns=0)

    def stat_symlink(self, node: Symlink) -> Stat:
        """Show a symbolic link; everyone may follow it."""
        owned = replace(node.ownership, mode=0o777)
        return self._stat(node.id, stat.S_IFLNK, 0o777, owned, size=len(node.target.encode()), changed_ns=0)

    def stat_entry(self, node: Entry, size: int) -> Stat:
        """Show an entry; its ctime is at least `modified_at`, a foreign one's mtime is `created_at`."""
        ownership = self.complete(node)
        return self._stat(node.id, stat.S_IFREG, 0o666, ownership, size=size, changed_ns=ownership.ctime_ns or 0)

    def stat_draft(self, draft: Draft) -> Stat:
        """Show a file being written; one that was unlinked has no links."""
        shown = self._stat(draft.id, stat.S_IFREG, 0o666, draft.ownership, size=draft.file.size, changed_ns=0)
        return shown._replace(is_volatile=True, nlink=0 if draft.name is None else 1)

    def complete(self, entry: Entry) -> Ownership:
        """Give the ownership of an entry with nothing left to default."""
        owned = entry.ownership
        modified_ns, created_ns = to_ns(entry.modified_at), to_ns(entry.created_at)
        return Ownership(
            mode=0o666 & ~self.umask if owned.mode is None else owned.mode,
            uid=self.uid if owned.uid is None else owned.uid,
            gid=self.gid if owned.gid is None else owned.gid,
            mtime_ns=created_ns if owned.mtime_ns is None else owned.mtime_ns,
            ctime_ns=max(modified_ns, owned.ctime_ns or modified_ns),
        )

    def _stat(self, node_id: int, kind: int, permissions: int, owned: Ownership, *, size: int, changed_ns: int) -> Stat:
        return Stat(
            id=node_id,
            mode=kind | (permissions & ~self.umask if owned.mode is None else owned.mode & 0o7777),
            uid=self.uid if owned.uid is None else owned.uid,
            gid=self.gid if owned.gid is None else owned.gid,
            size=size,
            mtime_ns=changed_ns if owned.mtime_ns is None else owned.mtime_ns,
            ctime_ns=changed_ns if owned.ctime_ns is None else owned.ctime_ns,
        )


def to_ns(time: datetime) -> int:
    """Give exact nanoseconds since 1970 of an aware time."""
    return int(time.timestamp() // 1) * _NANOSECONDS + time.microsecond * 1000
