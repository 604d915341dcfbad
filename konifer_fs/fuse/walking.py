"""Who goes through a directory name by name, in the order of its listing or by name, and what is likely to come next.

Lives on the trio thread. Only directories whose listings are in memory are watched.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from konifer_fs.fuse.listings import KeptListing, Listings
from konifer_fs.vfs.listing import Row
from konifer_fs.vfs.nodes import Node

_IN_A_ROW: Final = 3
_MOST_WALKS: Final = 8
# Sorting the names of a larger directory would keep the mount waiting.
_MOST_NAMES: Final = 10_000

_Kinds = tuple[type[Node], ...]


class Walks:
    """Notices walks over nodes of some `kinds`; from the third in a row on, tells of twice as many ahead each time.

    `first` and `most` are how many nodes ahead it begins and ends with.
    """

    def __init__(self, listings: Listings, kinds: _Kinds, *, first: int, most: int) -> None:
        self._listings = listings
        self._kinds = kinds
        self._bounds = first, most
        self._walks: OrderedDict[int, _Walk] = OrderedDict()

    def note(self, parent: int, name: str) -> "_Walk | None":
        """Tell that somebody has come to a name in the directory with a number; gives the walk, if it is watched."""
        listing = self._listings.find(parent)
        if listing is None or len(listing) > _MOST_NAMES:
            return None
        walk = self._walks.get(parent)
        if walk is None or walk.listing is not listing:
            walk = self._walks[parent] = _Walk(listing, self._kinds, self._bounds)
        self._walks.move_to_end(parent)
        if len(self._walks) > _MOST_WALKS:
            self._walks.popitem(last=False)
        walk.note(name)
        return walk


class _Walk:
    """Where somebody is in a directory, in both orders that names are taken in; it is put in order for a third name."""

    def __init__(self, listing: KeptListing, kinds: _Kinds, bounds: tuple[int, int]) -> None:
        self.listing: Final = listing
        self._kinds = kinds
        self._bounds = bounds
        self._first: list[str] = []
        self._orders: Sequence[_Order] = ()

    def note(self, name: str) -> None:
        """Tell who was come to; to come to it once more is nothing new."""
        if not self._orders:
            if name not in self._first[-1:]:
                self._first.append(name)
            if len(self._first) == _IN_A_ROW:
                self._orders = self._put_in_order()
            return
        for order in self._orders:
            order.note(name)

    def _put_in_order(self) -> Sequence["_Order"]:
        rows = [row for row in self.listing if isinstance(row.node, self._kinds)]
        orders = [_Order(rows, *self._bounds), _Order(sorted(rows, key=lambda row: row.name), *self._bounds)]
        for order in orders:
            for name in self._first:
                order.note(name)
        return orders

    def take_ahead(self, *, again: bool = False) -> Iterable[Node]:
        """Give what is likely to come next, each node once.

        With `again`, what was given of this place and those after it was of no use any more: few come next, once more.
        """
        return {row.node.id: row.node for order in self._orders for row in order.take_ahead(again)}.values()


class _Order:
    def __init__(self, rows: Sequence[Row], first: int, most: int) -> None:
        self._rows = rows
        self._places = {row.name: place for place, row in enumerate(rows)}
        self._first, self._most = first, most
        self._last = -1
        self._in_a_row = 0
        self._ahead = first
        self._taken = 0

    def note(self, name: str) -> None:
        place = self._places.get(name, -1)
        if place == self._last:
            return
        self._in_a_row = self._in_a_row + 1 if place == self._last + 1 else 1
        self._last = place
        if self._in_a_row < _IN_A_ROW:
            self._ahead, self._taken = self._first, 0

    def take_ahead(self, again: bool) -> Sequence[Row]:
        if self._in_a_row < _IN_A_ROW:
            return ()
        if again and self._last < self._taken:
            self._ahead, self._taken = self._first, 0
        begin, end = max(self._taken, self._last + 1), self._last + 1 + self._ahead
        self._ahead, self._taken = min(2 * self._ahead, self._most), max(begin, end)
        return self._rows[begin:end]
