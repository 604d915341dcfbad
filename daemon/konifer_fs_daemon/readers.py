"""Reading many files of a mount at once, as `warm` and `thumbnails` do, for people who may interrupt it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def read_each(function: Callable[[T], R], things: Sequence[T], threads: int) -> Iterator[tuple[T, Future[R]]]:
    """Call `function` with each of `things`, so many at once; gives each with what became of it, as they are done.

    Who is interrupted waits for none of them: a read may wait for a store that is away, until the deadline.
    """
    wanted, done = SimpleQueue[T](), SimpleQueue[tuple[T, Future[R]]]()
    for thing in things:
        wanted.put(thing)

    def take_turns() -> None:
        with suppress(Empty):
            while True:
                thing, future = wanted.get_nowait(), Future[R]()
                try:
                    future.set_result(function(thing))
                except Exception as error:  # noqa: BLE001 - who looks at the future is told
                    future.set_exception(error)
                done.put((thing, future))

    for number in range(threads):
        threading.Thread(target=take_turns, name=f"reader-{number}", daemon=True).start()
    for _ in things:
        yield done.get()
