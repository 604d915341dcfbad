"""Opening, reading and writing a file that another mount has replaced."""

import os
import time
from contextlib import ExitStack
from errno import EIO, EMEDIUMTYPE, ESTALE
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, names, object_of, rows_below, wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import eventually, failing, opened
from tests.pictures import make_picture
from tests.servers import S3Server

PICTURES: Final = [PICTURE, *(make_picture(ImageFormat.PNG, seed=seed) for seed in range(3))]
A_MOMENT: Final = 0.5
REPLACED = pytest.mark.semantics("A file that was replaced elsewhere is opened as what it is now")


@REPLACED
@pytest.mark.parametrize("object_store", ["filesystem", "moto"])
@pytest.mark.parametrize("way", ["overwritten", "renamed over", "removed and made anew"])
def test_a_file_that_was_replaced_elsewhere_is_opened_as_what_it_is(
    mounted: MountFactory, object_store: str, way: str
) -> None:
    """The kernel still has the old entry's attributes and pages; nothing is waited for."""
    here, there = mounted(object_store), mounted(object_store)
    file = here.path / "file"
    (there.path / "file").write_bytes(PICTURES[0])
    for content in PICTURES[1:]:
        wait_until(file.exists)
        file.read_bytes()
        if way == "overwritten":
            (there.path / "file").write_bytes(content)
        elif way == "renamed over":
            (there.path / ".new").write_bytes(content)
            (there.path / ".new").rename(there.path / "file")
        else:
            (there.path / "file").unlink()
            (there.path / "file").write_bytes(content)
        assert file.read_bytes() == content


@REPLACED
@pytest.mark.parametrize("object_store", ["filesystem", "moto"])
@pytest.mark.parametrize("shrinks", [False, True])
def test_open_handles_read_each_their_own_bytes_of_a_file_that_is_replaced_elsewhere(
    mounted: MountFactory, object_store: str, *, shrinks: bool
) -> None:
    here, there = mounted(object_store), mounted(object_store)
    contents = [make_picture(ImageFormat.PNG, (200, 200), seed=seed) for seed in range(3)]
    contents.sort(key=len, reverse=shrinks)
    (there.path / "file").write_bytes(contents[0])
    wait_until((here.path / "file").exists)
    with ExitStack() as stack:
        handles = [stack.enter_context((here.path / "file").open("rb", buffering=0))]
        assert handles[0].read(10) == contents[0][:10]
        for content in contents[1:]:
            (there.path / "file").write_bytes(content)
            eventually(lambda: (here.path / "file").stat().st_size, len(content))
            handles.append(stack.enter_context((here.path / "file").open("rb", buffering=0)))
            assert handles[-1].read(10) == content[:10]
        for handle, content in [*zip(handles, contents, strict=True)] * 2:
            assert os.fstat(handle.fileno()).st_size == len(content)
            with mmap(handle.fileno(), 0, access=ACCESS_READ) as mapped:
                assert mapped[:] == content
            handle.seek(0)
            assert handle.read(len(content) + 1) == content
        assert (here.path / "file").stat().st_size == len(contents[-1])
    assert (here.path / "file").read_bytes() == contents[-1]


@REPLACED
def test_writing_a_file_that_was_replaced_elsewhere_leaves_those_that_read_the_old_one(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (there.path / "file").write_bytes(PICTURES[0])
    wait_until((here.path / "file").exists)
    with (here.path / "file").open("rb", buffering=0) as old:
        assert old.read(10) == PICTURES[0][:10]
        (there.path / "file").write_bytes(PICTURES[1])
        with (here.path / "file").open("rb+", buffering=0) as new:
            new.seek(0, os.SEEK_END)
            new.write(b"more")
            assert old.read() == PICTURES[0][10:]
            new.seek(0)
            assert new.read() == PICTURES[1] + b"more"
    for mount in (here, there):
        assert (mount.path / "file").read_bytes() == PICTURES[1] + b"more"


@REPLACED
def test_readers_of_what_was_written_here_do_not_hide_what_was_written_elsewhere(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    with (here.path / "file").open("wb", buffering=0) as writing:
        writing.write(PICTURES[0])
        reading = (here.path / "file").open("rb", buffering=0)
    with reading:
        wait_until((there.path / "file").exists)
        (there.path / "file").write_bytes(PICTURES[1])
        assert (here.path / "file").read_bytes() == PICTURES[1]
        time.sleep(A_MOMENT)
        assert reading.read() == PICTURES[0]
    assert (here.path / "file").read_bytes() == PICTURES[1]


def test_a_reader_that_closes_late_takes_no_newer_draft_with_it(place: Path) -> None:
    """What it read was refused, and has gone from under the name that is used again."""
    file = place / "file"
    writing = os.open(file, os.O_CREAT | os.O_RDWR)
    with file.open("rb"):
        with failing(EMEDIUMTYPE):
            os.write(writing, b"no image")
        with failing(EMEDIUMTYPE):
            os.close(writing)
        wait_until(lambda: names(place) == [])
        file.touch()
        assert names(place) == ["file"]
    (place / "other").touch()  # The daemon is told of this after it was told that the reader is gone.
    assert names(place) == ["file", "other"]
    file.write_bytes(PICTURE)
    assert file.read_bytes() == PICTURE


@REPLACED
def test_what_had_not_come_of_a_file_that_is_removed_elsewhere_is_an_error_and_nothing_else(
    mounted: MountFactory, s3_server: dict[str, S3Server]
) -> None:
    here, there = mounted("moto"), mounted("moto")
    (there.path / "file").write_bytes(PICTURE + bytes(8 << 20))
    (row,) = rows_below(there, there.path)
    wait_until((here.path / "file").exists)
    with (here.path / "file").open("rb", buffering=0) as opened:
        assert opened.read(10) == PICTURE[:10]
        (there.path / "file").unlink()
        wait_until(lambda: row.key not in s3_server["moto"].list_keys(row.bucket))
        with failing(EIO):
            os.pread(opened.fileno(), 10, 6 << 20)
        assert os.pread(opened.fileno(), 10, 10) == PICTURE[10:20]


@pytest.mark.semantics("An entry that is removed, or replaced by a rename")
@pytest.mark.parametrize("is_removed_elsewhere", [True, False])
def test_what_is_open_is_changed_though_it_is_removed_and_another_mount_has_deleted_its_object(
    shared_mount: Mount, place: Path, second_mount: Mount, *, is_removed_elsewhere: bool
) -> None:
    file = place / "file"
    file.write_bytes(PICTURE)
    os.setxattr(file, "user.place", b"here")
    (row,) = rows_below(shared_mount, place)
    with opened(file) as handle:
        (second_mount.path / place.name / "file" if is_removed_elsewhere else file).unlink()
        wait_until(lambda: not object_of(shared_mount, row).exists())
        wait_until(lambda: names(place) == [])
        os.fchmod(handle, 0o604)
        assert os.fstat(handle).st_mode & 0o777 == 0o604
        if is_removed_elsewhere:
            for ask in (os.listxattr, lambda on: os.setxattr(on, "user.place", b"there")):
                with failing(ESTALE):
                    ask(handle)
        else:
            assert os.getxattr(handle, "user.place") == b"here"
        assert os.pwrite(handle, b"more", len(PICTURE)) == 4
        assert os.pread(handle, len(PICTURE) + 4, 0) == PICTURE + b"more"
    assert names(place) == []
