"""The watchdog: frees callers whose requests nobody will answer, because the event loop stands still.

Run by `serve`. A thread sees whether the loop turns. When it has not for too long, all stacks go to the log and the
kernel is told to abort the connection, which ends every waiting request; a loop that does not turn even then is left,
with its process, so that whoever supervises it can start another.

A timer's signal comes every second as well: pyfuse3 reads requests with a read(2) that holds Python's lock, and one
that finds its request gone, because its caller was killed meanwhile, waits for the next with everything standing still.
The signal ends that read.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from konifer_fs_daemon.stacks import write_tasks, write_threads
from konifer_fs_daemon.supervisor import notify, wants_pings

log = logging.getLogger(__name__)

EXIT_CODE: Final = 70
_LOOK_SECONDS: Final = 1.0


@contextmanager
def interrupting_reads() -> Iterator[None]:
    """Have system calls of the main thread interrupted every second; call it there."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Watchdog:
    """Watches the event loop that runs `beat`.

    `connection` is the directory of the FUSE connection, which may be missing; `patience` is in seconds. Those are
    counted by the watchdog's own looks, so that a process that was stopped for a while is not taken for a stuck one.
    """

    def __init__(self, connection: Path, patience: float) -> None:
        self._connection = connection
        self._most_missed = max(2, round(patience / _LOOK_SECONDS))
        self._beats = 0
        self._root: trio.lowlevel.Task | None = None
        self._ended = threading.Event()

    async def beat(self) -> None:
        """Show that the loop turns, and be watched, until cancelled."""
        self._root = trio.lowlevel.current_root_task()
        pings = wants_pings()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        try:
            while True:
                self._beats += 1
                if pings:
                    notify("WATCHDOG=1")
                await trio.sleep(_LOOK_SECONDS)
        finally:
            self._ended.set()

    def _watch(self) -> None:
        seen, missed, freed_at = -1, 0, 0
        while not self._ended.wait(_LOOK_SECONDS):
            if self._beats != seen:
                seen, missed, freed_at = self._beats, 0, 0
                continue
            missed += 1
            if missed >= self._most_missed and not freed_at and self._requests_wait():
                self._free_callers()
                freed_at = missed
            if freed_at and missed >= freed_at + self._most_missed:
                log.critical("the event loop still stands still, so this process ends")
                os._exit(EXIT_CODE)

    def _requests_wait(self) -> bool:
        try:
            return int((self._connection / "waiting").read_text()) > 0
        except OSError:  # nobody can tell
            return True

    def _free_callers(self) -> None:
        log.critical("the event loop has stood still for %d s", self._most_missed)
        write_threads()
        write_tasks(self._root)
        try:
            (self._connection / "abort").write_text("1")
            log.critical("the connection to the kernel was aborted")
        except OSError as error:
            log.critical("the connection to the kernel cannot be aborted: %s", error.strerror)
