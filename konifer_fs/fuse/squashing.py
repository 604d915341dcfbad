"""`-o root_squash`: what root asks for is answered as if nobody (65534, in no other group) had asked.

The kernel checks what ordinary users do, and lets root do all. So each request of root's, and of none else, is checked
here before it is handled. A node that the kernel knows is not looked up again: therefore all directories that lead to
it are checked each time, as they are now.
"""

import functools
import inspect
import os
import stat
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

import pyfuse3
from pyfuse3 import FileHandleT, FileNameT, FlagT, RequestContext, XAttrNameT

from konifer_fs.domain.errors import AccessDenied, MovedOn, NoSuchName, NotOwner
from konifer_fs.domain.node import Directory, Ownership
from konifer_fs.fuse.attributes import to_attributes, to_ownership, to_text
from konifer_fs.fuse.errnos import replies
from konifer_fs.fuse.operations import Operations
from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.virtual.nodes import VirtualNode
from konifer_fs.vfs.xattrs import name_of

P = ParamSpec("P")
R = TypeVar("R")

_ROOT: Final = 0
_NOBODY: Final = 65534
_AS_NOBODY: Final = cast(RequestContext, SimpleNamespace(uid=_NOBODY, gid=_NOBODY, pid=0))
_CHANGE: Final = os.W_OK | os.X_OK
_WANTED: Final = {os.O_RDONLY: os.R_OK, os.O_WRONLY: os.W_OK}
_EXCHANGE: Final = 2
_PROTECTED_REGULAR: Final = Path("/proc/sys/fs/protected_regular")


def _squashed(
    handler: Callable[Concatenate[Operations, P], Coroutine[Any, Any, R]], check: Callable[..., Awaitable[None]]
) -> Callable[Concatenate[Operations, P], Coroutine[Any, Any, R]]:
    """Give a handler, whose last argument is the context, that has `check` look at root's requests first."""
    answer = inspect.unwrap(handler)

    @functools.wraps(answer)
    async def answering(self: Operations, /, *args: P.args, **kwargs: P.kwargs) -> R:
        *given, ctx = args
        if cast(RequestContext, ctx).uid == _ROOT:
            await check(self, *given)
            ctx = _AS_NOBODY
        return cast(R, await answer(self, *given, ctx, **kwargs))

    return replies(answering)


class SquashingOperations(Operations):
    """One mount's answers to the kernel, to root as to nobody."""

    async def _reach(self, number: int, wanted: int = 0) -> pyfuse3.EntryAttributes:
        """Give the attributes of a node; raises AccessDenied unless nobody gets there, and may do what is `wanted`."""
        shown = await self._attributes(number)
        for above in self._above(number):
            _allow(await self._attributes(above), os.X_OK)
        _allow(shown, wanted)
        return shown

    async def _attributes(self, number: int) -> pyfuse3.EntryAttributes:
        """Give the attributes of a node as `getattr` does, which is not counted as one."""
        return cast(pyfuse3.EntryAttributes, await inspect.unwrap(Operations.getattr)(self, number, _AS_NOBODY))

    def _above(self, number: int) -> Sequence[int]:
        """Give the directories that lead to a node: to a real one by its path, which renaming keeps right."""
        inodes, above = self._session.inodes, []
        node = self._session.node(number)
        while isinstance(node, VirtualNode):
            number = inodes[number].parent
            above.append(number)
            node = self._session.node(number)
        place = node.directory.path if isinstance(node, Draft) else node.path
        for path in place.ancestors():
            itself = isinstance(node, Directory) and path == place
            if path.is_within(self._session.fs.root.path) and not itself:
                if (directory := inodes.at_path(path)) is None:
                    raise MovedOn  # The kernel then looks up all names that lead there.
                above.append(directory.number)
        return above

    # What root asks for: as much of its arguments as matters.
    async def _search(self, parent: int, *_: object) -> None:
        await self._reach(parent, os.X_OK)

    async def _change_names(self, parent: int, *_: object) -> None:
        await self._reach(parent, _CHANGE)

    async def _create(self, parent: int, *_: object) -> None:
        """Refuse, before it is made, a file that the kernel then would not let root open: nobody's, among others'."""
        above = await self._reach(parent, _CHANGE)
        protected = (0, stat.S_IWOTH, stat.S_IWOTH | stat.S_IWGRP)[int(_PROTECTED_REGULAR.read_text())]
        if above.st_mode & stat.S_ISVTX and above.st_uid != _NOBODY and above.st_mode & protected:
            raise AccessDenied("root may not open nobody's files there")

    async def _remove(self, parent: int, name: FileNameT) -> None:
        await self._take_name(parent, name, await self._reach(parent, _CHANGE))

    async def _rename(self, old: int, old_name: FileNameT, new: int, new_name: FileNameT, flags: FlagT) -> None:
        parents = [await self._reach(number, _CHANGE) for number in (old, new)]
        for number, name, shown, moves in (
            (old, old_name, parents[0], old != new),
            (new, new_name, parents[1], old != new and flags == _EXCHANGE),
        ):
            with suppress(NoSuchName):
                await self._take_name(number, name, shown, moves=moves)

    async def _take_name(
        self, parent: int, name: FileNameT, above: pyfuse3.EntryAttributes, *, moves: bool = False
    ) -> None:
        """Refuse taking others' names from sticky directories, and moving directories that nobody may write."""
        is_sticky = above.st_mode & stat.S_ISVTX and above.st_uid != _NOBODY
        if is_sticky or moves:
            node, shown = await self._session.find(parent, to_text(name))
            if is_sticky and shown.uid != _NOBODY:
                raise NotOwner(to_text(name))
            if moves and isinstance(node, Directory):
                _allow(to_attributes(shown, node.id, 0), os.W_OK)

    async def _set_attributes(
        self, number: int, attr: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields, fh: FileHandleT | None
    ) -> None:
        """Let owners set modes and times, but give nothing away; who has a file open for writing may cut it.

        pyfuse3 tells no `touch` from setting any time, which who may only write may not.
        """
        if fields.update_size and fh is None:
            await self._reach(number, os.W_OK)
        change = to_ownership(attr, fields)
        if change != Ownership():
            shown = await self._reach(number)
            is_kept = change.uid in {None, _NOBODY} and change.gid in {None, _NOBODY, shown.st_gid}
            if shown.st_uid != _NOBODY or not is_kept:
                raise NotOwner

    async def _find_out(self, number: int, *_: object) -> None:
        await self._reach(number)

    async def _read_attribute(self, number: int, name: XAttrNameT) -> None:
        name_of(name)  # Of other namespaces there is nothing to refuse.
        await self._reach(number, os.R_OK)

    async def _write_attribute(self, number: int, name: XAttrNameT, *_: object) -> None:
        name_of(name)
        shown = await self._reach(number, os.W_OK)
        if stat.S_ISDIR(shown.st_mode) and shown.st_mode & stat.S_ISVTX and shown.st_uid != _NOBODY:
            raise NotOwner

    async def _open_file(self, number: int, flags: FlagT) -> None:
        wanted = _WANTED.get(flags & os.O_ACCMODE, os.R_OK | os.W_OK)
        await self._reach(number, wanted | os.W_OK if flags & os.O_TRUNC else wanted)

    async def _open_directory(self, number: int) -> None:
        await self._reach(number, os.R_OK)

    lookup = _squashed(Operations.lookup, _search)
    mkdir = _squashed(Operations.mkdir, _change_names)
    symlink = _squashed(Operations.symlink, _change_names)
    create = _squashed(Operations.create, _create)
    mknod = _squashed(Operations.mknod, _change_names)
    unlink = _squashed(Operations.unlink, _remove)
    rmdir = _squashed(Operations.rmdir, _remove)
    rename = _squashed(Operations.rename, _rename)
    setattr = _squashed(Operations.setattr, _set_attributes)
    readlink = _squashed(Operations.readlink, _find_out)
    getxattr = _squashed(Operations.getxattr, _read_attribute)
    listxattr = _squashed(Operations.listxattr, _find_out)
    setxattr = _squashed(Operations.setxattr, _write_attribute)
    removexattr = _squashed(Operations.removexattr, _write_attribute)
    open = _squashed(Operations.open, _open_file)
    opendir = _squashed(Operations.opendir, _open_directory)


def _allow(shown: pyfuse3.EntryAttributes, wanted: int) -> None:
    """Raise AccessDenied unless nobody may do what is `wanted`: some of R_OK, W_OK and X_OK."""
    if not Caller(_NOBODY, _NOBODY).may(wanted, shown.st_mode, shown.st_uid, shown.st_gid):
        raise AccessDenied("root is nobody here")
