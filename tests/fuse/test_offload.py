"""Blocking work in threads: what comes of it, and how much of a kind there is at once."""

import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest
import trio

from konifer_fs.domain.errors import NoSuchName
from konifer_fs.fuse.offload import METADATA_THREADS, Offload

WORD: ContextVar[str] = ContextVar("word", default="")


def test_what_a_thread_gives_or_raises_is_the_callers() -> None:
    def find(name: str) -> tuple[str, str, bool]:
        if not name:
            raise NoSuchName
        return name, WORD.get(), threading.current_thread() is threading.main_thread()

    async def main() -> None:
        offload = Offload()
        WORD.set("said")
        assert await offload.ask(find, "a") == ("a", "said", False)
        with pytest.raises(NoSuchName):
            await offload.transfer(find, "")

    trio.run(main)


def test_of_a_kind_so_many_run_at_once_and_hold_up_no_other() -> None:
    running, most, lock, done = 0, 0, threading.Lock(), threading.Event()

    def question() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        done.wait(30)
        with lock:
            running -= 1

    async def main() -> None:
        offload = Offload()
        async with trio.open_nursery() as nursery:
            for _ in range(2 * METADATA_THREADS):
                nursery.start_soon(_run, offload.ask, question)
            while running < METADATA_THREADS:  # noqa: ASYNC110 - threads tell nobody
                await trio.sleep(0.001)
            await offload.transfer(done.set)

    trio.run(main)
    assert (most, running) == (METADATA_THREADS, 0)


async def _run(kind: Callable[..., Awaitable[None]], work: Callable[[], None]) -> None:
    await kind(work)
