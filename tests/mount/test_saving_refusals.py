"""What is refused when it is written or closed, what the caller is told, and that everything is as it was."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import (
    annotate,
    annotations,
    eventually,
    failing,
    jpeg,
    run,
    shell,
    spool_files,
    state,
    tell,
    write_all,
)
from tests.pictures import make_picture

LIMIT = 20_000
PNG = make_picture(ImageFormat.PNG)
Write = Callable[[int, bytes, int], int]


@pytest.fixture
def writing(place: Path) -> Iterator[int]:
    """A handle that writes to the new file `photo.jpg`."""
    descriptor = os.open(place / "photo.jpg", os.O_RDWR | os.O_CREAT, 0o644)
    yield descriptor
    with suppress(OSError):
        os.close(descriptor)


TEXTS = {
    "text": b"hello\n",
    "bmp": b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0",
    "tiff": b"II*\0\x08\0\0\0",
    "mp4": b"\0\0\0\x20ftypisom",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}


def open_refused(photo: Path, before: bytes | None) -> int:
    """Make a file, or overwrite what held the bytes `before`, by a write that is refused; gives the handle."""
    if before is not None:
        photo.write_bytes(before)
    refused = os.open(photo, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    with failing(errno.EMEDIUMTYPE):
        os.write(refused, b"hello\n")
    return refused


@pytest.mark.semantics("A first write whose bytes cannot begin any of the seven formats")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_cannot_begin_an_image_is_refused_at_the_first_write(
    shared_mount: Mount, place: Path, writing: int, text: bytes
) -> None:
    with failing(errno.EMEDIUMTYPE):
        os.write(writing, text)
    with failing(errno.EMEDIUMTYPE):
        os.pwrite(writing, jpeg(1), 0)
    with failing(errno.EMEDIUMTYPE):
        os.fsync(writing)
    with failing(errno.EMEDIUMTYPE):
        os.close(writing)
    tell(shared_mount, place, {})


def test_the_log_tells_of_each_call_that_was_refused_and_of_no_other(shared_mount: Mount, place: Path) -> None:
    name = f"{uuid4()}.tiff"
    with (place / name).open("wb", buffering=0) as writing:
        with failing(errno.EMEDIUMTYPE):
            writing.write(TEXTS["tiff"])
        with failing(errno.EMEDIUMTYPE):
            writing.close()
    (place / "next").touch()  # It has been released by then.
    told = [line for line in shared_mount.log().splitlines() if name in line]
    assert [line.partition('message="')[2].split()[0] for line in told] == ["write", "flush"]


@pytest.mark.semantics("Mode, owner, times and extended attributes can be set through a handle on what was refused")
@pytest.mark.parametrize("before", [None, jpeg(1)], ids=["new", "overwritten"])
def test_only_the_bytes_of_what_was_refused_are(shared_mount: Mount, place: Path, before: bytes | None) -> None:
    photo = place / "photo.jpg"
    refused = open_refused(photo, before)
    os.fchmod(refused, 0o600)
    os.fchown(refused, 1, 2)
    os.utime(refused, ns=(0, 5))
    os.setxattr(refused, "user.team", b"red")
    assert (os.listxattr(refused), os.getxattr(refused, "user.team")) == (["user.team"], b"red")
    found = os.fstat(refused)
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_mtime_ns) == (0o600, 1, 2, 5)
    assert found.st_nlink == (0 if before is None else 1)
    with failing(errno.EMEDIUMTYPE):
        os.ftruncate(refused, 3)
    with failing(errno.EMEDIUMTYPE):
        os.close(refused)
    tell(shared_mount, place, {} if before is None else {"photo.jpg": before})
    if before is not None:
        assert (photo.stat().st_uid, annotations(photo)) == (1, {"user.team": "red"})


@pytest.mark.semantics("Mode, owner, times and extended attributes can be set through a handle on what was refused")
def test_tar_says_of_a_text_only_that_it_cannot_be_written(shared_mount: Mount, place: Path, tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_bytes(b"hello\n")
    run("tar", "-cf", "a.tar", "readme.txt", cwd=tmp_path)
    said = run("tar", "-xpf", tmp_path / "a.tar", cwd=place, code=2).stderr.decode()
    assert "Stale" not in said
    assert "readme.txt: Cannot write: Wrong medium type" in said
    tell(shared_mount, place, {})


def test_what_is_refused_is_gone_for_others_before_its_last_reader(
    shared_mount: Mount, place: Path, writing: int
) -> None:
    with (place / "photo.jpg").open("rb") as reading:
        with failing(errno.EMEDIUMTYPE):
            os.write(writing, b"hello\n")
        with failing(errno.EMEDIUMTYPE):
            os.close(writing)
        eventually(lambda: any(place.iterdir()), expected=False)
        assert not reading.read()
    tell(shared_mount, place, {})


@pytest.mark.parametrize("image_format", ImageFormat)
def test_every_format_is_stored_however_its_bytes_come(
    shared_mount: Mount, place: Path, image_format: ImageFormat
) -> None:
    content = make_picture(image_format)
    name = f"photo{image_format.extension}"
    with (place / name).open("wb", buffering=0) as stream:
        for at in range(40):
            stream.write(content[at : at + 1])
        stream.write(content[40:])
    tell(shared_mount, place, {name: content})


def test_a_header_that_is_written_last_is_no_harm(shared_mount: Mount, place: Path, writing: int) -> None:
    write_all(writing, bytes(64) + jpeg(1)[64:])
    with failing(errno.EBADMSG):
        os.close(os.dup(writing))
    write_all(writing, jpeg(1)[:64])
    os.close(writing)
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


@pytest.fixture
def limited(mounted: MountFactory) -> Mount:
    """A mount that takes 20,000 bytes at most, and only PNG in `only-png`."""
    mount = mounted(
        config=f'source.multipart.max-bytes = {LIMIT}\npaths."/only-png".allowed-content-types = ["image/png"]'
    )
    (mount.path / "only-png").mkdir()
    return mount


@pytest.mark.semantics("Content of a type that is not one of the seven, or that the path does not allow")
def test_what_is_over_a_limit_or_not_allowed_leaves_everything_as_it_was(limited: Mount) -> None:
    place, allowed = limited.path, limited.path / "only-png"
    (place / "photo.jpg").write_bytes(jpeg(1))
    (allowed / "photo.png").write_bytes(PNG)
    said = annotate(place / "photo.jpg")
    for file, content, number in [
        (place / "photo.jpg", jpeg(1) + bytes(LIMIT), errno.EFBIG),
        (place / "new.jpg", jpeg(1) + bytes(LIMIT), errno.EFBIG),
        (allowed / "photo.png", jpeg(1), errno.EMEDIUMTYPE),
        (allowed / "photo.jpg", jpeg(1), errno.EMEDIUMTYPE),
    ]:
        with failing(number):
            file.write_bytes(content)
    tell(limited, place, {"photo.jpg": jpeg(1)})
    tell(limited, allowed, {"photo.png": PNG})
    assert annotations(place / "photo.jpg") == said


def test_the_limit_is_the_last_byte_that_is_taken(limited: Mount) -> None:
    whole = jpeg(1).ljust(LIMIT, b"\0")
    (limited.path / "photo.jpg").write_bytes(whole)
    with failing(errno.EFBIG):
        os.truncate(limited.path / "photo.jpg", LIMIT + 1)
    with failing(errno.EFBIG), (limited.path / "photo.jpg").open("ab") as stream:
        stream.write(b"x")
    tell(limited, limited.path, {"photo.jpg": whole})


def test_a_local_file_is_held_to_no_upload_limit(limited: Mount) -> None:
    (limited.path / ".cache").write_bytes(b"text" * LIMIT)
    with failing(errno.EFBIG):
        (limited.path / ".cache").rename(limited.path / "cache.jpg")
    (limited.path / ".big").write_bytes(jpeg(1) + bytes(LIMIT))
    with failing(errno.EFBIG):
        (limited.path / ".big").rename(limited.path / "big.jpg")
    tell(limited, limited.path, {}, drafts={".cache": "local", ".big": "local"})


WHOLE = pytest.mark.semantics("An image is whole when its container is complete")


@WHOLE
def test_bytes_after_the_end_are_kept(shared_mount: Mount, place: Path) -> None:
    box = b"\0\0\0\x10freetrailing"
    files = {f"photo{image_format.extension}": make_picture(image_format) + box for image_format in ImageFormat}
    for name, content in files.items():
        (place / name).write_bytes(content)
    tell(shared_mount, place, files)


@WHOLE
@pytest.mark.parametrize("image_format", ImageFormat)
def test_a_picture_is_whole_with_its_last_byte(shared_mount: Mount, place: Path, image_format: ImageFormat) -> None:
    content = make_picture(image_format)
    with failing(errno.EBADMSG):
        (place / "photo").write_bytes(content[:-1])
    tell(shared_mount, place, {}, drafts={"photo": "incomplete"})
    with (place / "photo").open("ab") as stream:
        stream.write(content[-1:])
    tell(shared_mount, place, {"photo": content})


@WHOLE
@pytest.mark.parametrize("image_format", ImageFormat)
def test_a_picture_without_its_end_is_not_whole(shared_mount: Mount, place: Path, image_format: ImageFormat) -> None:
    content = make_picture(image_format)
    with failing(errno.EBADMSG):
        (place / "photo").write_bytes(content[: len(content) * 2 // 3])
    tell(shared_mount, place, {}, drafts={"photo": "incomplete"})


@pytest.mark.semantics("An empty file closes with 0 and stays a draft")
def test_an_empty_file_waits_for_its_picture(shared_mount: Mount, place: Path) -> None:
    shell("touch photo.jpg", place)
    assert state(place / "photo.jpg") == "incomplete"
    tell(shared_mount, place, {}, drafts={"photo.jpg": "incomplete"})
    os.utime(place / "photo.jpg", ns=(0, 1_000_000_000))
    assert (place / "photo.jpg").stat().st_mtime_ns == 1_000_000_000
    annotate(place / "photo.jpg")
    (place / "photo.jpg").write_bytes(jpeg(1))
    assert state(place / "photo.jpg") == "ready"
    assert tell(shared_mount, place, {"photo.jpg": jpeg(1)})["photo.jpg"].alt == "A tree in the desert"


def test_an_incomplete_picture_is_kept_and_can_be_finished(shared_mount: Mount, place: Path) -> None:
    with failing(errno.EBADMSG):
        (place / "photo.jpg").write_bytes(jpeg(1)[:-20])
    assert (place / "photo.jpg").read_bytes() == jpeg(1)[:-20]
    shell("mv photo.jpg moved.jpg && mkdir sub && mv moved.jpg sub/", place)
    assert state(place / "sub" / "moved.jpg") == "incomplete"
    with (place / "sub" / "moved.jpg").open("ab") as stream:
        stream.write(jpeg(1)[-20:])
    tell(shared_mount, place / "sub", {"moved.jpg": jpeg(1)})
    tell(shared_mount, place, {})


def test_an_incomplete_picture_can_be_removed(shared_mount: Mount, place: Path) -> None:
    before = spool_files(shared_mount)
    with failing(errno.EBADMSG):
        (place / "photo.jpg").write_bytes(jpeg(1)[:-20])
    with failing(errno.ENOTEMPTY):
        place.rmdir()
    shell("rm photo.jpg", place)
    tell(shared_mount, place, {})
    assert spool_files(shared_mount) == before
    place.rmdir()


@pytest.mark.semantics("What was refused is seen by nobody but those who have it open")
@pytest.mark.parametrize("before", [None, jpeg(1)], ids=["new", "overwritten"])
def test_what_was_refused_is_in_nobodys_way(shared_mount: Mount, place: Path, before: bytes | None) -> None:
    photo = place / "photo.jpg"
    refused = open_refused(photo, before)
    assert (photo.read_bytes() if photo.exists() else None) == before
    with failing(errno.EMEDIUMTYPE):
        os.write(refused, jpeg(2))
    photo.write_bytes(jpeg(3))
    with failing(errno.EMEDIUMTYPE):
        os.close(refused)
    tell(shared_mount, place, {"photo.jpg": jpeg(3)})
