"""What a name of the mount denotes, and the attributes that `stat` shows of it.

Stored nodes are the frozen ones of `domain.node`; a file being written is a `Draft`, the one that changes; what the
mount makes up is a virtual node.
"""

import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from konifer_fs.domain.errors import ReadOnly
from konifer_fs.domain.node import Directory, Entry, Ownership, Symlink
from konifer_fs.vfs.drafts import Draft, DraftState
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import VirtualDirectory, VirtualNode

StoredNode = Directory | Entry | Symlink
RealNode = StoredNode | Draft
Node = RealNode | VirtualNode
AnyDirectory = Directory | VirtualDirectory

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FILE = stat.S_IFREG | 0o666


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

    def stat_directory(self, node: Directory, renamed_ns: int | None = None) -> Stat:
        """Show a directory, in which a draft's name came or went at `renamed_ns`; an untouched one is of 1970."""
        owned = node.ownership
        if renamed_ns is not None:
            owned = replace(owned, mtime_ns=renamed_ns, ctime_ns=renamed_ns)
        return self._stat(node.id, stat.S_IFDIR | 0o777, owned, 0, owned.mtime_ns or 0, owned.ctime_ns or 0)

    def stat_symlink(self, node: Symlink) -> Stat:
        """Show a symbolic link; everyone may follow it."""
        owned, size = replace(node.ownership, mode=0o777), len(node.target.encode())
        return self._stat(node.id, stat.S_IFLNK | 0o777, owned, size, owned.mtime_ns or 0, owned.ctime_ns or 0)

    def stat_entry(self, node: Entry, size: int) -> Stat:
        """Show an entry; its ctime is at least `modified_at`, a foreign one's mtime is `created_at`."""
        owned = node.ownership
        created_ns = to_ns(node.created_at)
        modified_ns = created_ns if node.modified_at is node.created_at else to_ns(node.modified_at)
        mtime_ns = created_ns if owned.mtime_ns is None else owned.mtime_ns
        return self._stat(node.id, _FILE, owned, size, mtime_ns, max(modified_ns, owned.ctime_ns or modified_ns))

    def stat_draft(self, draft: Draft) -> Stat:
        """Show a file being written; one that was unlinked or refused has no links."""
        owned = draft.ownership
        shown = self._stat(draft.id, _FILE, owned, draft.file.size, owned.mtime_ns or 0, owned.ctime_ns or 0)
        is_gone = draft.name is None or draft.state is DraftState.REFUSED
        return shown._replace(is_volatile=True, nlink=0 if is_gone else 1)

    def complete(self, entry: Entry) -> Ownership:
        """Give the ownership of an entry with nothing left to default."""
        shown = self.stat_entry(entry, 0)
        return Ownership(
            mode=stat.S_IMODE(shown.mode),
            uid=shown.uid,
            gid=shown.gid,
            mtime_ns=shown.mtime_ns,
            ctime_ns=shown.ctime_ns,
        )

    def _stat(self, node_id: int, mode: int, owned: Ownership, size: int, mtime_ns: int, ctime_ns: int) -> Stat:
        """Show a node of a kind and permissions, where nobody set others."""
        return Stat(
            node_id,
            _mode(mode, self.umask, owned.mode),
            self.uid if owned.uid is None else owned.uid,
            self.gid if owned.gid is None else owned.gid,
            size,
            mtime_ns,
            ctime_ns,
        )


@lru_cache  # Listings keep very many, of a few values.
def _mode(default: int, umask: int, chosen: int | None) -> int:
    return default & ~umask if chosen is None else stat.S_IFMT(default) | chosen & 0o7777


def to_ns(time: datetime) -> int:
    """Give exact nanoseconds since 1970 of an aware time."""
    return (time - _EPOCH) // _MICROSECOND * 1000
