"""Mounting through libfuse: the options it gets, and the reason when it fails.

Used by `serve`. One process has one mount: pyfuse3 keeps its session in module globals.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyfuse3

from konifer_fs_daemon.mountpoint import MountRefused
from konifer_fs_daemon.options import MountOptions


def fuse_options(options: MountOptions) -> set[str]:
    """Give libfuse's words; ASCII and without commas inside, since it splits there."""
    words = {"default_permissions", "nosuid", "nodev", "fsname=konifer-fs", "subtype=konifer-fs", *options.kernel}
    words |= {"ro"} if options.read_only else set()
    words |= {"allow_other"} if options.allow_other else set()
    return words


@contextmanager
def mounted(operations: pyfuse3.Operations, mountpoint: Path, options: MountOptions) -> Iterator[None]:
    """Keep `mountpoint` mounted; it is unmounted at the end if that has not happened yet.

    Raises:
        MountRefused: with libfuse's reason.
    """
    with tempfile.TemporaryFile() as said:
        try:
            with _stderr_into(said.fileno()):
                pyfuse3.init(operations, str(mountpoint), fuse_options(options))
        except RuntimeError as error:
            said.seek(0)
            reason = said.read().decode(errors="replace").strip() or str(error)
            raise MountRefused(f"{mountpoint} was not mounted: {reason} (konifer-fs doctor tells more)") from error
    try:
        yield
    finally:
        pyfuse3.close(unmount=True)


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
