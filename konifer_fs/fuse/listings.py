"""Listings of directories that were read whole, told again from memory while nothing in them changes.

Lives on the trio thread. Whoever learns of a change drops what it touches; one that was being read then is not kept.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from konifer_fs.vfs.listing import Row

MOST_ROWS: Final = 100_000
_ROWS_AT_ONCE: Final = 500


class KeptListing:
    """One reading of a directory, whole and in memory: what `vfs.listing.AnyListing` asks for."""

    __slots__ = ("_rows", "read_at")

    def __init__(self, rows: Sequence[Row], read_at: float) -> None:
        self._rows = rows
        self.read_at = read_at

    def __len__(self) -> int:
        """Give how many names there are."""
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        """Go over all rows."""
        return iter(self._rows)

    def at_hand(self, place: int) -> Sequence[Row]:
        """Give some rows from `place` on, none at the end."""
        return self._rows[place : place + _ROWS_AT_ONCE]

    read = at_hand


class Listings:
    """The listings kept, up to `MOST_ROWS` names: those told least recently go first.

    `drops` counts what was dropped: a listing is good if that is what it was when its reading began.
    """

    def __init__(self) -> None:
        self.drops = 0
        self._kept: OrderedDict[int, KeptListing] = OrderedDict()
        self._rows = 0
        self._noting: list[Dropped] = []

    def find(self, number: int) -> KeptListing | None:
        """Give the listing of the directory with this inode number."""
        kept = self._kept.get(number)
        if kept is not None:
            self._kept.move_to_end(number)
        return kept

    def keep(self, number: int, listing: KeptListing) -> None:
        """Keep the listing of a directory, in place of the one before."""
        self.forget(number)
        self._kept[number] = listing
        self._rows += len(listing)
        while self._rows > MOST_ROWS:
            self.forget(next(iter(self._kept)))

    def forget(self, number: int) -> None:
        """Let go of the listing of a directory, as of one that the kernel does not know any more.

        What changes in that is not told: what is being read of it is not kept either.
        """
        kept = self._kept.pop(number, None)
        if kept is not None:
            self._rows -= len(kept)
        for dropped in self._noting:
            dropped.numbers.add(number)

    def drop(self, *numbers: int) -> None:
        """Drop the listings of directories, of those being read, too."""
        self.drops += 1
        for number in numbers:
            self.forget(number)

    def clear(self) -> None:
        """Drop all listings."""
        self.drop(*self._kept)
        for dropped in self._noting:
            dropped.all = True

    @contextmanager
    def noting_drops(self) -> Iterator["Dropped"]:
        """Note what is dropped meanwhile, also of directories whose listings are not kept yet."""
        dropped = Dropped()
        self._noting.append(dropped)
        try:
            yield dropped
        finally:
            self._noting.remove(dropped)


class Dropped:
    """Directories whose listings were dropped."""

    def __init__(self) -> None:
        self.all = False
        self.numbers: set[int] = set()

    def __contains__(self, number: int) -> bool:
        """Whether that of the directory with this inode number was."""
        return self.all or number in self.numbers
