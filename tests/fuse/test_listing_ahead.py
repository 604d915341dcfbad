"""Listings that are read before they are asked for: none is kept of a directory whose changes nobody tells of."""

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import trio

from konifer_fs.domain.node import ROOT_ID, Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse.coherence import Coherence
from konifer_fs.fuse.inodes import Inodes
from konifer_fs.fuse.kernel_caches import Doubts, KernelCaches
from konifer_fs.fuse.listing_ahead import ListingAhead
from konifer_fs.fuse.listings import KeptListing
from konifer_fs.fuse.offload import Offload
from konifer_fs.vfs.listing import Row
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.tree import Tree

T = TypeVar("T")

ROOT = Directory(id=ROOT_ID, path=AssetPath(), made=True)
COUNT = 8


class Caches(KernelCaches):
    def __init__(self) -> None: ...
    def doubt(self, doubts: Doubts) -> None: ...


class Mount:
    """A directory of empty directories, 10 and higher, that was listed; `meanwhile` happens during a reading."""

    shows_virtual = False

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        self.inodes = Inodes(ROOT)
        coherence = Coherence(self.inodes, Caches(), lambda _: None)
        coherence.hear(None)
        rows: list[Row] = []
        for number in range(10, 10 + COUNT):
            name = str(number)
            node = Directory(id=number, path=AssetPath((name,)), made=True)
            inode = self.inodes.note(node, ROOT_ID, name, coherence.mark().at)
            inode.lookups = 1
            coherence.believe(inode, coherence.mark())
            stat = Stat(id=number, mode=0o40755, uid=0, gid=0, size=0, mtime_ns=0, ctime_ns=0)
            rows.append(Row(name, node, stat, len(rows) + 1))
        self.inodes.listings.keep(ROOT_ID, KeptListing(rows, 0.0))
        self._ahead = ListingAhead(self.inodes, coherence, cast(Offload, self), cast(Tree, self))

    def walk(self) -> None:
        for number in (10, 11, 12):
            trio.run(self._ahead.note_listed, self.inodes[number])

    async def ask(self, function: Callable[..., T], *args: object) -> T:
        return function(*args)

    def has_drafts(self, _: Directory) -> bool:
        return False

    def list_each(self, directories: Sequence[Directory], _most: int) -> list[list[object]]:
        self.meanwhile()
        return [[] for _ in directories]

    def stat_all(self, nodes: Sequence[object]) -> Sequence[object]:
        return nodes

    @property
    def kept(self) -> list[int]:
        return [number for number in range(10, 10 + COUNT) if self.inodes.listings.find(number) is not None]


def test_the_next_directories_of_a_walk_are_kept() -> None:
    mount = Mount()
    mount.walk()
    assert mount.kept == list(range(12, 10 + COUNT))


def test_one_that_the_kernel_forgets_during_the_reading_is_not_kept() -> None:
    mount = Mount()
    mount.meanwhile = lambda: mount.inodes.forget(14, 1)
    mount.walk()
    assert mount.kept == [12, 13, *range(15, 10 + COUNT)]


def test_one_that_it_knows_again_after_that_is_not_kept_either() -> None:
    mount = Mount()

    def come_again() -> None:
        node = mount.inodes[14].node
        mount.inodes.forget(14, 1)
        mount.inodes.note(node, ROOT_ID, "14", 1.0)

    mount.meanwhile = come_again
    mount.walk()
    assert mount.kept == [12, 13, *range(15, 10 + COUNT)]
