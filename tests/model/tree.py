"""The same random operations on a file system, without FUSE, and on dictionaries that say what must come of them.

What the kernel does before it asks a mount is done here by hand: it walks paths, and finds out what is opened.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from konifer_fs.domain.errors import (
    DirectoryNotEmpty,
    IsADirectory,
    KoniferFsError,
    MoveIntoItself,
    NameTaken,
    NoSuchAttribute,
    NoSuchName,
    NotADirectory,
)
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.ports import OnClash
from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.vfs.moves import Place
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.opened import OpenFile
from tests.model.machine import CONTENTS, LABEL, OFFSETS, PICTURES, SIZE

# So few that every combination is met.
PATHS: Final = st.sampled_from([("a.jpg",), ("b.jpg",), ("c d",), ("c d", "a.jpg")])
ROOT: Final = Caller(0, 0)

Path = Sequence[str]


@dataclass(slots=True)
class File:
    """A file of the model."""

    content: bytes
    label: bytes | None = None


Tree = dict[str, "File | Tree"]


class FileSystemAndModel(RuleBasedStateMachine):
    """Does everything to both; `begin_anew` gives the file system of another process, once the one before is closed."""

    def __init__(self, begin_anew: Callable[[], FileSystem]) -> None:
        super().__init__()
        self._begin_anew = begin_anew
        self.fs = begin_anew()
        self.tree: Tree = {}

    def both(self, expected: Callable[[], object], done: Callable[[], object]) -> None:
        """Hold that the file system does what the model does, or fails alike."""
        outcomes = [outcome(work) for work in (expected, done)]
        assert outcomes[0] == outcomes[1]

    @initialize()
    def fill(self) -> None:
        """Begin with something to rename and remove."""
        for number, name in enumerate(("a.jpg", "b.jpg")):
            self.write((name,), PICTURES[number].ljust(SIZE, b"."))
        self.label(("b.jpg",), b"red")
        self.mkdir(("c d",))

    @rule(chance=st.integers(0, 15))
    def begin(self, chance: int) -> None:
        """Let another process go on, seldom."""
        if chance == 0:
            self.fs = self._begin_anew()

    @rule(path=PATHS, content=CONTENTS)
    def write(self, path: Path, content: bytes) -> None:
        """Make or overwrite a file."""

        def expected() -> None:
            above, name = find_above(self.tree, path)
            known = above.get(name)
            if isinstance(known, dict):
                raise IsADirectory
            above[name] = File(content, known.label if known else None)

        def done() -> None:
            self._change(path, lambda opened: self.fs.files.write(opened, content, 0), truncate=True)

        self.both(expected, done)

    @rule(path=PATHS, offset=OFFSETS)
    def patch(self, path: Path, offset: int) -> None:
        """Change a byte of a file."""

        def expected() -> None:
            file = find_file(self.tree, path)
            file.content = (file.content.ljust(offset, b"\0"))[:offset] + b"#" + file.content[offset + 1 :]

        def done() -> None:
            self._change(path, lambda opened: self.fs.files.write(opened, b"#", offset), truncate=False)

        self.both(expected, done)

    @rule(path=PATHS, size=OFFSETS)
    def truncate(self, path: Path, size: int) -> None:
        """Cut or lengthen a file."""

        def expected() -> None:
            file = find_file(self.tree, path)
            file.content = file.content[:size].ljust(size, b"\0")

        self.both(expected, lambda: self.fs.files.truncate_by_path(self._file(path), size))

    @rule(path=PATHS)
    def unlink(self, path: Path) -> None:
        """Remove a file."""

        def expected() -> None:
            find_file(self.tree, path)
            above, name = find_above(self.tree, path)
            del above[name]

        self.both(expected, lambda: self.fs.edits.remove(*self._above(path), time.time_ns(), ROOT))

    @rule(path=PATHS)
    def mkdir(self, path: Path) -> None:
        """Make a directory."""

        def expected() -> None:
            above, name = find_above(self.tree, path)
            if name in above:
                raise NameTaken
            above[name] = {}

        self.both(expected, lambda: self.fs.edits.make_directory(*self._above(path), Ownership()) and None)

    @rule(path=PATHS)
    def rmdir(self, path: Path) -> None:
        """Remove a directory."""

        def expected() -> None:
            above, name = find_above(self.tree, path)
            known = find(self.tree, path)
            if isinstance(known, File):
                raise NotADirectory
            if known:
                raise DirectoryNotEmpty
            del above[name]

        self.both(expected, lambda: self.fs.edits.remove_directory(*self._above(path), time.time_ns()))

    @rule(old=PATHS, new=PATHS, on_clash=st.sampled_from(OnClash))
    def move(self, old: Path, new: Path, on_clash: OnClash) -> None:
        """Rename anything, in each way; the kernel keeps a name from being renamed to itself."""
        if old != new:
            self.both(lambda: move(self.tree, old, new, on_clash), lambda: self._move(old, new, on_clash))

    @rule(path=PATHS, value=st.sampled_from([b"red", b"blue"]))
    def label(self, path: Path, value: bytes) -> None:
        """Label a file."""

        def expected() -> None:
            find_file(self.tree, path).label = value

        self.both(expected, lambda: self.fs.xattrs.set(self._file(path), LABEL, value))

    @rule(path=PATHS)
    def unlabel(self, path: Path) -> None:
        """Take the label off a file."""

        def expected() -> None:
            file = find_file(self.tree, path)
            if file.label is None:
                raise NoSuchAttribute
            file.label = None

        self.both(expected, lambda: self.fs.xattrs.remove(self._file(path), LABEL))

    @invariant()
    def both_are_alike(self) -> None:
        """Compare all names, kinds, contents and labels, by listing and by reading."""
        assert self._look(self.fs.root) == self.tree

    # The file system, by paths.
    def _find(self, path: Path) -> Node:
        node: Node = self.fs.root
        for name in path:
            if not isinstance(node, Directory):
                raise NotADirectory
            node = self.fs.tree.lookup(node, name)
        return node

    def _above(self, path: Path) -> tuple[Directory, str]:
        above = self._find(path[:-1])
        if not isinstance(above, Directory):
            raise NotADirectory
        return above, path[-1]

    def _file(self, path: Path) -> Entry | Draft:
        node = self._find(path)
        if not isinstance(node, Entry | Draft):
            raise IsADirectory
        return node

    def _change(self, path: Path, change: Callable[[OpenFile], object], *, truncate: bool) -> None:
        above, name = self._above(path)
        if truncate and self.fs.tree.find(above, name) is None:
            _, opened = self.fs.files.create(above, name, Ownership())
        else:
            opened = self.fs.files.open(self._file(path), writable=True, truncate=truncate)
        try:
            change(opened)
            self.fs.files.flush(opened)
        finally:
            self.fs.files.release(opened)

    def _move(self, old: Path, new: Path, on_clash: OnClash) -> None:
        (source, name), (target, new_name) = self._above(old), self._above(new)
        places = Place(directory=source, name=name), Place(directory=target, name=new_name)
        self.fs.moves.move(*places, on_clash, time.time_ns())

    def _look(self, directory: Directory) -> Tree:
        found: Tree = {}
        listing, place = self.fs.list_directory(directory), 0
        while rows := listing.read(place):
            for row in rows:
                node = row.node
                found[row.name] = self._look(node) if isinstance(node, Directory) else self._read(node, row.stat.size)
            place = rows[-1].after
        return found

    def _read(self, node: Node, size: int) -> File:
        assert isinstance(node, Entry | Draft)
        opened = self.fs.files.open(node, writable=False, truncate=False)
        content = self.fs.files.read(opened, size + 1, 0)
        self.fs.files.release(opened)
        assert len(content) == size
        labels = self.fs.xattrs.list(node)
        return File(content, self.fs.xattrs.get(node, LABEL) if LABEL in labels else None)


def outcome(work: Callable[[], object]) -> str:
    """Give `done`, or the name of the error that `work` raises."""
    try:
        work()
    except KoniferFsError as error:
        return type(error).__name__
    return "done"


# The model, by paths.
def find(tree: Tree, path: Path) -> File | Tree:
    found: File | Tree = tree
    for name in path:
        if isinstance(found, File):
            raise NotADirectory
        if name not in found:
            raise NoSuchName
        found = found[name]
    return found


def find_above(tree: Tree, path: Path) -> tuple[Tree, str]:
    above = find(tree, path[:-1])
    if isinstance(above, File):
        raise NotADirectory
    return above, path[-1]


def find_file(tree: Tree, path: Path) -> File:
    found = find(tree, path)
    if not isinstance(found, File):
        raise IsADirectory
    return found


def move(tree: Tree, old: Path, new: Path, on_clash: OnClash) -> None:
    (source, name), (target, new_name) = find_above(tree, old), find_above(tree, new)
    moving, there = find(tree, old), target.get(new_name)
    if on_clash is OnClash.REFUSE and there is not None:
        raise NameTaken
    if on_clash is OnClash.EXCHANGE and there is None:
        raise NoSuchName
    if list(new[: len(old)]) == list(old) or (on_clash is OnClash.EXCHANGE and list(old[: len(new)]) == list(new)):
        raise MoveIntoItself
    if on_clash is OnClash.EXCHANGE and there is not None:
        source[name], target[new_name] = there, moving
        return
    _replace(moving, there)
    del source[name]
    target[new_name] = moving


def _replace(moving: File | Tree, there: File | Tree | None) -> None:
    """Raise what rename(2) does; a file that takes another's place takes over its label where it has none."""
    if isinstance(there, dict) and isinstance(moving, File):
        raise IsADirectory
    if isinstance(there, File) and isinstance(moving, dict):
        raise NotADirectory
    if isinstance(there, dict) and there:
        raise DirectoryNotEmpty
    if isinstance(there, File) and isinstance(moving, File):
        moving.label = moving.label or there.label
