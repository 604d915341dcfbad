"""Directories that are removed while somebody is in them, and made again: they have the number of the removed ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.elsewhere import PICTURE, names, wait_until
from tests.mount.mounting import MountFactory

SEEN = pytest.mark.semantics("What one system call did, the next one sees")


def remove(directory: Path) -> None:
    directory.rmdir()


def replace(directory: Path) -> None:
    other = directory.with_name("other")
    other.mkdir()
    other.rename(directory)
    directory.rename(other)


def hold_usable(directory: Path) -> None:
    (directory / "below").mkdir()
    (directory / "file.jpg").write_bytes(PICTURE)
    assert names(directory) == ["below", "file.jpg"]
    assert (directory / "file.jpg").read_bytes() == PICTURE


@SEEN
@pytest.mark.parametrize("make_it_go", [remove, replace])
def test_a_directory_that_somebody_has_open_can_be_made_again(place: Path, make_it_go: Callable[[Path], None]) -> None:
    directory = place / "directory"
    directory.mkdir()
    opened = os.open(directory, os.O_RDONLY)
    try:
        make_it_go(directory)
        directory.mkdir()
        hold_usable(directory)
    finally:
        os.close(opened)
    assert names(directory) == ["below", "file.jpg"]


@SEEN
def test_directories_above_one_that_somebody_is_in_can_be_made_again(place: Path) -> None:
    deep = place / "a" / "b"
    deep.mkdir(parents=True)
    opened = os.open(deep, os.O_RDONLY)
    try:
        deep.rmdir()
        deep.parent.rmdir()
        deep.mkdir(parents=True)
        hold_usable(deep)
    finally:
        os.close(opened)


@SEEN
def test_a_directory_that_was_removed_here_can_be_made_again_elsewhere(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "directory").mkdir()
    opened = os.open(here.path / "directory", os.O_RDONLY)
    try:
        (here.path / "directory").rmdir()
        wait_until(lambda: names(there.path) == [])
        (there.path / "directory").mkdir()
        wait_until((here.path / "directory").exists)
        hold_usable(here.path / "directory")
        wait_until(lambda: names(there.path / "directory") == ["below", "file.jpg"])
    finally:
        os.close(opened)
