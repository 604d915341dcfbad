"""The same random operations on two directories, a mount's and a local one, whose outcomes must be the same.

Names and contents are few, so that operations meet each other. Every content is a whole picture, before and after any
change, for a mount takes nothing else. Where docs/SEMANTICS.md promises something else than a local disk does, the
local directory is brought to it: a file renamed over another takes over its labels where it has none.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.mount.renaming import EXCHANGE, NOREPLACE, rename_with
from tests.mount.saving import jpeg

# So few that most combinations are met.
PLACES: Final = st.sampled_from(["a.jpg", "b.jpg", "c d", "é", "c d/a.jpg", "c d/é"])
# Bytes behind the end of a picture are kept as they are, and may be changed at will.
PADDING: Final = 300
PICTURES: Final = [jpeg(seed) for seed in range(5)]
SIZE: Final = max(map(len, PICTURES))
CONTENTS: Final = st.sampled_from(PICTURES).map(lambda picture: picture.ljust(SIZE + PADDING, b"."))
OFFSETS: Final = st.integers(SIZE, SIZE + PADDING)
LABEL: Final = "user.note"


@dataclass(slots=True)
class Handles:
    """A file that both sides have open, and whether for writing."""

    real: int
    local: int
    writable: bool


class TwoDirectories(RuleBasedStateMachine):
    """Does everything in `real` and in `local`; `remount` lets the mount be another process."""

    def __init__(self, real: Path, local: Path, remount: Callable[[], None]) -> None:
        super().__init__()
        self.real, self.local = real, local
        self._remount = remount
        self._open: list[Handles] = []

    def teardown(self) -> None:
        """Close what is open, and leave nothing."""
        self._close_all()
        shutil.rmtree(self.real)
        shutil.rmtree(self.local)

    def both(self, work: Callable[[Path], object]) -> bool:
        """Do `work` on both sides, which must end alike; gives whether it succeeded."""
        outcomes = [outcome(work, root) for root in (self.real, self.local)]
        assert outcomes[0] == outcomes[1]
        return isinstance(outcomes[0], tuple)

    @initialize()
    def fill(self) -> None:
        """Begin with something to rename and remove."""
        for number, name in enumerate(("a.jpg", "b.jpg")):
            self.write(name, PICTURES[number].ljust(SIZE, b"."))
        self.label("b.jpg", b"red")
        self.mkdir("c d")

    # Files.
    @rule(place=PLACES, content=CONTENTS)
    def write(self, place: str, content: bytes) -> None:
        """Make or overwrite a file."""
        self.both(lambda root: (root / place).write_bytes(content))

    @rule(place=PLACES, content=CONTENTS)
    def make(self, place: str, content: bytes) -> None:
        """Make a file that must not be there."""

        def work(root: Path) -> None:
            with (root / place).open("xb") as file:
                file.write(content)

        self.both(work)

    @rule(place=PLACES, offset=OFFSETS, length=st.integers(1, 50))
    def patch(self, place: str, offset: int, length: int) -> None:
        """Change a few bytes of a file."""

        def work(root: Path) -> None:
            with (root / place).open("r+b", buffering=0) as file:
                os.pwrite(file.fileno(), b"#" * length, offset)

        self.both(work)

    @rule(place=PLACES, content=st.binary(min_size=1, max_size=40))
    def append(self, place: str, content: bytes) -> None:
        """Lengthen a file that is there."""

        def work(root: Path) -> None:
            descriptor = os.open(root / place, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, content)
            finally:
                os.close(descriptor)

        self.both(work)

    @rule(place=PLACES, size=OFFSETS)
    def truncate(self, place: str, size: int) -> None:
        """Cut or lengthen a file by its path."""
        self.both(lambda root: os.truncate(root / place, size))

    @rule(place=PLACES)
    def unlink(self, place: str) -> None:
        """Remove a file or symlink."""
        self.both(lambda root: (root / place).unlink())

    # Handles.
    @precondition(lambda self: len(self._open) < 4)
    @rule(place=PLACES, writable=st.booleans())
    def open(self, place: str, writable: bool) -> None:
        """Open a file, to be used later."""
        descriptors: list[int] = []
        flags = os.O_RDWR if writable else os.O_RDONLY
        if self.both(lambda root: descriptors.append(os.open(root / place, flags | os.O_NOFOLLOW))):
            self._open.append(Handles(descriptors[0], descriptors[1], writable))

    @precondition(lambda self: bool(self._open))
    @rule(which=st.integers(0, 3), offset=OFFSETS)
    def use(self, which: int, offset: int) -> None:
        """Read an open file, after writing to it if it is open for that."""
        handles = self._open[which % len(self._open)]
        is_file = stat.S_ISREG(os.fstat(handles.local).st_mode)
        if handles.writable and is_file:
            for descriptor in (handles.real, handles.local):
                os.pwrite(descriptor, b"=", offset)
        if is_file:
            assert os.pread(handles.real, 1 << 20, 0) == os.pread(handles.local, 1 << 20, 0)
            assert os.fstat(handles.real).st_size == os.fstat(handles.local).st_size

    @precondition(lambda self: bool(self._open))
    @rule(which=st.integers(0, 3))
    def close(self, which: int) -> None:
        """Close an open file."""
        handles = self._open.pop(which % len(self._open))
        os.close(handles.real)
        os.close(handles.local)

    # Directories and links.
    @rule(place=PLACES)
    def mkdir(self, place: str) -> None:
        """Make a directory."""
        self.both(lambda root: (root / place).mkdir())

    @rule(place=PLACES)
    def rmdir(self, place: str) -> None:
        """Remove a directory."""
        self.both(lambda root: (root / place).rmdir())

    @rule(place=PLACES, to=st.sampled_from(["a.jpg", "../b.jpg", "nowhere", "/absolute"]))
    def symlink(self, place: str, to: str) -> None:
        """Make a symbolic link."""
        self.both(lambda root: (root / place).symlink_to(to))

    @rule(old=PLACES, new=PLACES, flags=st.sampled_from([0, 0, NOREPLACE, EXCHANGE]))
    def rename(self, old: str, new: str, flags: int) -> None:
        """Rename anything, in each way."""
        inherited = label_of(self.local / new)
        replaces = flags == 0 and all(is_file(self.local / place) for place in (old, new)) and old != new
        done = self.both(lambda root: rename_with(flags, root / old, root / new))
        if done and replaces and inherited and not label_of(self.local / new):
            os.setxattr(self.local / new, LABEL, inherited)

    # Attributes.
    @rule(place=PLACES, mode=st.sampled_from([0o600, 0o644, 0o755, 0o444]))
    def chmod(self, place: str, mode: int) -> None:
        """Set permissions; a link is followed."""
        self.both(lambda root: (root / place).chmod(mode))

    @rule(place=PLACES, seconds=st.integers(-10, 2_000_000_000))
    def utime(self, place: str, seconds: int) -> None:
        """Set the time of a file, which must be kept."""
        when = (seconds * 10**9, seconds * 10**9 + 123)
        self.both(lambda root: os.utime(root / place, ns=when, follow_symlinks=False))
        self.both(lambda root: (root / place).lstat().st_mtime_ns)

    @rule(place=PLACES, value=st.sampled_from([b"red", "grün".encode()]))
    def label(self, place: str, value: bytes) -> None:
        """Set an extended attribute."""
        self.both(lambda root: os.setxattr(root / place, LABEL, value, follow_symlinks=False))

    @rule(place=PLACES)
    def unlabel(self, place: str) -> None:
        """Remove an extended attribute."""
        self.both(lambda root: os.removexattr(root / place, LABEL, follow_symlinks=False))

    @rule(chance=st.integers(0, 40))
    def remount(self, chance: int) -> None:
        """Let another process go on, which nothing is open in; seldom, for that takes a second."""
        if chance == 0:
            self._close_all()
            self._remount()

    def _close_all(self) -> None:
        while self._open:
            self.close(0)

    @invariant()
    def both_look_alike(self) -> None:
        """Compare all names, kinds, contents, permissions, labels and targets."""
        assert look(self.real) == look(self.local)


def outcome(work: Callable[[Path], object], root: Path) -> tuple[object] | str:
    """Give what `work` gives, or the name of the errno that it fails with."""
    try:
        return (work(root),)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def label_of(path: Path) -> bytes | None:
    try:
        return os.getxattr(path, LABEL, follow_symlinks=False)
    except OSError:
        return None


def look(root: Path) -> dict[str, tuple[object, ...]]:
    """Give all that lies below a directory, by its path there."""
    return {str(path.relative_to(root)): describe(path) for path in sorted(root.rglob("*"))}


def describe(path: Path) -> tuple[object, ...]:
    facts = path.lstat()
    if path.is_symlink():
        return ("link", path.readlink())
    if path.is_dir():
        return ("directory", oct(facts.st_mode), label_of(path))
    return ("file", oct(facts.st_mode), facts.st_size, path.read_bytes(), label_of(path))
