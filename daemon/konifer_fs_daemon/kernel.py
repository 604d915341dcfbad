"""Mounting through libfuse: the options it gets, and the reason when it fails.

Used by `serve`. One process has one mount: pyfuse3 keeps its session in module globals.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyfuse3

from konifer_fs_daemon.mountpoint import MountRefused, connection_of
from konifer_fs_daemon.options import MountOptions

log = logging.getLogger(__name__)

# The kernel's own: 128 KiB ahead, and 12 readings at once that nobody waits for.
READ_AHEAD_KIB: Final = 1024
_MAX_BACKGROUND: Final = 64
_CONGESTED: Final = 48
# What every mount is: its modes are the kernel's to check, and no program on it is a privilege.
ALWAYS: Final = frozenset({"default_permissions", "nosuid", "nodev", "subtype=konifer-fs"})


def fuse_options(options: MountOptions) -> frozenset[str]:
    """Give libfuse's words; ASCII and without commas inside, since it splits there."""
    words = ALWAYS | options.kernel | {f"fsname={options.source}"}
    words |= {"ro"} if options.read_only else set()
    words |= {"allow_other"} if options.allow_other else set()
    return words


@contextmanager
def mounted(operations: pyfuse3.Operations, mountpoint: Path | str, words: Collection[str]) -> Iterator[None]:
    """Keep `mountpoint` mounted; it is unmounted at the end if that has not happened yet.

    A `/dev/fd/N` is the device of what somebody else mounted, and unmounts.

    Raises:
        MountRefused: with libfuse's reason.
    """
    with tempfile.TemporaryFile() as said:
        try:
            with _stderr_into(said.fileno()):
                pyfuse3.init(operations, str(mountpoint), set(words))
        except RuntimeError as error:
            said.seek(0)
            reason = said.read().decode(errors="replace").strip() or str(error)
            raise MountRefused(f"{mountpoint} was not mounted: {reason} (konifer-fs doctor tells more)") from error
    try:
        yield
    finally:
        pyfuse3.close(unmount=True)


def ask_for_more(number: int) -> None:
    """Have the kernel read further ahead, and ask for more at once, where this process may say so.

    `number` is `st_dev` of the mount. To be called once that answers: until then the kernel has its own way.
    """
    connection = connection_of(number)
    device = Path("/sys/class/bdi") / f"{os.major(number)}:{os.minor(number)}"
    for setting, value in (
        (connection / "max_background", _MAX_BACKGROUND),
        (connection / "congestion_threshold", _CONGESTED),
        (device / "read_ahead_kb", READ_AHEAD_KIB),
    ):
        try:
            setting.write_text(str(value))
        except OSError as error:
            log.debug("the kernel's %s stays as it is: %s", setting.name, error.strerror)


@contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    """Lead the process's stderr elsewhere: libfuse and fusermount3 know no other way to say why."""
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
