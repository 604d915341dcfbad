"""One reading of a directory of any number of made-up names: all are written down at once, and read from there.

So the rows and their places stay as they are while entries come and go, no connection waits for the kernel to read on,
and only a piece of the list is in memory.
"""

import json
import os
import time
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import accumulate
from typing import Final, TypeVar

from konifer_fs.spool import Spool
from konifer_fs.vfs.listing import Row
from konifer_fs.vfs.virtual.nodes import StreamedNames
from konifer_fs.vfs.virtual.scratch import write_scratch
from konifer_fs.workflows.workshop import Scratch

T = TypeVar("T")

_PIECE: Final = 1 << 16
_encode: Final = json.JSONEncoder().encode


class RecordedListing:
    """Records are lines of JSON; the place of a row is that of its line."""

    def __init__(self, spool: Spool, names: StreamedNames) -> None:
        self._spool = spool
        self._names = names
        self._scratch: Scratch | None = None
        self._places: Sequence[int] = ()
        self._rows: Sequence[Row] = ()
        self.read_at = time.monotonic()

    def at_hand(self, place: int) -> Sequence[Row] | None:
        """Give the rows from `place` on that are in memory, none at the end; None when they must be written down."""
        if self._scratch is None:
            return None
        if place >= self._scratch.size:
            return ()
        if not self._places or not self._places[0] <= place < self._places[-1]:
            self._load(self._scratch, place)
        return self._rows[bisect_left(self._places, place) :]

    def read(self, place: int) -> Sequence[Row]:
        """Give some rows from `place` on, at least one unless it is the end."""
        if self._scratch is None:
            self.read_at = time.monotonic()
            with closing(_read_ahead(self._names.stream())) as pages:
                lines = ("".join(f"{_encode(record)}\n" for record in page) for page in pages)
                self._scratch = write_scratch(self._spool, (page.encode() for page in lines))
        return self.at_hand(place) or ()

    def _load(self, scratch: Scratch, place: int) -> None:
        piece = os.pread(scratch.descriptor, _PIECE, place)
        lines = piece[: piece.rindex(b"\n") + 1].splitlines(keepends=True)
        self._places = list(accumulate(map(len, lines), initial=place))
        records = json.loads(b"[%b]" % b",".join(lines))  # One by one takes thrice as long.
        restored = map(self._names.restore, records)
        self._rows = [
            Row(name, node, node.stat, after) for (name, node), after in zip(restored, self._places[1:], strict=True)
        ]


def _read_ahead(pages: Iterator[T]) -> Generator[T]:
    """Give the pages, each read while the one before is used: the database works meanwhile."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, pages, None)
        while (page := following.result()) is not None:
            following = reader.submit(next, pages, None)
            yield page
