"""Where running mounts are found: one unix socket each, in a directory that only their user can enter.

The daemon listens there (`control`), the commands `status` and `umount` look there.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from konifer_fs_daemon.mountpoint import MountRefused

# Where only root makes names, and the unit of systemd has its daemons' sockets.
_SYSTEM: Final = Path("/run/konifer-fs")
# The kernel's limit of a unix socket's path is 107 bytes; a name of ours takes 30 with its slash.
_LONGEST: Final = 77


def list_runtime_directories() -> list[Path]:
    """Give the places where sockets of this user may be, the best first.

    A daemon started without a login session (cron, sudo) has no $XDG_RUNTIME_DIR, so a command looks at all of them.
    """
    uid = os.getuid()
    session = os.environ.get("XDG_RUNTIME_DIR")
    places = [Path(session) / "konifer-fs"] if session and Path(session).is_absolute() else []
    places.append(_SYSTEM if uid == 0 else Path(f"/run/user/{uid}/konifer-fs"))
    places.append(Path(f"/tmp/konifer-fs-{uid}"))  # noqa: S108 (made 0700, and refused when it is another's)
    return [place for place in dict.fromkeys(places) if len(os.fsencode(place)) <= _LONGEST]


def make_runtime_directory() -> Path:
    """Give the first place that can be used, made with mode 0700.

    Raises:
        MountRefused: none can be used.
    """
    places = list_runtime_directories()
    for place in places:
        with suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
        if _is_private(place):
            return place
    tried = ", ".join(map(str, places))
    raise MountRefused(f"there is no place for a control socket that only this user can enter (tried {tried})")


def mount_name(mountpoint: Path) -> str:
    """Give the name, safe in file names, of the mount at `mountpoint` (resolved): the same each time."""
    return hashlib.blake2b(os.fsencode(mountpoint), digest_size=8).hexdigest()


def list_sockets(mountpoint: Path | None = None) -> Iterator[Path]:
    """Give the sockets of this user's mounts, or those that the mount at `mountpoint` may have."""
    pattern = f"{mount_name(mountpoint)}.sock" if mountpoint else "*.sock"
    for place in list_runtime_directories():
        if _is_private(place) or (os.getuid() == 0 and place == _SYSTEM and place.is_dir()):
            yield from sorted(place.glob(pattern))


def _is_private(place: Path) -> bool:
    try:
        found = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
