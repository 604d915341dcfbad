"""Files that are likely to be read next: of a directory that somebody reads file by file, in the order of its listing.

Who copies or compares a directory lists it, then reads one file after the other, by name or as they were listed. After
the third in a row the next ones are fetched meanwhile: twice as many each time, up to 16. Lives on the trio thread.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from konifer_fs.domain.node import Entry
from konifer_fs.fuse.inodes import Inode, Inodes
from konifer_fs.fuse.listings import KeptListing
from konifer_fs.vfs.files import Files
from konifer_fs.vfs.listing import Row

_IN_A_ROW: Final = 3
_MOST_AHEAD: Final = 16
_MOST_WALKS: Final = 8
# Sorting the names of a larger directory would keep the mount waiting.
_MOST_NAMES: Final = 10_000


class ReadingAhead:
    """Notices who reads on in directories whose listing is in memory, and has the next files fetched."""

    def __init__(self, inodes: Inodes, files: Files) -> None:
        self._listings = inodes.listings
        self._files = files
        self._walks: OrderedDict[int, _Walk] = OrderedDict()

    def note_read(self, inode: Inode) -> None:
        """Tell that a file was read from its beginning to its end."""
        listing = self._listings.find(inode.parent)
        if listing is None or len(listing) > _MOST_NAMES:
            return
        walk = self._walks.get(inode.parent)
        if walk is None or walk.listing is not listing:
            walk = self._walks[inode.parent] = _Walk(listing)
        self._walks.move_to_end(inode.parent)
        if len(self._walks) > _MOST_WALKS:
            self._walks.popitem(last=False)
        self._files.fetch_ahead(walk.next_after(inode.name))


class _Walk:
    """Where somebody is in a directory, in both orders that files are read in."""

    def __init__(self, listing: KeptListing) -> None:
        self.listing: Final = listing
        rows = [row for row in listing if isinstance(row.node, Entry)]
        self._orders = [_Order(rows), _Order(sorted(rows, key=lambda row: row.name))]

    def next_after(self, name: str) -> Sequence[Entry]:
        """Give what is to be fetched now that the file called `name` was read."""
        found = {entry.id: entry for order in self._orders for entry in order.next_after(name)}
        return list(found.values())


class _Order:
    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._places = {row.name: place for place, row in enumerate(rows)}
        self._last = -1
        self._in_a_row = 0
        self._ahead = 1
        self._fetched = 0

    def next_after(self, name: str) -> Iterator[Entry]:
        place = self._places.get(name, -1)
        self._in_a_row = self._in_a_row + 1 if place == self._last + 1 else 1
        self._last = place
        if self._in_a_row < _IN_A_ROW:
            self._ahead, self._fetched = 1, 0
            return
        begin, end = max(self._fetched, place + 1), place + 1 + self._ahead
        self._ahead, self._fetched = min(2 * self._ahead, _MOST_AHEAD), end
        for row in self._rows[begin:end]:
            if isinstance(row.node, Entry):
                yield row.node
