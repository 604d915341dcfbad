"""Mountpoints as the kernel sees them: what is mounted where, whether it can be mounted on, and how it is detached.

Used by `mount`, `umount` and `status`. Nothing here knows about daemons or stores.
"""

import errno
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

FILESYSTEM_TYPE: Final = "fuse.konifer-fs"
CONNECTIONS: Final = Path("/sys/fs/fuse/connections")
_FUSE_CONF: Final = Path("/etc/fuse.conf")
_TIMEOUT: Final = 30.0
_ANSWER_SECONDS: Final = 5.0
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


class MountRefused(Exception):
    """One sentence for people: why this mountpoint cannot be mounted on, or detached."""


def list_mounts() -> Mapping[Path, str]:
    """Give the file system type of every mountpoint of this mount namespace; where mounts are stacked, the top one."""
    return {place: kind for place, _, kind in _read_mounts()}


def find_connection(mountpoint: Path) -> Path:
    """Give the directory in which the kernel tells of the FUSE mount at `mountpoint`, and lets it be aborted.

    It is there for root and for who mounted, where a `fusectl` file system is mounted.
    """
    return connection_of(device_of(mountpoint))


def connection_of(device: int) -> Path:
    """Give the same by `st_dev` of the mount."""
    return CONNECTIONS / str(os.minor(device))


def device_of(mountpoint: Path) -> int:
    """Give `st_dev` of what is mounted at `mountpoint`, without asking it; raises MountRefused when nothing is."""
    try:
        return _list_devices()[mountpoint]
    except KeyError:
        raise MountRefused(f"nothing is mounted at {mountpoint}, as it is seen from here") from None


def _list_devices() -> Mapping[Path, int]:
    return {place: device for place, device, _ in _read_mounts()}


def _read_mounts() -> Iterator[tuple[Path, int, str]]:
    """Give each mountpoint, its `st_dev` and its type, in the order of mounting.

    Lines end with a line feed only: the kernel escapes that, and no other character at which text may be split.
    """
    for line in filter(None, Path("/proc/self/mountinfo").read_bytes().split(b"\n")):
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        place = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), fields[4])
        major, _, minor = fields[2].partition(b":")
        yield Path(os.fsdecode(place)), os.makedev(int(major), int(minor)), os.fsdecode(after.split(b" ")[0])


def resolve(path: Path) -> Path:
    """Give the mountpoint's real path without asking the file system that may be mounted (and stuck) there."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps `..`)
    beside = Path(os.path.realpath(absolute.parent)) / absolute.name
    return beside if beside in list_mounts() else Path(os.path.realpath(absolute))


def is_ours(mountpoint: Path) -> bool:
    """Whether a konifer-fs is mounted at `mountpoint`, alive or not."""
    return list_mounts().get(mountpoint) == FILESYSTEM_TYPE


def is_dead(mountpoint: Path) -> bool:
    """Whether what is mounted at `mountpoint` has lost its daemon; one that does not answer is not lost.

    A child asks, which is left behind then: nobody who waits for the file system need be able to end.
    """
    child = os.fork()
    if not child:
        _exit_with_errno(mountpoint)
    with os.fdopen(os.pidfd_open(child)) as ended:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        if poll.poll(_ANSWER_SECONDS * 1000):
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in {errno.ENOTCONN, errno.ECONNABORTED}
    os.kill(child, signal.SIGKILL)
    return False


def _exit_with_errno(mountpoint: Path) -> NoReturn:
    number = 0
    try:
        os.statvfs(mountpoint)  # which, unlike stat, is never answered from the kernel's cache
    except OSError as error:
        number = error.errno or 0
    finally:
        os._exit(number)


def is_allow_other_for_everyone() -> bool:
    """Whether fusermount3 takes `allow_other` from others than root; raises OSError where that cannot be read."""
    try:
        lines = _FUSE_CONF.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return False
    return "user_allow_other" in (line.partition("#")[0].strip() for line in lines)


def make_ready(mountpoint: Path, *, allow_other: bool = False) -> None:
    """Check that `mountpoint` can be mounted on; what a daemon that died left there is detached.

    Raises:
        MountRefused: it is missing, not a directory, not empty, mounted already, or not writable by this user, or this
            user may not mount with `allow_other`.
    """
    if allow_other:
        _check_allow_other()
    if is_ours(mountpoint):
        if not is_dead(mountpoint):
            raise MountRefused(f"{mountpoint} is mounted already (konifer-fs status {mountpoint})")
        detach(mountpoint, lazy=True)
    try:
        occupied = next(mountpoint.iterdir(), None)
    except FileNotFoundError as error:
        raise MountRefused(f"{mountpoint} does not exist (mkdir {mountpoint})") from error
    except NotADirectoryError as error:
        raise MountRefused(f"{mountpoint} is not a directory") from error
    except OSError as error:
        raise MountRefused(f"{mountpoint} cannot be read: {error.strerror}") from error
    if occupied is not None:
        raise MountRefused(f"{mountpoint} is not empty (it holds {occupied.name})")
    if not os.access(mountpoint, os.W_OK):
        raise MountRefused(f"{mountpoint} is not writable by this user, and so cannot be mounted on")


def _check_allow_other() -> None:
    with suppress(OSError):  # Then fusermount3, which may read more, has to tell.
        if os.getuid() and not is_allow_other_for_everyone():
            raise MountRefused(f"-o allow_other is for root only, unless user_allow_other is set in {_FUSE_CONF}")


def detach(mountpoint: Path, *, lazy: bool) -> None:
    """Unmount; `lazy` takes the name away at once, whoever uses it. Raises MountRefused with fusermount3's reason."""
    command = ["fusermount3", "-u", *(["-z"] if lazy else []), "--", str(mountpoint)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False, cwd="/")
    except FileNotFoundError as error:
        raise MountRefused("fusermount3 is missing (install the package fuse3)") from error
    except subprocess.TimeoutExpired as error:
        raise MountRefused(f"fusermount3 did not return within {_TIMEOUT:.0f} s") from error
    if done.returncode:
        raise MountRefused(f"{mountpoint} was not unmounted: {_reason(done.stderr)}")


def _reason(text: str) -> str:
    reason = text.strip().rpartition(": ")[2] or "fusermount3 gave no reason"
    busy = " (a program has a file or its working directory there: fuser -vm tells which)"
    return f"{reason}{busy if 'busy' in reason.lower() else ''}"
