"""Files that others are renamed over, or exchanged with, while both are open: what each handle and each name is on."""

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.mount.mounting import Mount
from tests.mount.renaming import EXCHANGE, rename_with
from tests.mount.saving import failing, jpeg, opened, tell

OLD: Final = jpeg(1)
NEW: Final = jpeg(2, padding=50_000)


def map_and_write(descriptor: int) -> None:
    with mmap.mmap(descriptor, len(OLD)) as mapped:
        mapped[-1:] = b"!"


def written_before_its_rename(place: Path) -> None:
    with opened(place / "new.jpg", os.O_WRONLY | os.O_CREAT) as writing:
        os.write(writing, NEW)
        (place / "new.jpg").rename(place / "photo.jpg")


def written_after_its_rename(place: Path) -> None:
    (place / "new.jpg").touch()
    (place / "new.jpg").rename(place / "photo.jpg")
    (place / "photo.jpg").write_bytes(NEW)


REPLACING = pytest.mark.parametrize("replace", [written_before_its_rename, written_after_its_rename])


@pytest.mark.semantics("What is written through a handle on a file that was removed")
@REPLACING
@pytest.mark.parametrize(
    "change",
    [
        lambda descriptor: os.pwrite(descriptor, b"!!!!", len(OLD) - 4),
        lambda descriptor: os.ftruncate(descriptor, 10),
        map_and_write,
    ],
)
def test_an_old_handle_does_no_harm_to_a_file_that_is_stored_after_its_rename(
    shared_mount: Mount, place: Path, replace: Callable[[Path], None], change: Callable[[int], object]
) -> None:
    (place / "photo.jpg").write_bytes(OLD)
    with opened(place / "photo.jpg") as old:
        replace(place)
        assert (place / "photo.jpg").read_bytes() == NEW
        found = os.fstat(old)
        assert (found.st_nlink, found.st_size) == (0, len(OLD))
        assert os.pread(old, len(NEW), 0) == OLD
        change(old)
        assert (place / "photo.jpg").read_bytes() == NEW
    tell(shared_mount, place, {"photo.jpg": NEW})


@pytest.mark.semantics("What one system call did, the next one sees")
@pytest.mark.parametrize("is_kept_open", [True, False])
def test_a_file_renamed_over_one_that_its_maker_has_open_is_what_is_seen(
    shared_mount: Mount, place: Path, is_kept_open: bool
) -> None:
    made = os.open(place / "photo.jpg", os.O_RDWR | os.O_CREAT)
    (place / "photo.jpg").write_bytes(OLD)
    if not is_kept_open:
        os.close(made)
    written_after_its_rename(place)
    assert (place / "photo.jpg").stat().st_size == len(NEW)
    assert (place / "photo.jpg").read_bytes() == NEW
    if is_kept_open:
        assert os.pread(made, len(NEW), 0) == OLD
        os.close(made)
    tell(shared_mount, place, {"photo.jpg": NEW})


@pytest.mark.semantics("A file renamed over an entry takes over its tags")
def test_a_file_that_is_stored_after_its_rename_takes_over_what_described_the_other(
    shared_mount: Mount, place: Path
) -> None:
    (place / "photo.jpg").write_bytes(OLD)
    said = {"user.xdg.comment": b"a tree", "user.binary": b"\xff\x00", "user.place": b"here"}
    for name, value in said.items():
        os.setxattr(place / "photo.jpg", name, value)
    written_before_its_rename(place)
    assert {name: os.getxattr(place / "photo.jpg", name) for name in said} == said
    tell(shared_mount, place, {"photo.jpg": NEW})


@pytest.mark.semantics("RENAME_NOREPLACE and RENAME_EXCHANGE hold")
@pytest.mark.parametrize("stored_first", [True, False])
def test_what_is_being_written_can_be_removed_after_an_exchange(
    shared_mount: Mount, place: Path, stored_first: bool
) -> None:
    stored, written = place / "stored.jpg", place / "written.jpg"
    stored.write_bytes(OLD)
    written.write_bytes(NEW)
    with opened(written) as writing:
        os.pwrite(writing, b"more", len(NEW))
        rename_with(EXCHANGE, *((stored, written) if stored_first else (written, stored)))
        assert (stored.stat().st_size, written.read_bytes()) == (len(NEW) + 4, OLD)
        stored.unlink()
        with failing(errno.ENOENT):
            stored.stat()
    tell(shared_mount, place, {"written.jpg": OLD})


@pytest.mark.semantics("What one system call did, the next one sees")
@pytest.mark.parametrize("name", ["photo.jpg", ".photo.jpg"])
@pytest.mark.parametrize("new", [NEW, OLD[:-2] + b"more\xff\xd9"])
def test_setting_times_and_modes_after_an_overwrite_tells_the_size_of_now(place: Path, name: str, new: bytes) -> None:
    photo = place / name
    changes: list[Callable[[], None]] = [lambda: photo.chmod(0o600), lambda: os.utime(photo, (1, 1))]
    for change in changes:
        photo.write_bytes(OLD)
        photo.write_bytes(new)
        change()
        assert photo.stat().st_size == len(new)
        photo.rename(place / "renamed.jpg")
        with opened(place / "renamed.jpg", os.O_WRONLY | os.O_APPEND) as appending:
            os.write(appending, b"tail")
        assert (place / "renamed.jpg").read_bytes() == new + b"tail"


@pytest.mark.semantics("RENAME_NOREPLACE and RENAME_EXCHANGE hold")
def test_what_is_being_changed_can_be_removed_after_an_exchange_with_what_is_new(
    shared_mount: Mount, place: Path
) -> None:
    new, changed = place / "new.jpg", place / "changed.jpg"
    changed.write_bytes(OLD)
    with opened(new, os.O_RDWR | os.O_CREAT) as making, opened(changed) as changing:
        os.write(making, NEW)
        os.pwrite(changing, b"more", len(OLD))
        rename_with(EXCHANGE, new, changed)
        new.unlink()
        assert [path.name for path in place.iterdir()] == ["changed.jpg"]
    tell(shared_mount, place, {"changed.jpg": NEW})


@pytest.mark.semantics("A file renamed over an entry takes over its tags")
def test_what_is_set_while_a_file_is_written_is_taken_over_by_what_is_renamed_over_it(
    shared_mount: Mount, place: Path
) -> None:
    (place / "photo.jpg").write_bytes(OLD)
    os.setxattr(place / "photo.jpg", "user.kept", b"before")
    os.setxattr(place / "photo.jpg", "user.gone", b"before")
    with opened(place / "photo.jpg") as writing:
        os.pwrite(writing, b"more", len(OLD))
        os.setxattr(place / "photo.jpg", "user.kept", b"now")
        os.removexattr(place / "photo.jpg", "user.gone")
        (place / "new.jpg").write_bytes(NEW)
        (place / "new.jpg").rename(place / "photo.jpg")
    assert os.getxattr(place / "photo.jpg", "user.kept") == b"now"
    assert os.listxattr(place / "photo.jpg") == ["user.kept"]
    tell(shared_mount, place, {"photo.jpg": NEW})


@pytest.mark.semantics("What one system call did, the next one sees")
def test_a_file_that_is_cut_by_path_has_the_size_it_was_cut_to(place: Path) -> None:
    """What is left is incomplete."""
    photo = place / "photo.jpg"
    photo.write_bytes(NEW)
    with failing(errno.EBADMSG):
        os.truncate(photo, 36)
    assert photo.stat().st_size == 36
    with failing(errno.EBADMSG), opened(photo, os.O_WRONLY | os.O_APPEND) as appending:
        assert os.fstat(appending).st_size == 36
        os.write(appending, b"tail")
    assert photo.read_bytes() == NEW[:36] + b"tail"
