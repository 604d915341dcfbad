"""Listings that are kept: the least recently told go first, and a drop is seen by whoever is reading."""

from konifer_fs.domain.node import Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse.listings import MOST_ROWS, KeptListing, Listings
from konifer_fs.vfs.listing import Row
from konifer_fs.vfs.stat import Stat

ROW = Row(
    "name",
    Directory(id=2, path=AssetPath(("name",)), made=True),
    Stat(id=2, mode=0o40755, nlink=1, uid=0, gid=0, size=0, mtime_ns=0, ctime_ns=0),
    1,
)


def listing(rows: int) -> KeptListing:
    return KeptListing([ROW] * rows, 0.0)


def test_all_rows_are_told_in_turn_until_the_end() -> None:
    kept = listing(1201)
    place, told = 0, 0
    while rows := kept.at_hand(place):
        told += len(rows)
        place += len(rows)
    assert told == len(kept)


def test_those_told_least_recently_go_when_there_are_too_many_names() -> None:
    listings = Listings()
    for number in (1, 2, 3):
        listings.keep(number, listing(MOST_ROWS // 3))
    assert listings.find(1)
    listings.keep(4, listing(2))
    assert [number for number in (1, 2, 3, 4) if listings.find(number)] == [1, 3, 4]
    listings.keep(5, listing(MOST_ROWS))
    assert [number for number in (1, 3, 4, 5) if listings.find(number)] == [5]


def test_what_is_dropped_makes_room_and_is_counted() -> None:
    listings = Listings()
    listings.keep(1, listing(MOST_ROWS))
    before = listings.drops
    listings.drop(1, 9)
    assert listings.drops > before
    assert listings.find(1) is None
    listings.keep(2, listing(MOST_ROWS))
    assert listings.find(2)
    listings.clear()
    assert listings.find(2) is None
