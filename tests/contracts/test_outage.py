"""What the adapters remember of a silent store, and whom they tell at once."""

from collections.abc import Iterator

import pytest

from konifer_fs.adapters.outage import IN_HASTE, Outage


@pytest.fixture
def in_haste() -> Iterator[None]:
    before = IN_HASTE.set(True)
    yield
    IN_HASTE.reset(before)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("konifer_fs.adapters.outage.time.monotonic", lambda: now[0])
    return now


def test_a_store_that_answers_is_asked(in_haste: None, clock: list[float]) -> None:
    outage = Outage(30)
    assert outage.may_ask()
    outage.note_silence()
    outage.note_answer()
    assert outage.may_ask()


def test_one_caller_in_haste_asks_a_silent_store_each_second(in_haste: None, clock: list[float]) -> None:
    outage = Outage(30)
    outage.note_silence()
    assert not outage.may_ask()
    clock[0] += 1
    assert [outage.may_ask() for _ in range(3)] == [True, False, False]
    clock[0] += 20
    assert not outage.may_ask()
    outage.note_silence()
    clock[0] += 1
    assert outage.may_ask()


def test_a_caller_that_never_tells_is_given_up_after_the_deadline(in_haste: None, clock: list[float]) -> None:
    outage = Outage(30)
    outage.note_silence()
    clock[0] += 1
    assert outage.may_ask()
    clock[0] += 30
    assert outage.may_ask()


def test_who_is_not_in_haste_waits_for_a_silent_store(clock: list[float]) -> None:
    outage = Outage(30)
    outage.note_silence()
    assert outage.may_ask()


def test_a_store_that_failed_for_the_deadline_is_asked_once_by_each_until_it_answers(
    in_haste: None, clock: list[float]
) -> None:
    outage = Outage(30)
    assert outage.may_ask_again()
    outage.note_failure()
    assert outage.may_ask()
    assert not outage.may_ask_again()
    outage.note_answer(is_whole=False)
    assert not outage.may_ask_again()
    outage.note_answer()
    assert outage.may_ask_again()


def test_that_a_store_failed_is_forgotten_after_the_deadline(in_haste: None, clock: list[float]) -> None:
    outage = Outage(30)
    outage.note_failure()
    clock[0] += 29
    assert not outage.may_ask_again()
    clock[0] += 1
    assert outage.may_ask_again()


def test_a_silent_store_that_fails_at_once_is_silent_no_more(in_haste: None, clock: list[float]) -> None:
    outage = Outage(30)
    outage.note_silence()
    assert not outage.may_ask_again()
    outage.note_failure()
    assert outage.may_ask()
    assert not outage.may_ask_again()


def test_who_is_not_in_haste_asks_again(clock: list[float]) -> None:
    outage = Outage(30)
    outage.note_failure()
    assert outage.may_ask_again()
