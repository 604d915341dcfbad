"""Files that lose their names while they are open: what can still be asked and changed through the handles."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.mount.saving import jpeg, opened, write_all
from tests.posix.acting import ALICE, GROUP, PICTURE, as_root

pytestmark = as_root

KEPT: Final = pytest.mark.semantics("An entry that is removed, or replaced by a rename")


def made_before(photo: Path) -> int:
    photo.write_bytes(PICTURE)
    os.setxattr(photo, "user.place", b"here")
    return os.open(photo, os.O_RDWR)


def made_before_and_only_read(photo: Path) -> int:
    os.close(made_before(photo))
    return os.open(photo, os.O_RDONLY)


def changed_since(photo: Path) -> int:
    descriptor = made_before(photo)
    os.pwrite(descriptor, b"more", len(PICTURE))
    return descriptor


def being_made(photo: Path) -> int:
    descriptor = os.open(photo, os.O_RDWR | os.O_CREAT, 0o644)
    os.setxattr(descriptor, "user.place", b"here")
    write_all(descriptor, PICTURE)
    return descriptor


def being_made_and_synced(photo: Path) -> int:
    descriptor = being_made(photo)
    os.fsync(descriptor)
    return descriptor


def remove(photo: Path) -> None:
    photo.unlink()


def rename_and_remove(photo: Path) -> None:
    photo.rename(photo.with_name("other.jpg")).unlink()


def move_and_remove(photo: Path) -> None:
    (photo.parent.rename(photo.parent.with_name("moved")) / photo.name).unlink()


def rename_over(photo: Path) -> None:
    photo.with_name("new.jpg").write_bytes(jpeg(2))
    photo.with_name("new.jpg").rename(photo)


def rename_empty_over(photo: Path) -> None:
    photo.with_name("new.jpg").touch()
    photo.with_name("new.jpg").rename(photo)


@KEPT
@pytest.mark.parametrize("lose", [remove, rename_and_remove, move_and_remove, rename_over, rename_empty_over])
@pytest.mark.parametrize(
    "make", [made_before, made_before_and_only_read, changed_since, being_made, being_made_and_synced]
)
def test_a_file_without_a_name_is_described_as_before(
    place: Path, make: Callable[[Path], int], lose: Callable[[Path], None]
) -> None:
    (place / "in").mkdir()
    descriptor = make(place / "in" / "x.jpg")
    try:
        lose(place / "in" / "x.jpg")
        assert os.getxattr(descriptor, "user.place") == b"here"
        os.setxattr(descriptor, "user.seen", b"yes")
        assert sorted(os.listxattr(descriptor)) == ["user.place", "user.seen"]
        os.removexattr(descriptor, "user.place")
        assert os.listxattr(descriptor) == ["user.seen"]
        os.fchmod(descriptor, 0o640)
        os.chown(descriptor, ALICE, GROUP)
        os.utime(descriptor, ns=(5, 5))
        found = os.fstat(descriptor)
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns) == (0o640, ALICE, GROUP, 5)
        assert found.st_nlink == 0
        assert os.pread(descriptor, len(PICTURE), 0) == PICTURE
    finally:
        os.close(descriptor)


@pytest.mark.semantics("What is written through a handle on a file that was removed")
@pytest.mark.parametrize("lose", [remove, rename_and_remove, rename_over])
def test_what_was_set_by_name_is_kept_when_a_file_without_a_name_is_written(
    place: Path, lose: Callable[[Path], None]
) -> None:
    photo = place / "x.jpg"
    with opened(photo) as writing:
        write_all(writing, PICTURE)
    with opened(photo) as writing:
        photo.chmod(0o604)
        os.chown(photo, ALICE, GROUP)
        lose(photo)
        os.pwrite(writing, b"more", len(PICTURE))
        found = os.fstat(writing)
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o604, ALICE, GROUP)


@pytest.mark.semantics("Truncating a file to the size that it has")
@pytest.mark.parametrize("name", ["x.jpg", ".local"])
def test_truncating_to_the_same_size_moves_both_times(place: Path, name: str) -> None:
    file = place / name
    file.write_bytes(PICTURE if name == "x.jpg" else b"text")
    with opened(file) as writing:
        for truncated in (file, writing):
            before = file.stat()
            time.sleep(0.02)
            os.truncate(truncated, before.st_size)
            assert file.stat().st_mtime_ns > before.st_mtime_ns
            assert file.stat().st_ctime_ns > before.st_ctime_ns
    assert file.stat().st_size == before.st_size


@pytest.mark.semantics("A file's ctime moves with its bytes")
@pytest.mark.parametrize("name", ["x.jpg", ".local", "empty.jpg"])
@pytest.mark.parametrize("is_open", [True, False])
def test_every_change_of_a_file_moves_ctime(place: Path, name: str, is_open: bool) -> None:
    file = place / name
    content = {"x.jpg": PICTURE, ".local": b"text"}.get(name, b"")
    file.write_bytes(content)
    descriptor = os.open(file, os.O_RDWR)
    if is_open:
        os.pwrite(descriptor, content, 0)
    changes: list[Callable[[], object]] = [
        lambda: file.chmod(0o600), lambda: os.chown(file, ALICE, GROUP), lambda: os.utime(file, ns=(5, 5)),
        lambda: os.setxattr(file, "user.note", b"red"), lambda: os.removexattr(file, "user.note"),
        lambda: file.rename(file.with_name(f"{name}2")), lambda: file.with_name(f"{name}2").rename(file),
    ]  # fmt: skip
    for change in changes:
        before = os.fstat(descriptor).st_ctime_ns
        time.sleep(0.02)
        change()
        assert os.fstat(descriptor).st_ctime_ns > before
    os.close(descriptor)
