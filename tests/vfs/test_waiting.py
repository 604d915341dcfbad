"""When pending drafts are tried again, by a clock that stands still."""

import threading
from pathlib import Path

import pytest

from konifer_fs.domain.errors import KoniferFsError, StoreRefused, StoreUnreachable
from konifer_fs.domain.node import Directory, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.spool import Spool
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.waiting import LONGEST_SECONDS, Waiting, back_off
from tests.counting import count_lines


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def drafts(tmp_path: Path) -> list[Draft]:
    return make_drafts(Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1), 3)


def make_drafts(spool: Spool, number: int) -> list[Draft]:
    directory = Directory(id=1, path=AssetPath(), made=True)
    return [
        Draft(id=each, directory=directory, name=str(each), file=spool.create(), ownership=Ownership())
        for each in range(number)
    ]


def take_now(waiting: Waiting) -> Draft | None:
    """Give what is due, or None."""
    found: list[Draft | None] = []
    thread = threading.Thread(target=lambda: found.append(waiting.take()), daemon=True)
    thread.start()
    thread.join(0.2)
    waiting.close()
    thread.join()
    waiting._is_closed = False
    return found[0]


def test_waiting_doubles_up_to_five_minutes_and_chance_takes_up_to_half() -> None:
    assert [back_off(failures, 0) for failures in (1, 2, 3, 9, 10, 10_000)] == [1, 2, 4, 256, 300, 300]
    assert back_off(3, 1) == 2
    assert back_off(10_000, 0.5) == LONGEST_SECONDS * 0.75


def test_what_has_not_failed_is_due_at_once_and_in_order(clock: Clock, drafts: list[Draft]) -> None:
    waiting = Waiting(clock)
    for draft in drafts:
        waiting.add(draft)
        clock.now += 1
    assert [take_now(waiting) for _ in range(4)] == [*drafts, None]


@pytest.mark.parametrize("error", [StoreUnreachable(), StoreRefused()])
def test_what_has_failed_is_due_later_each_time(clock: Clock, drafts: list[Draft], error: KoniferFsError) -> None:
    waiting = Waiting(clock)
    for seconds in (1, 2, 4):
        waiting.add(drafts[0], error)
        clock.now += seconds * 0.49
        assert take_now(waiting) is None
        clock.now += seconds * 0.51
        assert take_now(waiting) is drafts[0]
        waiting.done(got_through=False)


def test_one_at_a_time_is_tried_while_a_store_is_out_of_reach_and_all_once_it_answers(
    clock: Clock, drafts: list[Draft]
) -> None:
    waiting = Waiting(clock)
    for draft in drafts:
        waiting.add(draft, StoreUnreachable())
    clock.now += 1
    scout = take_now(waiting)
    assert scout in drafts
    assert take_now(waiting) is None
    waiting.add(drafts[0], StoreUnreachable())
    waiting.done(got_through=True)
    assert {take_now(waiting) for _ in range(2)} <= set(drafts)
    assert take_now(waiting) is (drafts[0] if scout is drafts[0] else None)


def test_who_waits_anew_has_one_turn(clock: Clock, drafts: list[Draft]) -> None:
    waiting = Waiting(clock)
    waiting.add(drafts[0])
    waiting.add(drafts[1])
    waiting.add(drafts[0], StoreRefused())
    assert [take_now(waiting) for _ in range(2)] == [drafts[1], None]
    clock.now += 1
    assert [take_now(waiting) for _ in range(2)] == [drafts[0], None]


def test_a_turn_takes_no_more_work_the_more_others_wait(clock: Clock, tmp_path: Path) -> None:
    spool = Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1)
    alone, crowded = Waiting(clock), Waiting(clock)
    for waiting, number in ((alone, 1), (crowded, 100)):
        for draft in make_drafts(spool, number):
            waiting.add(draft)
    assert count_lines(crowded.take) == count_lines(alone.take)


def test_turns_that_others_took_the_place_of_take_no_memory(clock: Clock, drafts: list[Draft]) -> None:
    waiting = Waiting(clock)
    for _ in range(1000):
        for draft in drafts:
            waiting.add(draft, StoreRefused())
    assert len(waiting._by_due) < 100
    waiting.hurry()
    assert {take_now(waiting) for _ in range(4)} == {*drafts, None}


def test_all_are_due_when_somebody_hurries(clock: Clock, drafts: list[Draft]) -> None:
    waiting = Waiting(clock)
    for draft in drafts:
        waiting.add(draft, StoreRefused())
    waiting.hurry()
    assert {take_now(waiting) for _ in range(3)} == set(drafts)


def test_nothing_is_given_once_closed(clock: Clock, drafts: list[Draft]) -> None:
    waiting = Waiting(clock)
    waiting.add(drafts[0])
    waiting.close()
    assert waiting.take() is None
