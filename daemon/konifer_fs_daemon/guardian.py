"""The guardian: a process beside the daemon, which frees callers when the daemon was killed and cannot end.

Started by `mount`, from the main thread. The kernel gives a mount's callers their error when the last thread of its
daemon has ended. One of them, which tells the kernel what to doubt, may be waiting for a directory in a way that no
signal ends, while a caller who waits for the daemon holds that directory: then neither would ever end. The guardian
hears when the main thread ends, and if the process is not gone soon after, it has the kernel abort the connection.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from konifer_fs_daemon.mountpoint import CONNECTIONS, connection_of

_PATIENCE: Final = 1.0
_HEARD: Final = signal.SIGUSR1
_IGNORED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# linux/prctl.h, linux/sched.h and linux/mount.h
_SET_DEATH_SIGNAL: Final = 1
_NEW_MOUNTS: Final = 0x20000
_RECURSIVELY_PRIVATE: Final = 0x4000 | 0x40000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Guardian:
    """Guards this process until its main thread, which makes it, ends."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "konifer_fs_daemon.guardian", str(os.getpid())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def guard(self, device: int) -> None:
        """Begin: `device` is `st_dev` of the mount. Without this call nothing is done at the end."""
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        with suppress(BrokenPipeError), self._process.stdin as pipe:  # Somebody may have killed it.
            pipe.write(str(device).encode())


def _guard(parent: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {_HEARD})
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    _LIBC.prctl(_SET_DEATH_SIGNAL, _HEARD)
    if os.getppid() != parent:
        return
    process = os.pidfd_open(parent)
    device = sys.stdin.read()
    if not device:
        return
    signal.sigwait({_HEARD})
    ended = select.poll()
    ended.register(process, select.POLLIN)
    if not ended.poll(_PATIENCE * 1000):
        _abort(connection_of(int(device)))


def _abort(connection: Path) -> None:
    """Abort the connection, whose mount may be detached by now; its number is nobody else's while its daemon lives."""
    if not connection.exists():
        _mount_connections()
    try:
        (connection / "abort").write_text("1")
    except OSError as error:
        said = f"the daemon was killed and could not end, nor the connection to the kernel be aborted: {error}"
    else:
        said = "the daemon was killed and could not end: the connection to the kernel was aborted"
    sys.stderr.write(f"{said}\n")


def _mount_connections() -> None:
    """Mount the kernel's list of connections for this process alone, as far as it may."""
    if _LIBC.unshare(_NEW_MOUNTS) == 0 and _LIBC.mount(b"none", b"/", None, _RECURSIVELY_PRIVATE, None) == 0:
        _LIBC.mount(b"none", os.fsencode(CONNECTIONS), b"fusectl", 0, None)


if __name__ == "__main__":
    _guard(int(sys.argv[1]))
