"""One reading of a directory: a row keeps its place, whatever comes and goes, for as long as the directory is open.

Only the page being read is held whole, and those that are read ahead. Of what came before, the names are kept, and
looked up again when somebody seeks back.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import Final, NamedTuple, Protocol, TypeAlias

from konifer_fs.domain.errors import MovedOn, NoSuchName
from konifer_fs.domain.node import Directory
from konifer_fs.vfs.nodes import AnyDirectory, Node
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.tree import Tree

_LOOKED_UP_AT_ONCE: Final = 200
_LARGE: Final = 1000

Page: TypeAlias = Sequence[tuple[str, Node]]


class Row(NamedTuple):
    """A name in a directory; `after` is the place of the next one, which does not change."""

    name: str
    node: Node
    stat: Stat
    after: int


class AnyListing(Protocol):
    """One reading of a directory, from place 0 on.

    `read_at` is when the rows given last were asked for, on the monotonic clock: what changed since is not in them.
    Not thread-safe: one read at a time, as the kernel does for one open directory.
    """

    read_at: float

    def at_hand(self, place: int) -> Sequence[Row] | None:
        """Give the rows from `place` on that are in memory, none at the end; None when a store has to be asked."""
        ...

    def read(self, place: int) -> Sequence[Row]:
        """Give some rows from `place` on, at least one unless it is the end."""
        ...


class Listing:
    """Reads a directory in `pages`; the place of a row is its number.

    After a large page the following one is read, and made ready, while this one is used: the database works meanwhile.
    """

    def __init__(self, tree: Tree, directory: AnyDirectory, pages: Iterator[Page]) -> None:
        self._tree = tree
        self._directory = directory
        self._pages = pages
        self._names: list[str] = []
        self._page: Sequence[Row] = ()
        self._complete = False
        self._reader: ThreadPoolExecutor | None = None
        self._following: Future[tuple[Sequence[Row], float]] | None = None
        self._asked_at: float | None = None
        self._made = 0
        self.read_at = time.monotonic()

    def at_hand(self, place: int) -> Sequence[Row] | None:
        """Give the rows from `place` on that are in memory, none at the end; None when a store has to be asked."""
        skipped = place - (len(self._names) - len(self._page))
        if 0 <= skipped < len(self._page):
            return self._page[skipped:]
        return () if self._complete and place >= len(self._names) else None

    def read(self, place: int) -> Sequence[Row]:
        """Give some rows from `place` on, at least one unless it is the end."""
        while place >= len(self._names) and not self._complete:
            self._read_page()
        rows = self.at_hand(place)
        while rows is None:
            rows = self._look_up(range(place, min(place + _LOOKED_UP_AT_ONCE, len(self._names))))
            place += _LOOKED_UP_AT_ONCE
            rows = rows or self.at_hand(place)
        return rows

    def _read_page(self) -> None:
        page, self.read_at = self._next_page() if self._following is None else self._following.result()
        if len(page) < _LARGE:
            self._complete, self._reader, self._following = True, None, None
        else:
            self._reader = self._reader or ThreadPoolExecutor(1)
            self._following = self._reader.submit(copy_context().run, self._next_page)
        self._names += [row.name for row in page]
        self._page = page or self._page

    def _next_page(self) -> tuple[Sequence[Row], float]:
        """Read on, up to a large page unless it is the last one, and tell when that was asked for.

        The store may have read it while the page before was used.
        """
        now = time.monotonic()
        asked_at, self._asked_at = self._asked_at or now, now
        page: list[tuple[str, Node]] = []
        while len(page) < _LARGE and (more := next(self._pages, None)) is not None:
            page += more
        start, self._made = self._made, self._made + len(page)
        return _as_rows(page, self._tree.stat_all([node for _, node in page]), start), asked_at

    def _look_up(self, indexes: range) -> Sequence[Row]:
        self.read_at = time.monotonic()
        rows = []
        for index in indexes:
            try:
                node = self._tree.lookup(self._directory, self._names[index])
            except (NoSuchName, MovedOn):
                continue
            rows.append(Row(self._names[index], node, self._tree.stat(node), index + 1))
        return rows


def read_each(tree: Tree, directories: Sequence[Directory], most: int) -> list[Sequence[Row] | None]:
    """Read several directories without drafts, each whole; None for one that has over `most` children."""
    pages = tree.list_each(directories, most)
    stats = iter(tree.stat_all([node for page in pages if page is not None for _, node in page]))
    return [None if page is None else _as_rows(page, list(islice(stats, len(page))), 0) for page in pages]


def _as_rows(page: Page, stats: Sequence[Stat], start: int) -> list[Row]:
    named = enumerate(zip(page, stats, strict=True), start + 1)
    return [Row(name, node, shown, after) for after, ((name, node), shown) in named]
