"""How long answers are believed, by the kernel and here: long while others' changes are told to us, else a second.

Lives on the trio thread. A reply is made of what was read before it is sent, so it may be older than a change that was
told meanwhile: a `mark` taken before the reading tells.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from konifer_fs.domain.changes import AssetChanged, Change, NodeChanged, SubtreeChanged
from konifer_fs.domain.node import Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse.inodes import Inode, Inodes
from konifer_fs.fuse.kernel_caches import Doubts, KernelCaches
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.moves import Moved
from konifer_fs.vfs.names import spellings_of
from konifer_fs.vfs.virtual.nodes import VirtualNode

UNTOLD_SECONDS: Final = 1.0
TOLD_SECONDS: Final = 3600.0
# The feed tells something, be it nothing, twice a second.
SILENCE_SECONDS: Final = 3.0
# What had been told when nothing was, or nobody knows.
UNTOLD: Final = -1
# A directory in which more names were asked for in vain has the rest asked for again.
_MOST_ABSENT: Final = 1000


class Mark(NamedTuple):
    """When a reading began, on the monotonic clock, and how much had been told by then."""

    at: float
    told: int


class Coherence:
    """What one mount may believe of what it has read.

    `on_moved` is told of a path at and below which all may be elsewhere now, because of others.
    """

    def __init__(self, inodes: Inodes, caches: KernelCaches, on_moved: Callable[[AssetPath], None]) -> None:
        self._on_moved = on_moved
        self._inodes = inodes
        self._caches = caches
        self._told = 0
        self._is_told = False
        self._heard_at = 0.0
        self._until = 0.0  # Of the last that was believed: what is read together shares it, and the memory.

    @property
    def is_told(self) -> bool:
        """Whether changes of others are told to us at present."""
        return self._is_told

    @property
    def silence(self) -> float:
        """For how many seconds nothing was heard of the feed, which tells something twice a second."""
        return _now() - self._heard_at if self._heard_at else 0.0

    def mark(self) -> Mark:
        """Give when a reading begins, and what was told until then."""
        return Mark(time.monotonic(), self._told if self._is_told else UNTOLD)

    def believe(self, inode: Inode, mark: Mark) -> float:
        """Give for how many seconds the node of an inode, read since `mark`, is believed; its attributes are, too."""
        if self._inodes.carried:
            carried, self._inodes.carried = self._inodes.carried, []
            self._doubt_known(carried, [])
        if isinstance(inode.node, Draft) or inode.changed > mark.at:
            seconds = 0.0
        elif isinstance(inode.node, VirtualNode):  # Nobody tells when these change.
            seconds = UNTOLD_SECONDS
        else:
            seconds = self._seconds_since(mark)
        if self._until != (until := mark.at + seconds):
            self._until = until
        inode.believed_until = self._until
        return seconds

    def believe_absent(self, directory: Inode, name: str, mark: Mark) -> float:
        """Give for how many seconds it is believed that nothing has a name, as was found since `mark`."""
        seconds = self._seconds_since(mark)
        if seconds == TOLD_SECONDS:
            directory.absent = directory.absent or set()
            if len(directory.absent) >= _MOST_ABSENT:
                return UNTOLD_SECONDS
            directory.absent.add(name)
        return seconds

    def _seconds_since(self, mark: Mark) -> float:
        if mark.told == UNTOLD or not self._is_told:
            return UNTOLD_SECONDS
        return TOLD_SECONDS if mark.told == self._told else 0.0

    # What the feed tells.
    def hear(self, changes: Sequence[Change] | None) -> None:
        """Take over what others changed; None is that anything may have changed until now."""
        self.check()
        self._heard_at = _now()
        if changes is None or not self._is_told:
            self._is_told = True
            self.doubt_all()
        elif changes:
            self._told += 1
            self._doubt(changes)

    def check(self) -> None:
        """Believe nothing any more when the feed has been silent for too long; to be called every now and then."""
        if self._is_told and _now() - self._heard_at > SILENCE_SECONDS:
            self._is_told = False
            self.doubt_all()

    def doubt_all(self) -> None:
        """Believe nothing of what was read until now."""
        self._told += 1
        self._on_moved(AssetPath())
        known = list(self._inodes)
        names = [place for inode in known for place in (*_place_of(inode), *_take_absent(inode))]
        for inode in known:
            inode.believed_until = 0.0
        self._inodes.drop_all_kept()
        self._caches.doubt(Doubts(names=names, attributes=[inode.number for inode in known], all_names=True))

    def _doubt(self, changes: Sequence[Change]) -> None:
        moved = list(_uppermost(set(filter(None, map(self._moved_by, changes)))))
        for path in moved:
            self._on_moved(path)
        affected = chain(*map(self._affected, changes), *map(self._inodes.within, moved))
        self._doubt_known(affected, chain(*map(self._names_of, changes)))

    def _doubt_known(self, inodes: Iterable[Inode], places: Iterable[tuple[int, str]]) -> None:
        """Believe nothing of what was read of some inodes, nor what was found at some places and at theirs."""
        doubted = {inode.number: inode for inode in inodes}
        names = dict.fromkeys(places)
        for inode in doubted.values():
            names.update(dict.fromkeys((*_place_of(inode), *_take_absent(inode))))
            inode.believed_until = 0.0
            self._inodes.drop_kept(inode)
        self._caches.doubt(Doubts(names=list(names), attributes=list(doubted)))

    def _affected(self, change: Change) -> Iterator[Inode]:
        """Give the known inodes that a change may have changed, and whose absent names may be there now.

        Those below what may have moved are not among them.
        """
        match change:
            case NodeChanged():
                yield from self._inodes.all_by_id(change.id)
                if parent := self._parent_of(change):
                    yield parent
            case AssetChanged():
                yield from self._inodes.all_by_id(change.id)
                yield from self._leading_to(change.path)
            case SubtreeChanged():
                yield from self._leading_to(change.path)

    def _moved_by(self, change: Change) -> AssetPath | None:
        """Give the path at and below which all may be elsewhere now: nothing is, where a directory is in its place."""
        match change:
            case NodeChanged():
                inode, parent = self._inodes.by_id(change.id), self._parent_of(change)
                if inode is None or not isinstance(inode.node, Directory):
                    return None
                is_where_it_was = parent is not None and inode.place == (parent.number, change.name)
                return None if is_where_it_was else inode.node.path
            case AssetChanged():
                return None
            case SubtreeChanged():
                return change.path

    def _names_of(self, change: Change) -> Iterator[tuple[int, str]]:
        """Give the names that a change may have given to something else."""
        if isinstance(change, NodeChanged):
            parent = self._parent_of(change)
            if parent is not None and change.name is not None:
                yield parent.number, change.name
            return
        directories = list(self._leading_to(change.path))
        last = directories[-1].node if directories else None
        if isinstance(last, Directory) and last.path != change.path:
            for name in spellings_of(change.path.labels[len(last.path.labels)]):
                yield directories[-1].number, name

    def _parent_of(self, change: NodeChanged) -> Inode | None:
        return None if change.parent is None else self._inodes.by_id(change.parent)

    def _leading_to(self, path: AssetPath) -> Iterator[Inode]:
        return filter(None, map(self._inodes.at_path, path.ancestors()))

    # What this mount does itself, and the kernel cannot know of.
    def note_moved(self, places: Iterable[tuple[int, str]], moved: Moved) -> None:
        """Have what this mount moved looked up again: the nodes of entries tell of the place where they were."""
        now, renamed = time.monotonic(), moved.renamed
        for node in moved.nodes:
            inode = None if isinstance(node, Directory) else self._inodes.find(node)
            if inode is not None:
                self._inodes.confirm(inode, node, now)
        below = [inode for old, _ in renamed for inode in self._inodes.within(old)]
        for inode in below:
            self._inodes.drop_kept(inode)
        self._inodes.rebase(renamed)
        names = [place for inode in below for place in _place_of(inode) if not isinstance(inode.node, Directory)]
        self._caches.doubt(Doubts(names=[*places, *names]))


def _now() -> float:
    """Give a time in seconds that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _place_of(inode: Inode) -> Iterator[tuple[int, str]]:
    if inode.name:
        yield inode.place


def _take_absent(inode: Inode) -> Iterator[tuple[int, str]]:
    names, inode.absent = inode.absent, None
    return ((inode.number, name) for name in names or ())


def _uppermost(paths: Collection[AssetPath]) -> Iterator[AssetPath]:
    """Give the paths that lie below none of the others."""
    return (path for path in paths if sum(above in paths for above in path.ancestors()) == 1)
