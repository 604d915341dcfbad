"""Inode numbers: whose they are, and what they survive."""

import os
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, add_entry, names, wait_until
from tests.mount.mounting import MountFactory
from tests.pictures import make_picture

OTHER: Final = make_picture(ImageFormat.JPEG, seed=1)
SURVIVES = pytest.mark.semantics("The inode number of a file survives overwriting")


def number(path: Path) -> int:
    return path.lstat().st_ino


@SURVIVES
def test_a_file_keeps_its_number_when_it_is_written_and_renamed(place: Path) -> None:
    file = place / "a.jpg"
    with file.open("wb") as opened:
        draft = os.fstat(opened.fileno()).st_ino
        opened.write(PICTURE)
    assert number(file) == draft
    file.write_bytes(OTHER)
    assert number(file) == draft
    with file.open("rb+") as opened:
        opened.write(PICTURE)
    assert number(file) == draft
    (place / "directory").mkdir()
    file.rename(place / "directory" / "b.jpg")
    (place / "directory").rename(place / "renamed")
    assert number(place / "renamed" / "b.jpg") == draft
    assert [entry.inode() for entry in os.scandir(place / "renamed")] == [draft]


@SURVIVES
def test_a_file_that_is_renamed_over_another_keeps_its_own_number(place: Path) -> None:
    (place / "old").write_bytes(PICTURE)
    (place / "new").write_bytes(OTHER)
    renamed = number(place / "new")
    (place / "new").rename(place / "old")
    assert number(place / "old") == renamed


@SURVIVES
def test_numbers_are_the_same_on_every_mount_and_after_a_remount(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "directory" / "below").mkdir(parents=True)
    (here.path / "directory" / "file").write_bytes(PICTURE)
    (here.path / "directory" / "link").symlink_to("file")
    add_entry(here, "root.foreign.deep")
    paths = ["directory", "directory/below", "directory/file", "directory/link", "foreign", "foreign/deep/0.jpeg"]
    wait_until(lambda: names(there.path) == ["directory", "foreign"])
    before = [number(here.path / path) for path in paths]
    assert len(set(before)) == len(before)
    assert [number(there.path / path) for path in paths] == before
    (here.path / "directory" / "file").write_bytes(OTHER)
    (here.path / "foreign" / "deep" / "0.jpeg").rename(here.path / "foreign" / "deep" / "named")
    here.remount()
    there.remount()
    paths[-1] = "foreign/deep/named"
    for mount in (here, there):
        assert [number(mount.path / path) for path in paths] == before
        assert (mount.path / "directory" / "file").read_bytes() == OTHER


@SURVIVES
def test_a_file_that_is_made_anew_has_a_new_number(place: Path) -> None:
    (place / "a").write_bytes(PICTURE)
    first = number(place / "a")
    (place / "a").unlink()
    (place / "a").write_bytes(PICTURE)
    assert number(place / "a") != first
