"""Blocking work in threads, bounded by kind, so that uploads cannot keep look-ups waiting."""

from collections.abc import Callable
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
            return await trio.to_thread.run_sync(function, *args, limiter=limiter)
        finally:
            self.reader.end_waiting()
