"""How editors save: vim, exiftool, ImageMagick, GLib. In place, by renaming over, and by renaming away first."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from tests.mount.mounting import Mount
from tests.mount.saving import COMMENT, Stored, annotate, annotations, jpeg, require, run, tell

CHANGED = b"written behind"
VIM_SAVES = ["-c", "%s/written before/written behind/", "-c", "wq"]


@pytest.fixture
def photo(place: Path) -> Path:
    """A stored photograph."""
    (place / "photo.jpg").write_bytes(jpeg(1))
    return place / "photo.jpg"


def vim(file: Path, *commands: str) -> None:
    run("vim", "-es", "-N", "-u", "NONE", "-b", "-i", "NONE", "-c", "set backupskip=", *commands, file, cwd=file.parent)


@pytest.mark.parametrize("backup", ["nobackup", "backup"])
@pytest.mark.parametrize("copy", ["yes", "no"])
def test_vim_writes_a_picture(shared_mount: Mount, place: Path, photo: Path, copy: str, backup: str) -> None:
    photo.chmod(0o640)
    settings = f"set writebackup swapfile backupcopy={copy} {backup}"
    vim(photo, "-c", settings, *VIM_SAVES)
    left = {"photo.jpg~": jpeg(1)} if backup == "backup" else {}
    tell(shared_mount, place, {"photo.jpg": jpeg(1).replace(COMMENT, CHANGED), **left})
    assert photo.stat().st_mode & 0o777 == 0o640


def test_vim_writing_in_place_keeps_what_is_said_of_the_picture(shared_mount: Mount, place: Path, photo: Path) -> None:
    said = annotate(photo)
    number = photo.stat().st_ino
    vim(photo, "-c", "set backupcopy=yes", *VIM_SAVES)
    tell(shared_mount, place, {"photo.jpg": jpeg(1).replace(COMMENT, CHANGED)})
    assert annotations(photo) == said
    assert photo.stat().st_ino == number


def test_vim_has_its_swap_file_beside_the_picture_and_takes_it_away(
    shared_mount: Mount, place: Path, photo: Path
) -> None:
    vim(photo, "-c", "set swapfile updatecount=1 directory=.", "-c", "preserve", "-c", "!cp .*.swp swap~", "-c", "q!")
    assert b"VIM" in (place / "swap~").read_bytes()[:20]
    tell(shared_mount, place, {"photo.jpg": jpeg(1)}, drafts={"swap~": "local"})


def test_vim_writes_a_hidden_text_file(shared_mount: Mount, place: Path) -> None:
    note = place / ".note.txt"
    vim(note, "-c", "set backup writebackup swapfile noeol", "-c", "normal ifirst", "-c", "w", "-c", "normal Asecond",
        "-c", "wq")  # fmt: skip
    assert note.read_bytes().strip() == b"firstsecond"
    drafts = {".note.txt": "local", ".note.txt~": "local"}
    tell(shared_mount, place, {}, drafts=drafts)


def test_vim_is_told_that_text_is_no_picture(shared_mount: Mount, place: Path, photo: Path) -> None:
    command = ["vim", "-es", "-N", "-u", "NONE", "-i", "NONE", "-c", "%d", "-c", "normal ihello", "-c", "w", "-c", "cq"]
    require("vim")
    done = subprocess.run([*command, photo], capture_output=True, timeout=60, check=False, cwd=place)
    assert done.returncode
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


def exiftool(photo: Path, *options: str) -> None:
    run("exiftool", "-q", *options, "-Comment=written by exiftool", photo, cwd=photo.parent)


def test_exiftool_keeps_the_original_beside_its_result(shared_mount: Mount, place: Path, photo: Path) -> None:
    said = annotate(photo)
    before = tell(shared_mount, place, {"photo.jpg": jpeg(1)})["photo.jpg"]
    exiftool(photo)
    stored = tell_changed(shared_mount, place, photo, {"photo.jpg_original": jpeg(1)})
    assert stored["photo.jpg_original"].asset_id == before.asset_id
    assert annotations(place / "photo.jpg_original") == said


@pytest.mark.parametrize("option", ["-overwrite_original", "-overwrite_original_in_place"])
def test_exiftool_writing_over_the_original_keeps_what_is_said_of_it(
    shared_mount: Mount, place: Path, photo: Path, option: str
) -> None:
    said = annotate(photo)
    photo.chmod(0o640)
    exiftool(photo, option)
    tell_changed(shared_mount, place, photo)
    assert annotations(photo) == said
    assert photo.stat().st_mode & 0o777 == 0o640


def test_exiftool_keeps_the_time_when_asked(shared_mount: Mount, place: Path, photo: Path) -> None:
    os.utime(photo, ns=(0, 1_234_567_890_000_000_000))
    exiftool(photo, "-P", "-overwrite_original")
    tell_changed(shared_mount, place, photo)
    assert photo.stat().st_mtime_ns == 1_234_567_890_000_000_000


def tell_changed(
    mount: Mount, place: Path, photo: Path, others: Mapping[str, bytes] | None = None
) -> dict[str, Stored]:
    content = photo.read_bytes()
    assert b"written by exiftool" in content
    return tell(mount, place, {"photo.jpg": content, **(others or {})})


def assert_reduced(mount: Mount, place: Path, photo: Path) -> None:
    with Image.open(photo) as picture:
        assert picture.size == (24, 16)
    tell(mount, place, {photo.name: photo.read_bytes()})
    assert os.getxattr(photo, "user.konifer.width") == b"24"


def test_mogrify_reduces_a_picture_in_place(shared_mount: Mount, place: Path, photo: Path) -> None:
    run("mogrify", "-resize", "50%", photo)
    assert_reduced(shared_mount, place, photo)


def test_convert_reduces_a_picture_in_place_and_keeps_what_is_said_of_it(
    shared_mount: Mount, place: Path, photo: Path
) -> None:
    said = annotate(photo)
    run("convert", photo, "-resize", "50%", photo)
    assert_reduced(shared_mount, place, photo)
    assert annotations(photo) == said


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_convert_writes_other_formats(shared_mount: Mount, place: Path, photo: Path, suffix: str) -> None:
    run("convert", photo, "-resize", "50%", place / f"small.{suffix}")
    photo.unlink()
    assert_reduced(shared_mount, place, place / f"small.{suffix}")


def test_convert_is_told_that_a_bitmap_is_not_taken(shared_mount: Mount, place: Path, photo: Path) -> None:
    run("convert", photo, "bmp:" + str(place / "photo.bmp"), code=1)
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


def test_gio_saves_over_a_picture_and_keeps_what_is_said_of_it(shared_mount: Mount, place: Path, photo: Path) -> None:
    said = annotate(photo)
    photo.chmod(0o640)
    run("gio", "save", photo, stdin=jpeg(2))
    tell(shared_mount, place, {"photo.jpg": jpeg(2)})
    assert annotations(photo) == said
    assert photo.stat().st_mode & 0o777 == 0o640


def test_gio_saves_a_new_picture_and_one_with_a_backup(shared_mount: Mount, place: Path) -> None:
    run("gio", "save", place / "new.jpg", stdin=jpeg(1))
    tell(shared_mount, place, {"new.jpg": jpeg(1)})
    run("gio", "save", "--backup", place / "new.jpg", stdin=jpeg(2))
    tell(shared_mount, place, {"new.jpg": jpeg(2), "new.jpg~": jpeg(1)})


def test_gio_is_told_that_text_is_no_picture(shared_mount: Mount, place: Path, photo: Path) -> None:
    assert b"Wrong medium type" in run("gio", "save", photo, stdin=b"hello\n", code=2).stderr
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


def test_gio_copies_onto_the_mount_and_within_it(shared_mount: Mount, place: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "other.jpg").write_bytes(jpeg(2))
    run("gio", "copy", "--preserve", tmp_path / "other.jpg", place / "other.jpg")
    annotate(photo)
    run("gio", "copy", photo, place / "copy.jpg")
    tell(shared_mount, place, {"photo.jpg": jpeg(1), "other.jpg": jpeg(2), "copy.jpg": jpeg(1)})
