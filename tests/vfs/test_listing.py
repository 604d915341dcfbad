"""One reading of a directory: places, and when what is given was asked for."""

import time
from collections.abc import Iterator, Sequence
from typing import cast

from konifer_fs.domain.node import Directory, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.vfs.listing import Listing
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.tree import Tree

HERE = Directory(id=1, path=AssetPath(), made=True)
PAGE = 1000


class Links:
    """A tree of links that are called by their number."""

    def lookup(self, _directory: Directory, name: str) -> Node:
        return link(int(name))[1]

    def stat(self, node: Node) -> Stat:
        return Stat(node.id, 0, 0, 0, 0, 0, 0)

    def stat_all(self, nodes: Sequence[Node]) -> Sequence[Stat]:
        return [self.stat(node) for node in nodes]


def link(number: int) -> tuple[str, Node]:
    return str(number), Symlink(id=number, path=HERE.path, name=str(number), target="x")


def pages(count: int) -> Iterator[Sequence[tuple[str, Node]]]:
    for first in range(0, count, PAGE):
        yield [link(number) for number in range(first, min(first + PAGE, count))]


def listing(count: int) -> Listing:
    return Listing(cast(Tree, Links()), HERE, pages(count))


def test_each_name_is_given_once_with_the_place_after_it() -> None:
    reading, place, names = listing(2 * PAGE + 7), 0, list[str]()
    while rows := reading.read(place):
        assert [row.after for row in rows] == list(range(place + 1, place + 1 + len(rows)))
        assert all(row.node.id == row.stat.id == int(row.name) for row in rows)
        names += [row.name for row in rows]
        place = rows[-1].after
    assert names == [str(number) for number in range(2 * PAGE + 7)]


def test_rows_are_as_old_as_the_asking_for_the_page_before_at_most() -> None:
    reading, began = listing(4 * PAGE), time.monotonic()
    reading.read(0)
    first = reading.read_at
    assert began <= first
    reading.read(PAGE)
    assert reading.read_at == first
    asked = time.monotonic()
    reading.read(2 * PAGE)
    assert first < reading.read_at < asked


def test_what_somebody_seeks_back_to_is_read_then() -> None:
    reading = listing(3 * PAGE)
    for place in (0, PAGE, 2 * PAGE):
        reading.read(place)
    asked = time.monotonic()
    assert reading.read(5)[0].name == "5"
    assert reading.read_at >= asked
