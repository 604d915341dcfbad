"""Who reads the kernel's requests: one task, for as long as it need not wait for anything.

pyfuse3 takes what it needs of trio from its attribute `trio`, so that it can run under asyncio as well. Here that is
trio's own, but for two things, which halve what a request costs beside its answer. A task that answered at once
reads on, where a lock would hand over to the next task at each request. And before the event loop is asked when the
next request comes, it is waited for as long as a process takes from one answer to its next request.
"""

import select
from types import SimpleNamespace
from typing import Final

import pyfuse3
import trio

_MIN_TASKS: Final = 16
_LOOK_SECONDS: Final = 1.0
_LINGER_SECONDS: Final = 0.0001
# How often in a row the event loop is passed over: others run there, too.
_MOST_AT_ONCE: Final = 16


class Reader:
    """The right to read requests: a task keeps it from its first request until it says that it will wait.

    Lives on the trio thread. To pyfuse3 it is the lock that its tasks read under.
    """

    def __init__(self) -> None:
        self._holder: trio.lowlevel.Task | None = None
        self._next = trio.lowlevel.ParkingLot()
        self._awaited = 0
        self._at_once = 0
        self._ended = False
        self._descriptor: int | None = None

    async def main(self, *, max_tasks: int) -> None:
        """Read and answer requests until the mount ends, up to `max_tasks` at once."""
        self.install()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._notice_end)
            await pyfuse3.main(min_tasks=_MIN_TASKS, max_tasks=max_tasks)
            nursery.cancel_scope.cancel()

    def terminate(self) -> None:
        """Have `main` read no more requests, and return when those that were read are answered."""
        pyfuse3.terminate()
        self._let_all_find_out()

    def install(self) -> None:
        """Let pyfuse3 read by this, from its next `main` on."""
        lowlevel = SimpleNamespace(
            current_task=trio.lowlevel.current_task,
            current_trio_token=trio.lowlevel.current_trio_token,
            notify_closing=trio.lowlevel.notify_closing,
            wait_readable=self._wait_readable,
        )
        pyfuse3.trio = SimpleNamespace(  # type: ignore[attr-defined]
            ClosedResourceError=trio.ClosedResourceError,
            Lock=lambda: self,
            lowlevel=lowlevel,
            open_nursery=trio.open_nursery,
        )

    async def __aenter__(self) -> None:
        """Wait for the right to read, unless this task has it still."""
        task = trio.lowlevel.current_task()
        while self._holder not in {None, task} and not self._ended:
            await self._next.park()
        self._holder = task

    async def __aexit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """Keep the right while the request is answered; once nothing can be read any more, let all tasks find out."""
        if failed is not None:
            self._let_all_find_out()

    def _let_all_find_out(self) -> None:
        self._ended = True
        self._next.unpark_all()

    async def _notice_end(self) -> None:
        """Let all tasks find out, should the one that read have ended at a read that said so."""
        while self._descriptor is None or not self._is_gone(self._descriptor):  # noqa: ASYNC110 - nobody tells
            await trio.sleep(_LOOK_SECONDS)
        self._let_all_find_out()

    def begin_waiting(self) -> None:
        """Let another task read, because this one is about to wait."""
        self._awaited += 1
        if self._holder is trio.lowlevel.current_task():
            self._holder = None
            self._next.unpark()

    def end_waiting(self) -> None:
        """Say that what was waited for is there."""
        self._awaited -= 1

    async def _wait_readable(self, descriptor: int) -> None:
        """Wait for a request; raises trio.ClosedResourceError once the connection to the kernel is gone."""
        self._descriptor = descriptor
        if not self._is_soon_readable(descriptor):
            self._at_once = 0
            await trio.lowlevel.wait_readable(descriptor)
        if self._is_gone(descriptor):
            raise trio.ClosedResourceError

    def _is_soon_readable(self, descriptor: int) -> bool:
        self._at_once += 1
        if self._at_once > _MOST_AT_ONCE:
            return False
        patience = 0.0 if self._awaited else _LINGER_SECONDS
        return bool(select.select([descriptor], [], [], patience)[0])

    @staticmethod
    def _is_gone(descriptor: int) -> bool:
        """Whether the descriptor has an error, as it has after an unmount: `poll` tells it unasked."""
        errors = select.poll()
        errors.register(descriptor, 0)
        return bool(errors.poll(0))
