"""Noting what became of operations, for `-/stats` and `-/errors`. Lives on the trio thread."""

import errno
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from konifer_fs.domain.errors import MovedOn
from konifer_fs.fuse.inodes import Inode
from konifer_fs.fuse.session import Session
from konifer_fs.vfs.journal import Failure
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.shown import spell_place
from konifer_fs.vfs.virtual.nodes import VirtualNode

_OK: Final = "OK"
_NAMES_OF_ERRNOS: Final = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}
# What is an answer rather than a failure; after ESTALE the kernel asks again.
_ANSWERS: Final = frozenset({errno.ENOENT, errno.ENODATA, errno.ESTALE})
# Programs that copy ask for every namespace, and try to set what they found, as `cp -a` does with access lists.
_PROBES: Final = frozenset({"getxattr", "listxattr", "removexattr", "setxattr"})
# Of an operation's arguments, the one that tells the inode, and the one that tells a name in it.
_INODES: Final = ("inode", "parent_inode", "parent_inode_old")
_NAMES: Final = ("name", "name_old")
_NAMING: Final = frozenset({"create", "lookup", "mkdir", "mknod", "rename", "rmdir", "symlink", "unlink"})


class Observer:
    """Fills one mount's journal; `opened` gives the inode that an operation's handle is open on, or raises MovedOn."""

    def __init__(self, session: Session, opened: Callable[[str, int], Inode]) -> None:
        self._session = session
        self._opened = opened
        self._journal = session.fs.journal

    def answered(self, operation: str, seconds: float) -> None:
        """Note that an operation was done."""
        self._journal.count(operation, _OK, seconds)

    def failed(self, operation: str, number: int, seconds: float) -> None:
        """Note that an operation ended with an errno."""
        self._journal.count(operation, _NAMES_OF_ERRNOS.get(number, str(number)), seconds)

    @staticmethod
    def is_failure(operation: str, number: int) -> bool:
        """Whether an errno is worth explaining: many are an answer."""
        return number not in _ANSWERS and not (number == errno.EOPNOTSUPP and operation in _PROBES)

    def explain(self, operation: str, number: int, reason: str, arguments: Mapping[str, Any]) -> str:
        """Keep what failed and why; gives the path of it."""
        failure = Failure(
            time=datetime.now(UTC),
            path=self._place(operation, arguments),
            operation=operation,
            errno=_NAMES_OF_ERRNOS.get(number, str(number)),
            reason=reason,
        )
        self._journal.note(failure)
        return failure.path

    def _place(self, operation: str, arguments: Mapping[str, Any]) -> str:
        number = next((arguments[word] for word in _INODES if word in arguments), None)
        try:
            inode = self._opened(operation, arguments["fh"]) if number is None else self._session.inodes[number]
            place = self._path_of(inode)
        except MovedOn:
            return "?"
        name = next((arguments[word] for word in _NAMES if word in arguments), None)
        if operation not in _NAMING or name is None:
            return place
        return f"{place.rstrip('/')}/{name.decode(errors='backslashreplace')}"

    def _path_of(self, inode: Inode) -> str:
        names: list[str] = []
        node: Node = inode.node
        while isinstance(node, VirtualNode):
            names.insert(0, inode.name)
            inode = self._session.inodes[inode.parent]
            node = inode.node
        place = spell_place(node, self._session.fs.root.path)
        return "/".join((place.rstrip("/"), *names)) or "/"
