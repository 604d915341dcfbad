"""One reading of a directory of any number of made-up names: all are written down at once, and read from there.

So the rows and their places stay as they are while entries come and go, no connection waits for the kernel to read on,
and only a piece of the list is in memory.
"""

import json
import os
import time
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from functools import partial
from typing import NamedTuple, TypeVar

from konifer_fs.spool import Spool
from konifer_fs.vfs.listing import Row
from konifer_fs.vfs.virtual.nodes import Record, StreamedNames
from konifer_fs.vfs.virtual.scratch import write_scratch
from konifer_fs.workflows.workshop import Scratch

T = TypeVar("T")


class _Page(NamedTuple):
    """Where the records `first` to `end` - 1 are: so many bytes at `offset`, which are a JSON array."""

    first: int
    end: int
    offset: int
    length: int


class RecordedListing:
    """The names are written down in the pages that they come in; the place of a row is its number."""

    def __init__(self, spool: Spool, names: StreamedNames) -> None:
        self._spool = spool
        self._names = names
        self._scratch: Scratch | None = None
        self._pages: Sequence[_Page] = ()
        self._first = 0
        self._rows: Sequence[Row] = ()
        self.read_at = time.monotonic()

    def at_hand(self, place: int) -> Sequence[Row] | None:
        """Give the rows from `place` on that are in memory, none at the end; None when they must be written down."""
        if self._scratch is None:
            return None
        if not self._first <= place < self._first + len(self._rows):
            self._load(self._scratch, place)
        return self._rows[place - self._first :]

    def read(self, place: int) -> Sequence[Row]:
        """Give some rows from `place` on, at least one unless it is the end."""
        if self._scratch is None:
            self.read_at = time.monotonic()
            pages: list[_Page] = []
            with closing(_read_ahead(self._names.stream())) as found:
                self._scratch = write_scratch(self._spool, _written(found, pages))
            self._pages = pages
        return self.at_hand(place) or ()

    def _load(self, scratch: Scratch, place: int) -> None:
        """Restore the page that holds `place`: at the end none does."""
        number = bisect_right(self._pages, place, key=lambda page: page.first) - 1
        if number < 0 or place >= self._pages[number].end:
            self._first, self._rows = place, ()
            return
        self._first, _, offset, length = self._pages[number]
        records = json.loads(os.pread(scratch.descriptor, length, offset))
        restored = map(self._names.restore, records)
        self._rows = [Row(name, node, node.stat, after) for after, (name, node) in enumerate(restored, self._first + 1)]


def _written(found: Iterator[Sequence[Record]], pages: list[_Page]) -> Iterator[bytes]:
    """Give the bytes of each page, and tell in `pages` where they are."""
    first = offset = 0
    for records in found:
        piece = json.dumps(records).encode()
        if records:
            pages.append(_Page(first, first + len(records), offset, len(piece)))
        first += len(records)
        offset += len(piece)
        yield piece


def _read_ahead(pages: Iterator[T]) -> Generator[T]:
    """Give the pages, each read while the one before is used, in the caller's haste: the database works meanwhile."""
    read = partial(copy_context().run, next, pages, None)
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(read)
        while (page := following.result()) is not None:
            following = reader.submit(read)
            yield page
