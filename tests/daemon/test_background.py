"""Repeated tasks, under a clock that jumps."""

from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from konifer_fs.domain.errors import StoreUnreachable
from konifer_fs_daemon.background import AFTER_FAILURE_SECONDS, repeat


def times_of(work: Callable[[], object], seconds: float, until: float) -> list[float]:
    """Give when `work` was done, repeated every `seconds`."""
    times: list[float] = []

    async def run() -> None:
        def noted() -> object:
            times.append(trio.from_thread.run_sync(trio.current_time))
            return work()

        start = trio.current_time()
        with trio.move_on_after(until):
            await repeat(noted, seconds)
        times[:] = [round(time - start) for time in times]

    trio.run(run, clock=MockClock(autojump_threshold=0.05))
    return times


def fail_with(error: Exception) -> None:
    raise error


def test_a_task_is_done_now_and_again() -> None:
    assert times_of(lambda: None, 5, until=12) == [0, 5, 10]


@pytest.mark.parametrize("error", [StoreUnreachable("no route"), ValueError("a bug")])
def test_a_task_that_fails_is_tried_again_later(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert times_of(partial(fail_with, error), 5, until=AFTER_FAILURE_SECONDS + 1) == [0, AFTER_FAILURE_SECONDS]
    assert str(error) in caplog.text
