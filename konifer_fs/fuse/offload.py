"""Blocking work in threads, bounded by kind, so that uploads cannot keep look-ups waiting."""

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Final, TypeVar

import trio

from konifer_fs.fuse.reading import Reader

T = TypeVar("T")

METADATA_THREADS: Final = 16
TRANSFER_THREADS: Final = 64


class Offload:
    """Runs functions in threads: short questions to the metadata store, and transfers of contents.

    Another task reads the kernel's requests meanwhile.
    """

    def __init__(self) -> None:
        self.reader: Final = Reader()
        self._questions = trio.CapacityLimiter(METADATA_THREADS)
        self._transfers = trio.CapacityLimiter(TRANSFER_THREADS)

    async def ask(self, function: Callable[..., T], *args: object) -> T:
        """Run something that asks or changes the metadata store."""
        return await self._run(self._questions, function, *args)

    async def transfer(self, function: Callable[..., T], *args: object) -> T:
        """Run something that moves contents: fetching, copying, committing."""
        return await self._run(self._transfers, function, *args)

    async def _run(self, limiter: trio.CapacityLimiter, function: Callable[..., T], *args: object) -> T:
        self.reader.begin_waiting()
        try:
            try:
                limiter.acquire_nowait()
            except trio.WouldBlock:
                await limiter.acquire()
            try:
                return await _run_in_thread(function, *args)
            finally:
                limiter.release()
        finally:
            self.reader.end_waiting()


async def _run_in_thread(function: Callable[..., T], *args: object) -> T:
    """Do what `trio.to_thread.run_sync` does, at two thirds of its cost: no thread is named, no call cancelled."""
    task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
    work = partial(copy_context().run, function, *args)
    trio.lowlevel.start_thread_soon(work, partial(token.run_sync_soon, trio.lowlevel.reschedule, task))
    result: T = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
    return result
