"""Objects that arrive while they are read: what is fetched, when readers are served, and what is left of failures."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import BinaryIO, Final

import pytest

from konifer_fs.domain.errors import ContentUnreadable, MovedOn, StoreUnreachable
from konifer_fs.ports import Part
from konifer_fs.workflows.arriving import AHEAD, PIECE, Arrival

SIZE: Final = 40 * PIECE + 12_345
SECONDS: Final = 20


class Store:
    """A store of one object: notes the parts it was asked for, and calls `before` with each mebibyte it gives."""

    def __init__(self) -> None:
        self.content = Random(1).randbytes(SIZE)
        self.parts: list[tuple[int, int]] = []
        self.before: Callable[[int], object] = lambda _: None

    def fetch(self, target: BinaryIO, part: Part) -> None:
        self.parts.append((part.start, part.stop))
        for at in range(part.start, part.stop, PIECE):
            self.before(at)
            target.write(self.content[at : min(at + PIECE, part.stop)])


class Arriving:
    """An arrival from a store, and how often it was complete."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store = store
        self.path = path
        self.completions = 0
        self.is_damaged = False
        self.arrival = Arrival(path.open("w+b", buffering=0), SIZE, store.fetch, self._check, self._complete)

    def _check(self) -> None:
        if self.is_damaged:
            raise ContentUnreadable("damaged")

    def _complete(self) -> None:
        assert self.path.read_bytes() == self.store.content
        self.completions += 1

    def read(self, length: int, offset: int) -> bytes:
        content = self.arrival.read(length, offset)
        assert content == self.store.content[offset : offset + length]
        return content


@pytest.fixture
def arriving(tmp_path: Path) -> Iterator[Arriving]:
    made = Arriving(Store(), tmp_path / "file")
    yield made
    made.arrival.close()


def settle() -> None:
    """Wait until nothing is fetched ahead any more."""
    for thread in threading.enumerate():
        if thread.name == AHEAD:
            thread.join(SECONDS)


def test_a_look_at_a_place_fetches_that_place_only(arriving: Arriving) -> None:
    assert not arriving.arrival.has(1, 0)
    arriving.read(64 << 10, 0)
    arriving.read(64 << 10, 100 << 10)
    assert len(arriving.read(64 << 10, SIZE - 100)) == 100
    arriving.read(2, 7 * PIECE - 1)
    assert arriving.store.parts == [(0, PIECE), (40 * PIECE, SIZE), (6 * PIECE, 8 * PIECE)]
    assert arriving.arrival.has(64 << 10, 0)
    assert not arriving.arrival.has(64 << 10, PIECE - 1)
    assert arriving.read(10, SIZE) == b""
    assert arriving.completions == 0


def test_who_reads_on_is_fetched_for_in_ever_larger_parts(arriving: Arriving) -> None:
    for offset in range(0, SIZE, 128 << 10):
        arriving.read(128 << 10, offset)
    settle()
    sizes = [(stop - start + PIECE - 1) // PIECE for start, stop in sorted(arriving.store.parts)]
    assert sizes == [1, 1, 4, 16, 16, 3]
    assert arriving.completions == 1
    assert not arriving.arrival.close() or arriving.path.read_bytes() == arriving.store.content


def test_a_reader_does_not_wait_for_the_rest(arriving: Arriving) -> None:
    may_go_on = threading.Event()
    arriving.store.before = lambda at: at < 3 * PIECE or may_go_on.wait(SECONDS)
    with ThreadPoolExecutor(1) as threads:
        whole = threads.submit(arriving.arrival.finish)
        assert len(arriving.read(3 * PIECE, 0)) == 3 * PIECE
        assert not whole.done()
        may_go_on.set()
        whole.result(SECONDS)
    assert arriving.store.parts == [(0, SIZE)]
    assert arriving.completions == 1


def test_many_readers_fetch_nothing_twice(arriving: Arriving) -> None:
    def read(number: int) -> None:
        random = Random(number)
        for _ in range(200):
            arriving.read(random.randrange(1, 3 * PIECE), random.randrange(SIZE))

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(read, number) for number in range(8)]:
            done.result(SECONDS)
    arriving.arrival.finish()
    settle()
    parts = sorted(arriving.store.parts)
    assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])]
    assert arriving.completions == 1


def test_what_failed_is_tried_again_by_the_next_who_asks(arriving: Arriving) -> None:
    def fail(at: int) -> None:
        if at == 2 * PIECE:
            raise StoreUnreachable("away")

    arriving.store.before = fail
    with pytest.raises(StoreUnreachable, match="away"):
        arriving.read(4 * PIECE, 0)
    assert arriving.arrival.has(2 * PIECE, 0)
    arriving.store.before = lambda _: None
    arriving.read(4 * PIECE, 0)
    assert arriving.store.parts == [(0, 4 * PIECE), (2 * PIECE, 4 * PIECE)]


def test_bytes_that_are_found_to_be_wrong_are_not_given_again(arriving: Arriving) -> None:
    def spoil(at: int) -> None:
        if at == 2 * PIECE:
            raise ContentUnreadable("its checksum is another")

    arriving.store.before = spoil
    for _ in range(2):
        with pytest.raises(ContentUnreadable):
            arriving.read(4 * PIECE, 0)
    assert not arriving.arrival.has(1, 0)


def test_what_came_last_is_not_shown_before_all_of_it_is_checked(arriving: Arriving) -> None:
    arriving.is_damaged = True
    last = SIZE - 10
    arriving.read(10, last)
    with pytest.raises(ContentUnreadable, match="damaged"):
        arriving.read(SIZE, 0)
    assert not arriving.arrival.has(10, last)
    with pytest.raises(ContentUnreadable, match="damaged"):
        arriving.read(10, last)
    assert (arriving.completions, arriving.arrival.close()) == (0, False)


def test_nothing_more_comes_once_it_is_closed(arriving: Arriving) -> None:
    may_go_on = threading.Event()
    arriving.store.before = lambda at: at < 3 * PIECE or may_go_on.wait(SECONDS)
    with ThreadPoolExecutor(1) as threads:
        whole = threads.submit(arriving.arrival.finish)
        arriving.read(1, 2 * PIECE)
        assert not arriving.arrival.close()
        assert not arriving.arrival.file.closed, "somebody may be writing to it"
        may_go_on.set()
        with pytest.raises(MovedOn):
            whole.result(SECONDS)
    assert arriving.arrival.file.closed
    assert arriving.path.stat().st_size == 3 * PIECE
    assert arriving.completions == 0
