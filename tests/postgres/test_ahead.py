"""Pages are asked for while the ones before are used."""

from collections.abc import Iterator, Sequence
from threading import Event

import pytest

from konifer_fs.adapters.postgres.ahead import read_ahead
from konifer_fs.domain.errors import StoreUnreachable

SECONDS = 10


def told(pages: Sequence[Sequence[int]], read: list[Event]) -> Iterator[Sequence[int]]:
    for page, event in zip(pages, read, strict=True):
        event.set()
        yield page


def test_all_pages_come_in_order() -> None:
    whole: Sequence[Sequence[Sequence[int]]] = [[], [[]], [[1]], [[1, 2]], [[1, 2], []], [[1, 2], [3, 4], [5]]]
    for pages in whole:
        assert list(read_ahead(iter(pages), 2)) == pages


def test_after_a_full_page_the_next_is_read_meanwhile() -> None:
    read = [Event(), Event(), Event()]
    pages = read_ahead(told([[1, 2], [3, 4], [5]], read), 2)
    assert next(pages) == [1, 2]
    assert read[1].wait(SECONDS)
    assert not read[2].is_set()
    assert next(pages) == [3, 4]
    assert read[2].wait(SECONDS)


def test_a_page_that_is_not_full_is_the_last_to_be_read() -> None:
    read = [Event(), Event()]
    assert next(read_ahead(told([[1], [2]], read), 2)) == [1]
    assert not read[1].is_set()


def test_a_failure_comes_with_the_page_that_it_is_of() -> None:
    def failing() -> Iterator[Sequence[int]]:
        yield [1, 2]
        raise StoreUnreachable

    pages = read_ahead(failing(), 2)
    assert next(pages) == [1, 2]
    with pytest.raises(StoreUnreachable):
        next(pages)
