"""The order in which renderings run, and that each runs once."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait

import pytest

from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.workflows.renderings import Renderings

SECONDS = 60


class Gate:
    """Work that waits until it is let go, and notes that it ran."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.begun = threading.Event()
        self.open = threading.Event()

    def work(self, name: object) -> Callable[[], object]:
        def run() -> object:
            self.begun.set()
            assert self.open.wait(SECONDS)
            self.done.append(name)
            return name

        return run


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def occupied(gate: Gate, *, workers: int = 1, priority: int = 80, queue_size: int = 10) -> Renderings:
    """Give renderings whose only thread is busy until the gate opens."""
    renderings = Renderings(workers=workers, priority=priority, queue_size=queue_size)
    renderings.demand("first", gate.work("first"))
    assert gate.begun.wait(SECONDS)
    return renderings


def test_what_is_demanded_under_one_key_runs_once(gate: Gate) -> None:
    renderings = occupied(gate, workers=4)
    futures = [renderings.demand("a", gate.work(number)) for number in range(64)]
    assert len(set(map(id, futures))) == 1
    gate.open.set()
    assert futures[0].result(SECONDS) == 0
    renderings.close()
    assert sorted(map(str, gate.done)) == ["0", "first"]


def test_a_key_can_be_demanded_again_once_it_is_done() -> None:
    renderings = Renderings(workers=1, priority=80, queue_size=1)
    assert [renderings.demand("a", lambda n=n: n).result(SECONDS) for n in range(3)] == [0, 1, 2]  # type: ignore[misc]
    renderings.close()


@pytest.mark.parametrize(
    ("priority", "order"), [(80, "ddddbddddbdd"), (50, "dbdbdbdbdbdbdbdbdbd"), (100, "dddddddddd")]
)
def test_what_somebody_waits_for_gets_its_share_of_the_turns(gate: Gate, priority: int, order: str) -> None:
    renderings = occupied(gate, priority=priority)
    for number in range(10):
        assert renderings.prepare(("b", number), gate.work("b"))
    futures = [renderings.demand(("d", number), gate.work("d")) for number in range(10)]
    gate.open.set()
    assert len(wait(futures, SECONDS).done) == 10
    renderings.close()
    assert "".join(map(str, gate.done[1:])).startswith(order)


def test_what_waits_in_advance_is_bounded(gate: Gate) -> None:
    renderings = occupied(gate, queue_size=2)
    assert [renderings.prepare(name, gate.work(name)) for name in "aabc"] == [True, True, True, False]
    gate.open.set()
    renderings.demand("z", gate.work("z")).result(SECONDS)
    assert gate.done[:2] == ["first", "z"]
    renderings.close()


def test_what_waits_in_advance_is_brought_forward_when_somebody_asks_for_it(gate: Gate) -> None:
    renderings = occupied(gate)
    for name in "abc":
        renderings.prepare(name, gate.work(name))
    future = renderings.demand("c", gate.work("another c"))
    gate.open.set()
    assert future.result(SECONDS) == "c"
    renderings.close()
    assert gate.done[:2] == ["first", "c"]


def test_a_failure_reaches_whoever_waits_and_the_threads_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ContentUnreadable("the picture")

    renderings = Renderings(workers=1, priority=80, queue_size=1)
    with pytest.raises(ContentUnreadable, match="the picture"):
        renderings.demand("a", fail).result(SECONDS)
    with caplog.at_level(logging.WARNING):
        assert renderings.prepare("b", fail)
        with pytest.raises(ContentUnreadable):
            renderings.demand("b", fail).result(SECONDS)
        assert renderings.demand("c", lambda: "done").result(SECONDS) == "done"
        renderings.close()
    assert "the picture" in caplog.text


def test_closing_fails_what_waits_and_waits_for_what_runs(gate: Gate) -> None:
    renderings = occupied(gate)
    waiting = renderings.demand("a", gate.work("a"))
    assert renderings.prepare("b", gate.work("b"))
    closing = threading.Thread(target=renderings.close)
    closing.start()
    with pytest.raises(ContentUnreadable):
        waiting.result(SECONDS)
    gate.open.set()
    closing.join(SECONDS)
    assert gate.done == ["first"]
    assert not renderings.prepare("c", gate.work("c"))
    with pytest.raises(ContentUnreadable):
        renderings.demand("d", gate.work("d"))
