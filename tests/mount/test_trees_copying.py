"""Trees of pictures through `cp -a`, `rsync -aX` and `tar --xattrs`, in and out, on every object store."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import eventually, require, run, spool_files
from tests.mount.trees import Found, can_keep_attributes, list_pictures, make_tree, tell_tree
from tests.pictures import IMAGES

LARGE: Final = 1000
SMALL: Final = 150  # of moto's server a picture takes a tenth of a second
TAR: Final = "tar --xattrs --xattrs-include='user.*' --format=posix --warning=no-timestamp"

pytestmark = [
    pytest.mark.semantics(
        "The same bytes, names, modes, times, symlinks and attributes come back",
        "A file keeps the name it was created with",
        "An attribute that is not text, or empty",
    ),
    pytest.mark.timeout(600),
]

Told = Mapping[str, Found]
Trees = Mapping[int, tuple[Path, Told]]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    """Give a tree of 1,000 pictures and one of 150, by these numbers, with an account of each."""
    root = tmp_path_factory.mktemp("trees")
    if not can_keep_attributes(root):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{root} keeps no extended attributes")
    pictures = list_pictures(IMAGES if IMAGES.is_dir() else None)
    for count in (SMALL, LARGE):
        make_tree(root / str(count), count, pictures)
    return {count: (root / str(count), tell_tree(root / str(count))) for count in (SMALL, LARGE)}


@pytest.fixture
def mount(mounted: MountFactory, object_store: str) -> Mount:
    """Give a mount on each kind of object store."""
    return mounted(object_store)


@pytest.mark.parametrize(
    ("object_store", "count"),
    [
        pytest.param("filesystem", LARGE, marks=pytest.mark.slow),
        pytest.param("rclone", LARGE, marks=pytest.mark.slow),
        pytest.param("memory", LARGE, marks=pytest.mark.slow),
        ("moto", SMALL),
    ],
)
def test_cp_keeps_a_tree_beyond_an_unmount(mount: Mount, trees: Trees, count: int) -> None:
    source, told = trees[count]
    run("cp", "-a", source, mount.path / "copy")
    before = tell_tree(mount.path / "copy")
    assert before == told
    leaves_nothing_in_the_spool(mount)
    if mount.keeps:
        mount.remount()
        after = tell_tree(mount.path / "copy")
        assert after == told
        assert list_inodes(after) == list_inodes(before)
    assert run("diff", "-r", "--no-dereference", source, mount.path / "copy").stdout == b""


def test_rsync_keeps_a_tree_both_ways_and_then_has_nothing_to_do(mount: Mount, trees: Trees, tmp_path: Path) -> None:
    source, told = trees[SMALL]
    run("rsync", "-aX", f"{source}/", mount.path / "copy")
    assert run("rsync", "-aX", "--itemize-changes", f"{source}/", mount.path / "copy").stdout == b""
    leaves_nothing_in_the_spool(mount)
    run("rsync", "-aX", f"{mount.path}/copy/", tmp_path / "back")
    assert tell_tree(tmp_path / "back") == told
    assert run("rsync", "-aX", "--itemize-changes", f"{mount.path}/copy/", tmp_path / "back").stdout == b""


def test_tar_keeps_a_tree_both_ways(mount: Mount, trees: Trees, tmp_path: Path) -> None:
    source, told = trees[SMALL]
    require("tar")
    for origin, target in ((source, mount.path / "copy"), (mount.path / "copy", tmp_path / "back")):
        target.mkdir()
        run("bash", "-o", "pipefail", "-c", f'{TAR} -C "$0" -c . | {TAR} -C "$1" -x', origin, target)
    assert tell_tree(mount.path / "copy") == told
    assert tell_tree(tmp_path / "back") == told
    leaves_nothing_in_the_spool(mount)


def leaves_nothing_in_the_spool(mount: Mount) -> None:
    eventually(lambda: len(spool_files(mount)), 0)


def list_inodes(told: Told) -> dict[str, int]:
    return {name: found.inode for name, found in told.items()}
