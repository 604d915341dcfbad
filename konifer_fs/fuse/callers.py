"""Who sent a request, and who owns what it makes."""

import stat
from collections.abc import Collection
from functools import partial

import pyfuse3
from pyfuse3 import RequestContext

from konifer_fs.domain.node import Directory, Ownership
from konifer_fs.vfs.callers import Caller


def owned(ctx: RequestContext, mode: int, parent: Directory, *, inherit_mode: bool = False) -> Ownership:
    """Give who owns something new; a set-group-id directory hands its group down, to directories its bit too."""
    inherited = parent.ownership.mode is not None and parent.ownership.mode & stat.S_ISGID
    return Ownership(
        mode=mode | stat.S_ISGID if inherited and inherit_mode else mode,
        uid=ctx.uid,
        gid=parent.ownership.gid if inherited and parent.ownership.gid is not None else ctx.gid,
    )


def caller(ctx: RequestContext) -> Caller:
    """Give who asks, for what the kernel does not check by itself."""
    return Caller(ctx.uid, ctx.gid, partial(_groups_of, ctx.pid))


def _groups_of(pid: int) -> Collection[int]:
    """Give the supplementary groups of a process; none of one that cannot be seen from here."""
    try:
        return pyfuse3.get_sup_groups(pid)
    except OSError:
        return ()
