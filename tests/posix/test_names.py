"""Errnos of names and paths, whatever is asked of them."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.posix.acting import PICTURE, call, make_file

# Everything that takes a path; each begins with nothing there.
CALLS: Final[dict[str, Callable[[Path], Any]]] = {
    "stat": lambda path: path.lstat(),
    "open": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "create": lambda path: os.close(os.open(path, os.O_RDWR | os.O_CREAT)),
    "mkdir": lambda path: path.mkdir(),
    "rmdir": lambda path: path.rmdir(),
    "unlink": lambda path: path.unlink(),
    "symlink": lambda path: path.symlink_to("x"),
    "readlink": lambda path: path.readlink(),
    "chmod": lambda path: path.chmod(0o600),
    "chown": lambda path: os.chown(path, 0, 0),
    "truncate": lambda path: os.truncate(path, 10),
    "utime": os.utime,
    "rename": lambda path: path.rename(path.with_name("other")),
    "listxattr": os.listxattr,
}
MAKING: Final = {"create", "mkdir", "symlink"}
each_call = pytest.mark.parametrize("name", list(CALLS))


@each_call
def test_a_missing_name(place: Path, name: str) -> None:
    assert call(lambda: CALLS[name](place / "missing")) == ("OK" if name in MAKING else "ENOENT")


@each_call
def test_a_missing_directory_on_the_way(place: Path, name: str) -> None:
    assert call(lambda: CALLS[name](place / "missing" / "x")) == "ENOENT"


@each_call
def test_a_file_on_the_way(place: Path, name: str) -> None:
    make_file(place / "file.jpg")
    assert call(lambda: CALLS[name](place / "file.jpg" / "x")) == "ENOTDIR"


@each_call
def test_a_link_to_itself_on_the_way(place: Path, name: str) -> None:
    (place / "loop").symlink_to("loop")
    assert call(lambda: CALLS[name](place / "loop" / "x")) == "ELOOP"


@each_call
def test_the_longest_name_and_one_more(place: Path, name: str) -> None:
    assert call(lambda: CALLS[name](place / ("x" * 255))) == ("OK" if name in MAKING else "ENOENT")
    assert call(lambda: CALLS[name](place / ("x" * 256))) == "ENAMETOOLONG"


@each_call
def test_a_path_longer_than_any(place: Path, name: str) -> None:
    assert call(lambda: CALLS[name](place / "/".join(["x" * 200] * 25))) == "ENAMETOOLONG"


@each_call
def test_no_name_at_all(name: str) -> None:
    if name == "rename":
        assert call(lambda: os.rename("", "x")) == "ENOENT"  # noqa: PTH104
    else:
        assert call(lambda: CALLS[name](_Empty())) == "ENOENT"


class _Empty(Path().__class__):  # type: ignore[misc]
    """A path that is spelled as nothing."""

    def __fspath__(self) -> str:
        return ""

    def __str__(self) -> str:
        return ""


def test_a_trailing_slash_is_a_directorys(place: Path) -> None:
    make_file(place / "file.jpg")
    (place / "below").mkdir()
    assert call(lambda: os.stat(f"{place}/file.jpg/")) == "ENOTDIR"  # noqa: PTH116
    assert call(lambda: os.unlink(f"{place}/file.jpg/")) == "ENOTDIR"  # noqa: PTH108
    assert call(lambda: os.rmdir(f"{place}/below/")) == "OK"  # noqa: PTH106
    assert call(lambda: os.mkdir(f"{place}/below/")) == "OK"  # noqa: PTH102
    assert call(lambda: os.rename(f"{place}/below/", f"{place}/moved/")) == "OK"  # noqa: PTH104


def test_what_exists_is_not_made_again(place: Path) -> None:
    make_file(place / "file.jpg")
    (place / "below").mkdir()
    (place / "dangling").symlink_to("nowhere")
    for name in ("file.jpg", "below", "dangling"):
        path = place / name
        makers: list[Callable[[], Any]] = [
            path.mkdir, partial(path.symlink_to, "x"), partial(os.mknod, path),
            partial(os.open, path, os.O_CREAT | os.O_EXCL | os.O_WRONLY),
        ]  # fmt: skip
        assert [call(maker) for maker in makers] == ["EEXIST"] * 4
    assert (place / "file.jpg").read_bytes() == PICTURE


def test_the_wrong_kind(place: Path) -> None:
    make_file(place / "file.jpg")
    (place / "below").mkdir()
    (place / "link").symlink_to("below")
    assert call((place / "file.jpg").rmdir) == "ENOTDIR"
    assert call((place / "link").rmdir) == "ENOTDIR"
    assert call((place / "below").unlink) == "EISDIR"
    assert call((place / "file.jpg").readlink) == "EINVAL"
    assert call((place / "below").readlink) == "EINVAL"
    assert call(lambda: os.open(place / "below", os.O_WRONLY)) == "EISDIR"
    assert call(lambda: os.open(place / "file.jpg", os.O_RDONLY | os.O_DIRECTORY)) == "ENOTDIR"
    assert call(lambda: os.open(place / "link", os.O_RDONLY | os.O_NOFOLLOW)) == "ELOOP"
    assert call(lambda: os.truncate(place / "below", 0)) == "EISDIR"
    assert call(lambda: os.listdir(place / "file.jpg")) == "ENOTDIR"  # noqa: PTH208


def test_directories_that_are_not_empty_stay(place: Path) -> None:
    (place / "below" / "deeper").mkdir(parents=True)
    assert call((place / "below").rmdir) == "ENOTEMPTY"
    assert call(lambda: os.rmdir(f"{place}/below/.")) == "EINVAL"  # noqa: PTH106
    assert call(lambda: os.rmdir(f"{place}/below/deeper/..")) == "ENOTEMPTY"  # noqa: PTH106
    make_file(place / "below" / "deeper" / "file.jpg")
    assert call((place / "below" / "deeper").rmdir) == "ENOTEMPTY"


def test_a_link_holds_any_text_and_is_as_long_as_that(place: Path) -> None:
    for number, target in enumerate(["x", "../..", "é" * 100, "/" * 300, "x" * 4095]):
        link = place / str(number)
        os.symlink(target, link)  # noqa: PTH211
        assert (os.readlink(link), link.lstat().st_size) == (target, len(target.encode()))  # noqa: PTH115
    assert call(lambda: os.symlink("", place / "none")) == "ENOENT"  # noqa: PTH211
    assert call(lambda: os.symlink("x" * 4096, place / "long")) == "ENAMETOOLONG"  # noqa: PTH211
