"""Pending drafts that wait to be tried again, each for its own time.

`commits` puts them here, the threads of `retrying` take them.
"""

import random
import threading
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, NamedTuple

from konifer_fs.domain import backing_off
from konifer_fs.domain.errors import KoniferFsError, StoreUnreachable
from konifer_fs.vfs.drafts import Draft

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 300.0
_STALE_AT_LEAST: Final = 64


def back_off(failures: int, chance: float) -> float:
    """Give how long a draft waits after so many failures, in seconds: as `backing_off` does, up to 5 minutes."""
    return backing_off.back_off(failures, FIRST_SECONDS, LONGEST_SECONDS, chance)


class _Turn(NamedTuple):
    due: float
    order: int
    draft: Draft


class Waiting:
    """Gives each draft when it is due. Thread-safe.

    While a store is out of reach one draft at a time is tried; the first that gets through makes all others due.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turns: dict[int, _Turn] = {}
        # A heap, in which those stay behind that a draft has another for by now.
        self._by_due: list[_Turn] = []
        self._order = count()
        self._is_down = False
        self._busy = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, draft: Draft, error: KoniferFsError | None = None) -> None:
        """Let a draft wait for its next try: none when nothing failed."""
        with self._changed:
            due = self._clock()
            if error is not None:
                draft.failures += 1
                due += back_off(draft.failures, random.random())  # noqa: S311 (jitter)
                self._is_down = self._is_down or isinstance(error, StoreUnreachable)
            turn = self._turns[draft.file.number] = _Turn(due, next(self._order), draft)
            heappush(self._by_due, turn)
            if len(self._by_due) > 2 * len(self._turns) + _STALE_AT_LEAST:
                self._sort()
            self._changed.notify()

    def take(self) -> Draft | None:
        """Wait until a draft is due, and give it; None once closed. Whoever has tried it says so by `done`."""
        with self._changed:
            while not self._is_closed:
                turn = self._find_first()
                is_blocked = self._is_down and self._busy > 0
                left = turn.due - self._clock() if turn and not is_blocked else None
                if turn and left is not None and left <= 0:
                    del self._turns[turn.draft.file.number]
                    self._busy += 1
                    return turn.draft
                self._changed.wait(left)
            return None

    def done(self, *, got_through: bool) -> None:
        """Note that a draft was tried, and whether the stores answered."""
        with self._changed:
            self._busy -= 1
            if got_through and self._is_down:
                self._is_down = False
                self._make_due()
            self._changed.notify_all()

    def hurry(self) -> None:
        """Let all be due now."""
        with self._changed:
            self._make_due()
            self._changed.notify_all()

    def _find_first(self) -> _Turn | None:
        while self._by_due:
            turn = self._by_due[0]
            if self._turns.get(turn.draft.file.number) is turn:
                return turn
            heappop(self._by_due)
        return None

    def _make_due(self) -> None:
        now = self._clock()
        self._turns = {number: turn._replace(due=min(turn.due, now)) for number, turn in self._turns.items()}
        self._sort()

    def _sort(self) -> None:
        self._by_due = list(self._turns.values())
        heapify(self._by_due)

    def close(self) -> None:
        """Give nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
