"""A file system whose event loop stands still, run by test_watchdog: `python wedged.py MOUNTPOINT HOW`.

`looking-up` sleeps in an answer, `reading` waits for a request that is not there. It runs `stat` on its own mount, in
another process, and tells what that said.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

import pyfuse3
import trio

from konifer_fs.fuse.reading import Reader
from konifer_fs_daemon.kernel import fuse_options, mounted
from konifer_fs_daemon.logs import start_logging
from konifer_fs_daemon.mountpoint import find_connection
from konifer_fs_daemon.options import parse_options
from konifer_fs_daemon.watchdog import Watchdog, interrupting_reads


class Sleeping(pyfuse3.Operations):
    async def getattr(self, inode: int, *_: object) -> pyfuse3.EntryAttributes:
        shown = pyfuse3.EntryAttributes()
        shown.st_ino, shown.st_mode = pyfuse3.InodeT(inode), pyfuse3.ModeT(0o40755)
        return shown

    async def lookup(self, *_: object) -> pyfuse3.EntryAttributes:
        time.sleep(3600)  # noqa: ASYNC251 - that is the fault
        raise AssertionError


class Hasty(Reader):
    """Reads though nothing is to be read, once."""

    was_hasty = False

    def _is_soon_readable(self, descriptor: int) -> bool:
        if super()._is_soon_readable(descriptor):
            return True
        was_hasty, self.was_hasty = self.was_hasty, True
        return not was_hasty


async def live(mountpoint: Path, how: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Watchdog(find_connection(mountpoint), patience=2).beat)
        if how == "looking-up":
            nursery.start_soon(
                partial(trio.run_process, ["stat", mountpoint / "x"], env={**os.environ, "LC_ALL": "C"}, check=False)
            )
            await Reader().main(max_tasks=9)
        else:
            nursery.start_soon(turn, nursery.cancel_scope)
            await Hasty().main(max_tasks=9)


async def turn(scope: trio.CancelScope) -> None:
    for _ in range(3):
        await trio.sleep(0.1)
    sys.stderr.write("the loop turns\n")
    scope.cancel()


if __name__ == "__main__":
    start_logging(None)
    place = Path(sys.argv[1])
    with mounted(Sleeping(), place, fuse_options(parse_options([]))), interrupting_reads():
        trio.run(live, place, sys.argv[2])
