"""rename(2): what may take the place of what, and what it says when it may not."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.mount.renaming import EXCHANGE, NOREPLACE, rename_with
from tests.posix.acting import ALICE, BOB, as_root, call, call_as, make_directory, make_file

KINDS: Final = ("file", "link", "empty", "full", "missing")
# What renaming a kind over another comes to.
REPLACING: Final = {
    ("file", "empty"): "EISDIR", ("file", "full"): "EISDIR",
    ("link", "empty"): "EISDIR", ("link", "full"): "EISDIR",
    ("empty", "file"): "ENOTDIR", ("empty", "link"): "ENOTDIR", ("empty", "full"): "ENOTEMPTY",
    ("full", "file"): "ENOTDIR", ("full", "link"): "ENOTDIR", ("full", "full"): "ENOTEMPTY",
    **{("missing", kind): "ENOENT" for kind in KINDS},
}  # fmt: skip


def make(path: Path, kind: str) -> int | None:
    """Make something of a kind; gives its inode number."""
    if kind == "missing":
        return None
    if kind == "file":
        make_file(path)
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        path.mkdir()
    if kind == "full":
        make_file(path / "x.jpg")
    return path.lstat().st_ino


@pytest.mark.parametrize("flags", [0, NOREPLACE, EXCHANGE])
@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("old", KINDS)
@pytest.mark.parametrize("across", [False, True])
def test_what_takes_whose_place(place: Path, old: str, new: str, flags: int, across: bool) -> None:
    source, target = place / "source", place / "below" / "target" if across else place / "target"
    target.parent.mkdir(exist_ok=True)
    numbers = make(source, old), make(target, new)
    expected = REPLACING.get((old, new), "OK")
    if flags == NOREPLACE and old != "missing" and new != "missing":
        expected = "EEXIST"
    elif flags == NOREPLACE and old == "missing" and new != "missing":
        expected = "EEXIST" if call(lambda: rename_with(flags, source, target)) == "EEXIST" else "ENOENT"
    elif flags == EXCHANGE:
        expected = "ENOENT" if "missing" in {old, new} else "OK"
    assert call(lambda: rename_with(flags, source, target)) == expected
    found = tuple(path.lstat().st_ino if os.path.lexists(path) else None for path in (source, target))
    if expected != "OK":
        assert found == numbers
    elif flags == EXCHANGE:
        assert found == (numbers[1], numbers[0])
    else:
        assert found == (None, numbers[0])


def test_a_directory_does_not_go_into_itself(place: Path) -> None:
    (place / "a" / "b" / "c").mkdir(parents=True)
    assert call(lambda: (place / "a").rename(place / "a" / "b" / "c" / "d")) == "EINVAL"
    assert call(lambda: (place / "a").rename(place / "a" / "x")) == "EINVAL"
    assert call(lambda: (place / "a" / "b" / "c").rename(place / "a")) == "ENOTEMPTY"
    assert call(lambda: rename_with(EXCHANGE, place / "a", place / "a" / "b")) == "EINVAL"
    assert call(lambda: (place / "a").rename(place / "a")) == "OK"
    assert (place / "a" / "b" / "c").is_dir()


def test_dots_cannot_be_renamed(place: Path) -> None:
    (place / "a").mkdir()
    assert call(lambda: os.rename(f"{place}/a/.", place / "b")) in {"EBUSY", "EINVAL"}  # noqa: PTH104
    assert call(lambda: os.rename(place / "a", f"{place}/a/..")) in {"EBUSY", "EINVAL", "ENOTEMPTY"}  # noqa: PTH104


def test_times_move_where_names_do(place: Path) -> None:
    source, target = make_directory(place / "from"), make_directory(place / "to")
    photo = make_file(source / "a.jpg")
    os.utime(photo, ns=(1, 1))
    for path in (source, target):
        os.utime(path, ns=(1, 1))
    photo.rename(target / "b.jpg")
    assert (target / "b.jpg").stat().st_mtime_ns == 1
    assert min(source.stat().st_mtime_ns, target.stat().st_mtime_ns) > 1


@as_root
@pytest.mark.parametrize("who", [ALICE, BOB])
def test_in_a_sticky_directory_names_are_their_owners(place: Path, who: int) -> None:
    sticky = make_directory(place / "sticky", 0o1777)
    make_file(sticky / "alices.jpg", owner=ALICE)
    make_file(sticky / "other.jpg", owner=ALICE)
    make_directory(sticky / "below", owner=ALICE)
    expected = "OK" if who == ALICE else "EPERM"
    make_file(place / "mine.jpg", owner=who)
    attempts = [
        lambda: (sticky / "alices.jpg").rename(sticky / "renamed.jpg"),
        (sticky / "below").rmdir,
        (sticky / "other.jpg").unlink,
    ]
    assert [call_as(who, attempt) for attempt in attempts] == [expected] * 3


@as_root
def test_the_owner_of_a_sticky_directory_may_remove_all(place: Path) -> None:
    sticky = make_directory(place / "sticky", 0o1777, owner=BOB)
    make_file(sticky / "alices.jpg", owner=ALICE)
    assert call_as(BOB, (sticky / "alices.jpg").unlink) == "OK"


@as_root
def test_renaming_needs_both_directories(place: Path) -> None:
    closed, opened = make_directory(place / "closed", 0o555, owner=ALICE), make_directory(place / "opened", owner=ALICE)
    make_file(closed / "a.jpg", owner=ALICE)
    make_file(opened / "b.jpg", owner=ALICE)
    assert call_as(ALICE, lambda: (closed / "a.jpg").rename(opened / "a.jpg")) == "EACCES"
    assert call_as(ALICE, lambda: (opened / "b.jpg").rename(closed / "b.jpg")) == "EACCES"
    assert call_as(BOB, lambda: (opened / "b.jpg").rename(opened / "c.jpg")) == "EACCES"
    assert call_as(ALICE, lambda: (opened / "b.jpg").rename(opened / "c.jpg")) == "OK"
