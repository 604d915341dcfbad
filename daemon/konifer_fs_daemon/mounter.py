"""Mounting by another process, so that the daemon needs no privileges, and systemd can hide the machine from it.

`konifer-fs mount --mounter SOCKET` connects to SOCKET and says the words that libfuse would get. Whoever listens there
(systemd, for the units `konifer-fs-mount@`) runs this module as root: it has fusermount3 mount and send the daemon the
open device, or says why not. When the daemon says that it answers, the kernel's settings are raised, which root alone
may do; and once the daemon is gone, however it went, the mount is detached.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from konifer_fs_daemon.kernel import ALWAYS, ask_for_more
from konifer_fs_daemon.mountpoint import MountRefused, detach, device_of, is_ours, make_ready, resolve
from konifer_fs_daemon.options import KERNEL_WORDS

_ALLOWED: Final = ALWAYS | KERNEL_WORDS | {"ro", "allow_other"}
_MAX_MESSAGE: Final = 4096
_TIMEOUT: Final = 30.0
_ANSWERS: Final = b"it answers"
# sd_listen_fds(3): the first descriptor that systemd passes.
_LISTENER: Final = 3


class Mounter:
    """The daemon's end: the mount that was made for it. `device` is a path of the device, as libfuse takes it."""

    def __init__(self, connection: socket.socket, descriptor: int) -> None:
        self._connection = connection
        self.device: Final = f"/dev/fd/{descriptor}"

    def tell_that_it_answers(self) -> None:
        """Have the kernel's settings raised."""
        self._connection.send(_ANSWERS)


@contextmanager
def asking(address: Path, words: Collection[str]) -> Iterator[Mounter]:
    """Have it mounted by who listens at `address`, and detached at the end. Raises MountRefused with the reason."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(str(address))
            connection.send(",".join(words).encode())
            said, descriptors, _, _ = socket.recv_fds(connection, _MAX_MESSAGE, 1)
        except OSError as error:
            raise MountRefused(f"{address} does not mount: {error.strerror or error}") from error
        if not descriptors:
            raise MountRefused(said.decode(errors="replace") or f"{address} does not mount: its log may say why")
        yield Mounter(connection, descriptors[0])
        connection.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            connection.recv(_MAX_MESSAGE)


def serve_one(listener: socket.socket, mountpoint: Path) -> None:
    """Mount at `mountpoint` for the daemon that connects first, and detach it when that is gone."""
    connection, _ = listener.accept()
    with connection:
        words = connection.recv(_MAX_MESSAGE).decode().split(",")  # Who still speaks is not told the reason.
        try:
            make_ready(mountpoint)
            _mount(connection, mountpoint, words)
        except MountRefused as error:
            connection.send(str(error).encode())
            return
        if connection.recv(_MAX_MESSAGE) == _ANSWERS:
            ask_for_more(device_of(mountpoint))
            connection.recv(_MAX_MESSAGE)
        if is_ours(mountpoint):
            detach(mountpoint, lazy=True)


def _mount(connection: socket.socket, mountpoint: Path, words: Collection[str]) -> None:
    """Mount, and send the device; raises MountRefused."""
    strange = {word for word in words if not word.startswith("fsname=")} - _ALLOWED
    if strange or not ALWAYS.issubset(words):
        raise MountRefused(f"it is mounted with no less than {sorted(ALWAYS)}, and not with {sorted(strange)}")
    command = ["fusermount3", "-o", ",".join(words), "--", str(mountpoint)]
    passed = connection.fileno()
    done = subprocess.run(
        command, env={**os.environ, "_FUSE_COMMFD": str(passed)}, pass_fds=[passed],
        stderr=subprocess.PIPE, text=True, timeout=_TIMEOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise MountRefused(f"{mountpoint} was not mounted: {done.stderr.strip()}")


if __name__ == "__main__":
    serve_one(socket.socket(fileno=_LISTENER), resolve(Path(sys.argv[1])))
