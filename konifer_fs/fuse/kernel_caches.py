"""Telling the kernel what it may no longer believe, from threads of its own.

The kernel takes what is said of a name only once nobody makes, moves or looks up names in that directory, and somebody
may be waiting for an answer of ours there: so no handler ever does it, and the names of each directory are told apart
from all else. pyfuse3 has no call for three of the four messages, `struct fuse_notify_inval_entry_out` with
FUSE_EXPIRE_ONLY, FUSE_NOTIFY_INC_EPOCH and FUSE_NOTIFY_PRUNE; all are written here (linux/fuse.h). An entry that
expires is looked up again before it is used; a directory that is dropped would take itself from under those who work in
it. Before Linux 6.18, which prunes, only files can be forgotten so.
"""

import errno
import logging
import os
import queue
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from konifer_fs.fuse.tellers import Tellers

log = logging.getLogger(__name__)

_HEADER: Final = struct.Struct("=IiQ")
_INODE: Final = struct.Struct("=Qqq")
_ENTRY: Final = struct.Struct("=QII")
_PRUNE: Final = struct.Struct("=IIQ")
_NOTIFY_INVAL_INODE: Final = 2
_NOTIFY_INVAL_ENTRY: Final = 3
_NOTIFY_INC_EPOCH: Final = 8
_NOTIFY_PRUNE: Final = 9
# Of what a kernel may not know yet it says so.
_NEW: Final = frozenset({_NOTIFY_INC_EPOCH, _NOTIFY_PRUNE})
_EXPIRE_ONLY: Final = 1
_AT_ONCE: Final = 0
_ATTRIBUTES_ONLY: Final = -1
# What the kernel has forgotten by itself, and a mount that is gone.
_NOTHING_TO_DO: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENOTCONN, errno.EBADF})
_JOIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """What is no longer to be believed: names in directories, attributes of inodes; with `all_names` every name."""

    names: Sequence[tuple[int, str]] = ()
    attributes: Sequence[int] = ()
    all_names: bool = False


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Inodes that need not be known any more: their numbers, and the names in directories that lead to files."""

    numbers: Sequence[int]
    names: Sequence[tuple[int, str]]


class KernelCaches:
    """The kernel's caches of one mount. `doubt` and `let_go` never block; what they say is told in order.

    Names are told in order within their directory only, and hold up nothing else.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Doubts | Unneeded | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell_all, name="kernel-caches", daemon=True)
        self._names = Tellers(partial(self._write, _NOTIFY_INVAL_ENTRY))
        self._device = -1

    def start(self) -> None:
        """Begin to tell; the file system is mounted."""
        self._device = _find_device()
        self._thread.start()

    def doubt(self, doubts: Doubts) -> None:
        """Have the kernel ask again before it uses any of these."""
        self._queue.put(doubts)

    def drop_attributes(self, number: int) -> None:
        """Have the kernel ask again for an inode's attributes from now on: what it sets is done, and yet going to fail.

        Not for the trio thread, which may have to answer before that returns.
        """
        self._write(_NOTIFY_INVAL_INODE, _INODE.pack(number, _ATTRIBUTES_ONLY, 0))

    def let_go(self, unneeded: Unneeded) -> None:
        """Have the kernel forget inodes that nobody uses."""
        self._queue.put(unneeded)

    def close(self) -> None:
        """Tell no more; one that the kernel still waits with is left behind."""
        until = time.monotonic() + _JOIN_SECONDS
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        self._names.close(until)

    def _tell_all(self) -> None:
        while (told := self._queue.get()) is not None:
            if isinstance(told, Unneeded):
                self._tell_unneeded(told)
            else:
                self._tell_doubts(told)

    def _tell_doubts(self, doubts: Doubts) -> None:
        if not doubts.all_names or not self._write(_NOTIFY_INC_EPOCH, b""):
            self._tell_names(doubts.names, _EXPIRE_ONLY)
        for number in doubts.attributes:
            self.drop_attributes(number)

    def _tell_unneeded(self, unneeded: Unneeded) -> None:
        numbers = unneeded.numbers
        spelled = struct.pack(f"={len(numbers)}Q", *numbers)
        if not self._write(_NOTIFY_PRUNE, _PRUNE.pack(len(numbers), 0, 0) + spelled):
            self._tell_names(unneeded.names, _AT_ONCE)

    def _tell_names(self, names: Iterable[tuple[int, str]], flags: int) -> None:
        spelled = ((parent, name.encode()) for parent, name in names)
        self._names.tell((parent, _ENTRY.pack(parent, len(name), flags) + name + b"\0") for parent, name in spelled)

    def _write(self, code: int, message: bytes) -> bool:
        """Send a message; gives whether the kernel knows its kind."""
        try:
            os.write(self._device, _HEADER.pack(_HEADER.size + len(message), code, 0) + message)
        except OSError as error:
            if code in _NEW and error.errno == errno.EINVAL:
                return False
            if error.errno not in _NOTHING_TO_DO:
                log.warning("the kernel did not take message %d: %s", code, error)
        return True


def _find_device() -> int:
    """Give the descriptor by which libfuse talks to the kernel; a process has one mount."""
    return next(int(link.name) for link in _descriptors() if _read_link(link) == "/dev/fuse")


def _read_link(link: Path) -> str:
    """Give what is open, without a look at it: it may lie on our own mount, whose requests nobody answers yet."""
    try:
        return str(link.readlink())
    except FileNotFoundError:  # It is closed by now.
        return ""


def _descriptors() -> Iterable[Path]:
    return sorted(Path("/proc/self/fd").iterdir(), key=lambda link: int(link.name))
