"""Running mounts as the commands see them: found by their sockets, asked, and waited for.

Used by the commands that are about mounts. What a daemon answers is made in `reports`.
"""

import os
import select
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from konifer_fs_daemon.control import DaemonSilent, Message, NobodyAnswers, ask
from konifer_fs_daemon.mountpoint import MountRefused, detach, is_dead, is_ours
from konifer_fs_daemon.runtime import list_sockets

# A daemon answers in milliseconds, however slow its stores are.
_ANSWER_SECONDS: Final = 5.0
# Beyond what the daemon itself takes to drain: closing the stores, and a shared server's shutdown.
_PATIENCE: Final = 60.0

Progress = Callable[[Message], None]
Note = Callable[[str], None]


def list_running(note: Note) -> list[dict[str, Any]]:
    """Give the status of every mount of this user, by mountpoint; of a silent daemon `note` gets a sentence."""
    found = []
    for socket in list_sockets():
        try:
            found.append(_find_status(socket))
        except DaemonSilent as error:
            note(str(error))
    return sorted(filter(None, found), key=lambda status: str(status["mountpoint"]))


def find_running(mountpoint: Path) -> dict[str, Any] | None:
    """Give the status of the mount at `mountpoint` (resolved), or None when it has no daemon of this user.

    Raises:
        DaemonSilent: it has one that does not answer.
    """
    return next(filter(None, map(_find_status, list_sockets(mountpoint))), None)


def read_status(mountpoint: Path) -> dict[str, Any]:
    """Give the status of the mount at `mountpoint` (resolved); raises MountRefused when nothing answers."""
    if status := find_running(mountpoint):
        return status
    if is_ours(mountpoint) and is_dead(mountpoint):
        raise MountRefused(f"the daemon of {mountpoint} has died (konifer-fs umount {mountpoint})")
    if is_ours(mountpoint):
        raise MountRefused(f"{mountpoint} is mounted, but no daemon of this user answers for it")
    raise MountRefused(f"no konifer-fs is mounted at {mountpoint}")


def unmount(mountpoint: Path, *, force: bool, progress: Progress, note: Note) -> None:
    """Let the mount store what is pending, unmount, and return once its daemon is gone.

    `progress` gets what the daemon tells of draining. A mount whose daemon died is detached, and with `force` so is
    one whose daemon does not answer; `note` is told that this one lives on.

    Raises:
        MountRefused: nothing is mounted there, drafts cannot be stored or its daemon does not answer (not with
            `force`), or a program uses it. The mount then lives on.
    """
    if not is_ours(mountpoint):
        raise MountRefused(f"no konifer-fs is mounted at {mountpoint}")
    try:
        status = find_running(mountpoint)
        left, why = drain(mountpoint, Path(status["socket"]), progress) if status else ([], "")
    except DaemonSilent as error:
        if not force:
            raise MountRefused(f"{error} (konifer-fs umount --force {mountpoint} detaches its mount)") from error
        detach(mountpoint, lazy=True)
        note(f"{error}: its mount is detached; it holds the spool, and in it what is not stored, till it ends")
        return
    if status is None and is_dead(mountpoint):
        detach(mountpoint, lazy=True)
        return
    if left and not force:
        raise MountRefused(_what_to_do(left, why, status))
    with closing(_Departure(status["pid"] if status else None)) as departure:
        detach(mountpoint, lazy=False)
        departure.wait(_PATIENCE + (status["drain_seconds"] if status else 0.0))


def wait_for_predecessor(mountpoint: Path, note: Note) -> None:
    """Let a daemon end that still drains after a plain `umount` of `mountpoint`: it holds the spool till then.

    Raises:
        MountRefused: it does not end, or does not answer.
    """
    if is_ours(mountpoint):
        return
    if status := find_running(mountpoint):
        note(f"waiting for the daemon {status['pid']}, which was unmounted here and is storing what is pending")
        with closing(_Departure(status["pid"])) as departure:
            departure.wait(_PATIENCE + status["drain_seconds"])


def _find_status(socket: Path) -> dict[str, Any] | None:
    try:
        return {**next(ask(socket, "status", patience=_ANSWER_SECONDS)), "socket": str(socket)}
    except (NobodyAnswers, StopIteration):
        return None


def drain(mountpoint: Path, socket: Path, progress: Progress) -> tuple[list[str], str]:
    """Have the drafts stored; gives the names of those that could not be, and why the last of them could not."""
    left, why = None, ""
    try:
        for message in ask(socket, "drain"):
            progress(message)
            left, why = message.get("left"), message.get("why", "")
    except NobodyAnswers as error:
        raise MountRefused(f"the daemon of {mountpoint} went silent: {error}") from error
    if left is None:
        raise MountRefused(f"the daemon of {mountpoint} could not tell what is stored; its log says why")
    return left, why


def _what_to_do(left: list[str], why: str, status: Mapping[str, Any] | None) -> str:
    shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
    spool = status["spool"]["directory"] if status else "the spool"
    return (
        f"{len(left)} file(s) could not be stored yet: {shown}. {why}. Try again when the stores answer, or use "
        f"--force, which leaves them in {spool} for the next mount"
    )


class _Departure:
    """Waits for a process that is not a child of ours to end; there is nothing to wait for when `pid` is None."""

    def __init__(self, pid: int | None) -> None:
        self._descriptor = None
        with suppress(ProcessLookupError):
            self._descriptor = os.pidfd_open(pid) if pid else None

    def wait(self, seconds: float) -> None:
        """Wait; raises MountRefused when it takes longer."""
        if self._descriptor is not None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if not poll.poll(seconds * 1000):
                raise MountRefused(f"it is unmounted, but its daemon has not ended after {seconds:.0f} s")

    def close(self) -> None:
        """Let go of the process."""
        if self._descriptor is not None:
            os.close(self._descriptor)
