"""What handles on one file see of each other, and when what they wrote is stored."""

import errno
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.mounting import Mount
from tests.mount.saving import (
    COMMENT,
    annotate,
    annotations,
    eventually,
    failing,
    jpeg,
    list_objects,
    opened,
    run,
    state,
    tell,
    write_all,
)

CHANGED = jpeg(1).replace(COMMENT, b"written behind")


@pytest.fixture
def photo(place: Path) -> Path:
    """Where a photograph goes."""
    return place / "photo.jpg"


@pytest.mark.semantics("A file being written is at once visible on its mount with its true size")
def test_a_file_is_written_anywhere_and_seen_at_once(shared_mount: Mount, place: Path, photo: Path) -> None:
    content = jpeg(1, padding=60_000)
    with opened(photo) as writing:
        write_all(writing, content[40_000:], 40_000)
        assert [path.name for path in place.iterdir()] == ["photo.jpg"]
        assert photo.stat().st_size == len(content)
        write_all(writing, content[:20_000])
        os.truncate(writing, 40_000)
        assert photo.stat().st_size == 40_000
        assert photo.read_bytes() == content[:20_000] + bytes(20_000)
        with mmap.mmap(writing, 40_000) as mapped:
            mapped[20_000:] = content[20_000:40_000]
        with photo.open("ab") as appending:
            appending.write(content[40_000:])
        assert photo.read_bytes() == content
    tell(shared_mount, place, {"photo.jpg": content})


@pytest.mark.semantics("All handles on one file of a mount see the same bytes")
def test_handles_from_before_the_writing_see_it(place: Path, photo: Path) -> None:
    photo.write_bytes(jpeg(1))
    with opened(photo, os.O_RDONLY) as early, opened(photo) as writing, opened(photo, os.O_RDONLY) as late:
        assert os.pread(early, 1 << 20, 0) == jpeg(1)
        write_all(writing, CHANGED)
        assert [os.pread(handle, 1 << 20, 0) for handle in (early, writing, late)] == [CHANGED] * 3
        assert {os.fstat(handle).st_ino for handle in (early, writing, late)} == {photo.stat().st_ino}


def test_a_mapping_from_before_the_writing_sees_it(place: Path, photo: Path) -> None:
    photo.write_bytes(jpeg(1))
    with opened(photo, os.O_RDONLY) as early, mmap.mmap(early, 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == jpeg(1)
        with opened(photo) as writing:
            write_all(writing, CHANGED)
            assert mapped[:] == CHANGED


@pytest.mark.semantics("A close or fsync through the handle that changed a whole image")
def test_closing_stores_and_other_handles_commit_nothing(shared_mount: Mount, place: Path, photo: Path) -> None:
    with opened(photo) as writing:
        write_all(writing, jpeg(1))
        with opened(photo, os.O_RDONLY), opened(photo, os.O_WRONLY):
            pass
        assert state(photo) == "writing"
        os.fsync(writing)
        assert state(photo) == "ready"
        assert photo.stat().st_size == len(jpeg(1))
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


@pytest.mark.semantics("A later commit of the same opening replaces the earlier one")
def test_of_one_opening_the_last_commit_is_left(shared_mount: Mount, place: Path, photo: Path) -> None:
    with opened(photo) as writing:
        write_all(writing, jpeg(1))
        os.fsync(writing)
        os.setxattr(photo, "user.phone", b"Android")
        write_all(writing, CHANGED)
        os.close(os.dup(writing))
        write_all(writing, b"tail", len(CHANGED))
    tell(shared_mount, place, {"photo.jpg": CHANGED + b"tail"})
    assert annotations(photo) == {"user.phone": "Android"}


def test_an_inherited_handle_stores_when_the_child_ends(shared_mount: Mount, place: Path, photo: Path) -> None:
    with opened(photo) as writing:
        write_all(writing, jpeg(1))
        code = f"import os; os.write({writing}, b'tail'); os._exit(0)"
        os.lseek(writing, 0, os.SEEK_END)
        subprocess.run([sys.executable, "-c", code], pass_fds=[writing], check=True, timeout=60)
        assert state(photo) == "ready"
    tell(shared_mount, place, {"photo.jpg": jpeg(1) + b"tail"})


def test_a_child_of_a_program_that_writes_does_not_disturb_it(shared_mount: Mount, place: Path, photo: Path) -> None:
    with opened(photo) as writing:
        write_all(writing, jpeg(1)[:400])
        for _ in range(3):
            subprocess.run(["true"], pass_fds=[writing], check=True, timeout=60)
        write_all(writing, jpeg(1)[400:], 400)
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


@pytest.mark.semantics("What is written after the last flush")
def test_a_mapping_written_after_the_close_is_stored(shared_mount: Mount, place: Path, photo: Path) -> None:
    at = jpeg(1).index(COMMENT)
    with opened(photo) as writing:
        write_all(writing, jpeg(1))
        mapped = mmap.mmap(writing, 0)
    assert state(photo) == "ready"
    mapped[at : at + len(COMMENT)] = b"written behind"
    mapped.close()
    eventually(lambda: (photo.read_bytes(), state(photo)), (CHANGED, "ready"))
    eventually(lambda: [path.read_bytes() for path in list_objects(shared_mount, place)], [CHANGED])
    tell(shared_mount, place, {"photo.jpg": CHANGED})


def test_a_mapping_that_is_synchronised_is_stored_by_that(shared_mount: Mount, place: Path, photo: Path) -> None:
    photo.write_bytes(jpeg(1))
    at = jpeg(1).index(COMMENT)
    with opened(photo) as writing:
        mapped = mmap.mmap(writing, 0)
    with mapped:
        mapped[at : at + len(COMMENT)] = b"written behind"
        mapped.flush()
        assert [path.read_bytes() for path in list_objects(shared_mount, place)] == [CHANGED]
    tell(shared_mount, place, {"photo.jpg": CHANGED})


@pytest.mark.semantics("Opening an entry for writing and changing nothing uploads nothing")
def test_opening_for_writing_and_changing_nothing_uploads_nothing(
    shared_mount: Mount, place: Path, photo: Path
) -> None:
    photo.write_bytes(jpeg(1))
    before, when = tell(shared_mount, place, {"photo.jpg": jpeg(1)}), photo.stat()
    for flags in (os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_SYNC):
        with opened(photo, flags) as handle:
            os.fsync(handle)
    assert tell(shared_mount, place, {"photo.jpg": jpeg(1)}) == before
    assert photo.stat().st_mtime_ns == when.st_mtime_ns


@pytest.mark.semantics("An fsync of an image that is not whole")
def test_synchronising_a_part_is_no_failure(shared_mount: Mount, place: Path, photo: Path) -> None:
    with opened(photo) as writing:
        write_all(writing, jpeg(1)[:400])
        os.fsync(writing)
        os.fdatasync(writing)
        tell(shared_mount, place, {}, drafts={"photo.jpg": "incomplete"})
        write_all(writing, jpeg(1)[400:], 400)
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


@pytest.mark.semantics("Overwriting a file makes a new entry with a new id")
def test_overwriting_takes_over_what_the_file_was(shared_mount: Mount, place: Path, photo: Path) -> None:
    photo.write_bytes(jpeg(1))
    photo.chmod(0o640)
    os.setxattr(photo, "user.binary", b"\xff\0")
    said = annotate(photo)
    before, number = tell(shared_mount, place, {"photo.jpg": jpeg(1)})["photo.jpg"], photo.stat().st_ino
    (old_object,) = list_objects(shared_mount, place)
    photo.write_bytes(jpeg(2))
    after = tell(shared_mount, place, {"photo.jpg": jpeg(2)})["photo.jpg"]
    assert (after.entry_id, after.alt) == (1, said["user.xdg.comment"])
    assert after.asset_id != before.asset_id
    assert list_objects(shared_mount, place) != [old_object]
    assert os.getxattr(photo, "user.binary") == b"\xff\0"
    os.removexattr(photo, "user.binary")
    assert annotations(photo) == said
    assert (photo.stat().st_mode & 0o777, photo.stat().st_ino) == (0o640, number)


@pytest.mark.semantics("An entry that is removed, or replaced by a rename")
def test_what_is_gone_stays_readable_where_it_is_open(shared_mount: Mount, place: Path, photo: Path) -> None:
    big = jpeg(1) + os.urandom(1 << 20)
    for make_it_go in (photo.unlink, lambda: (place / "other.jpg").replace(photo)):
        photo.write_bytes(big)
        (place / "other.jpg").write_bytes(jpeg(2))
        with opened(photo, os.O_RDONLY) as reading:
            assert os.pread(reading, 10, 0) == big[:10]
            make_it_go()
            assert os.pread(reading, len(big), 0) == big
            assert os.fstat(reading).st_nlink == 0
            with failing(errno.EBADF):
                os.pwrite(reading, b"x", 0)
    tell(shared_mount, place, {"photo.jpg": jpeg(2)})


@pytest.mark.semantics("Truncating a file to the size that it has")
def test_truncating_to_the_same_size_stores_nothing(shared_mount: Mount, place: Path, photo: Path) -> None:
    photo.write_bytes(jpeg(1))
    before = tell(shared_mount, place, {"photo.jpg": jpeg(1)})
    os.truncate(photo, len(jpeg(1)))
    with opened(photo) as writing:
        os.ftruncate(writing, len(jpeg(1)))
    assert tell(shared_mount, place, {"photo.jpg": jpeg(1)}) == before


@pytest.mark.semantics("What is written through a handle on a file that was removed")
@pytest.mark.parametrize("described", [False, True])
def test_what_is_written_to_what_is_gone_goes_with_it(
    shared_mount: Mount, place: Path, photo: Path, described: bool
) -> None:
    for make_it_go in (photo.unlink, lambda: (place / "other.jpg").replace(photo)):
        photo.write_bytes(jpeg(1))
        (place / "other.jpg").write_bytes(jpeg(2))
        with opened(photo) as writing, opened(photo) as reading:
            if described:
                os.setxattr(photo, "user.xdg.comment", b"soon gone")
            make_it_go()
            left = {path.name: jpeg(2) for path in place.iterdir()}
            os.pwrite(writing, b"more", len(jpeg(1)))
            assert os.pread(reading, 1 << 20, 0) == jpeg(1) + b"more"
            assert os.fstat(reading).st_nlink == 0
            os.truncate(reading, 3)
            assert {path.name: path.read_bytes() for path in place.iterdir()} == left
        tell(shared_mount, place, left)


@pytest.mark.semantics("What is written through a handle on a file that was removed")
def test_writing_to_what_is_gone_makes_no_directory(place: Path) -> None:
    (place / "directory").mkdir()
    (place / "directory" / "photo.jpg").write_bytes(jpeg())
    with opened(place / "directory" / "photo.jpg") as writing:
        run("rm", "-r", place / "directory")
        os.pwrite(writing, b"more", len(jpeg()))
        assert not list(place.iterdir())
    assert not list(place.iterdir())


@pytest.mark.semantics("What is written through a handle on a file that was removed")
def test_writing_to_what_was_renamed_changes_it_where_it_is(shared_mount: Mount, place: Path, photo: Path) -> None:
    (place / "directory").mkdir()
    photo.write_bytes(jpeg())
    with opened(photo) as writing:
        photo.rename(place / "renamed.jpg")
        (place / "renamed.jpg").rename(place / "directory" / "moved.jpg")
        os.pwrite(writing, b"more", len(jpeg()))
    tell(shared_mount, place / "directory", {"moved.jpg": jpeg() + b"more"})
    assert [path.name for path in place.iterdir()] == ["directory"]


@pytest.mark.semantics("What is written through a handle on a file that was removed")
def test_what_was_set_since_it_was_opened_stays_when_it_is_written_to(
    shared_mount: Mount, place: Path, photo: Path, second_mount: Mount
) -> None:
    photo.write_bytes(jpeg())
    elsewhere = second_mount.path / place.name / photo.name
    eventually(elsewhere.exists, expected=True)
    for name in (photo, elsewhere):
        with opened(photo) as writing:
            name.chmod(0o600)
            os.chown(name, 7, 8)
            os.setxattr(name, "user.xdg.comment", str(name).encode())
            os.pwrite(writing, b"x", len(jpeg()))
            kept = os.fstat(writing)
            assert (kept.st_mode & 0o7777, kept.st_uid, kept.st_gid) == (0o600, 7, 8)
        kept = photo.stat()
        assert (kept.st_mode & 0o7777, kept.st_uid, kept.st_gid) == (0o600, 7, 8)
        assert os.getxattr(photo, "user.xdg.comment") == str(name).encode()
        photo.chmod(0o644)
        os.chown(photo, 0, 0)
    tell(shared_mount, place, {"photo.jpg": jpeg() + b"x"})


def test_a_draft_that_is_removed_can_still_be_written(shared_mount: Mount, place: Path, photo: Path) -> None:
    with opened(photo) as writing:
        write_all(writing, jpeg(1))
        photo.unlink()
        write_all(writing, b"anything")
        assert os.pread(writing, 8, 0) == b"anything"
        assert not list(place.iterdir())
    tell(shared_mount, place, {})
