"""Calls that come while one runs go together in the next: one transaction's price for all of them.

Used by the store for recording: 32 drafts recorded together take a sixth of the time of 32 transactions, and those
who wait would have waited for each other's flush anyway.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST: Final = 32


class _Call(Generic[T, R]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.outcome: R | Exception | None = None
        self.leads = False
        self.ready = threading.Event()


class Grouped(Generic[T, R]):
    """Makes of `run`, which takes several items, a function of one. Thread-safe.

    `run` gives an outcome for each item: what to return, or what to raise. There is no thread of its own: the first
    caller runs the group, and hands on to one of those who came meanwhile.
    """

    def __init__(self, run: Callable[[Sequence[T]], Sequence[R | Exception]]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._waiting: list[_Call[T, R]] = []
        self._busy = False

    def __call__(self, item: T) -> R:
        """Run with `item`, alone or in company."""
        call: _Call[T, R] = _Call(item)
        with self._lock:
            self._waiting.append(call)
            call.leads = not self._busy
            self._busy = True
        if not call.leads:
            call.ready.wait()
        if call.leads:
            self._lead()
        if isinstance(call.outcome, Exception):
            raise call.outcome
        return call.outcome  # type: ignore[return-value]

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        try:
            outcomes: Sequence[R | Exception] = self._run([call.item for call in group])
        except Exception as error:  # noqa: BLE001 - it is raised again by each of the callers
            outcomes = [error] * len(group)
        for call, outcome in zip(group, outcomes, strict=True):
            call.outcome, call.leads = outcome, False
            call.ready.set()
        with self._lock:
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].ready.set()
            else:
                self._busy = False
