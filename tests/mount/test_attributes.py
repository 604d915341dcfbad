"""Modes, owners, times and inode numbers, on one mount and on two."""

import os
import stat
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, add_entry, names, wait_until
from tests.mount.mounting import MountFactory
from tests.pictures import make_picture

OTHER: Final = make_picture(ImageFormat.JPEG, seed=1)
KEPT = pytest.mark.semantics("Mode, owner and modification time are kept")
NOBODY: Final = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away and act as another user")


def modification_time(path: Path) -> int:
    return path.lstat().st_mtime_ns


def make_all(place: Path) -> list[Path]:
    """Make an entry, a draft, a local file and a directory."""
    (place / "file").write_bytes(PICTURE)
    (place / "draft").touch()
    (place / ".local").write_text("mine")
    (place / "directory").mkdir()
    return [place / name for name in ("file", "draft", ".local", "directory")]


@KEPT
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o640, 0o777, 0o1777, 0o6755])
def test_modes_are_kept(place: Path, mode: int) -> None:
    for path in make_all(place):
        path.chmod(mode)
        assert stat.S_IMODE(path.stat().st_mode) == mode


@KEPT
@as_root
def test_owners_are_kept_and_each_can_be_changed_alone(place: Path) -> None:
    (place / "link").symlink_to("file")
    for path in [*make_all(place), place / "link"]:
        os.chown(path, 1234, 4321, follow_symlinks=False)
        os.chown(path, -1, 5, follow_symlinks=False)
        os.chown(path, 7, -1, follow_symlinks=False)
        assert (path.lstat().st_uid, path.lstat().st_gid) == (7, 5)


@KEPT
@pytest.mark.parametrize(
    "ns",
    [0, 1, 1_700_000_000_123_456_789, -1, -1_000_000_000, -2_208_988_800_123_456_789],
)
def test_times_are_kept_to_the_nanosecond(place: Path, ns: int) -> None:
    (place / "link").symlink_to("file")
    for path in [*make_all(place), place / "link"]:
        os.utime(path, ns=(ns, ns), follow_symlinks=False)
        assert modification_time(path) == ns


@KEPT
@pytest.mark.parametrize(("asked", "kept"), [(10**20, 2**63 - 1), (-(10**20), -(2**63))])
def test_times_that_no_store_holds_are_clamped(place: Path, asked: int, kept: int) -> None:
    (place / "file").write_bytes(PICTURE)
    os.utime(place / "file", ns=(asked, asked))
    assert modification_time(place / "file") == kept
    assert names(place) == ["file"]


@KEPT
def test_the_mode_at_creation_heeds_the_umask_of_the_creator(place: Path) -> None:
    os.close(os.open(place / "file", os.O_CREAT | os.O_WRONLY, 0o666))
    (place / "directory").mkdir(mode=0o770)
    umask = os.umask(0o77)
    try:
        os.close(os.open(place / "mine", os.O_CREAT | os.O_WRONLY, 0o666))
    finally:
        os.umask(umask)
    assert stat.S_IMODE((place / "file").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((place / "directory").stat().st_mode) == 0o770 & ~umask
    assert stat.S_IMODE((place / "mine").stat().st_mode) == 0o600


@KEPT
def test_a_change_moves_the_ctime_and_not_the_mtime(place: Path) -> None:
    for path in make_all(place):
        before = path.stat()
        path.chmod(0o700)
        after = path.stat()
        assert after.st_ctime_ns > before.st_ctime_ns
        assert after.st_mtime_ns == before.st_mtime_ns


@KEPT
def test_a_file_without_a_change_of_its_own_has_the_time_of_its_writing(place: Path) -> None:
    before = time.time_ns()
    (place / "file").write_bytes(PICTURE)
    found = (place / "file").stat()
    assert before - 10**7 <= found.st_mtime_ns <= time.time_ns()
    assert (found.st_nlink, found.st_size, found.st_blocks) == (1, len(PICTURE), -(-len(PICTURE) // 512))
    assert place.stat().st_nlink == 1


@KEPT
@as_root
def test_attributes_are_shared_between_mounts_and_outlive_a_remount(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "directory").mkdir()
    (here.path / "file").write_bytes(PICTURE)
    for name in ("file", "directory"):
        wait_until((there.path / name).exists)
        os.utime(here.path / name, ns=(5, -123_456_789))
        (here.path / name).chmod(0o751)
        os.chown(here.path / name, 12, 34)
        wait_until(lambda name=name: (there.path / name).stat().st_uid == 12)  # type: ignore[misc]
        found = (there.path / name).stat()
        assert (found.st_mode & 0o7777, found.st_gid, found.st_mtime_ns) == (0o751, 34, -123_456_789)
    here.remount()
    assert (here.path / "file").stat().st_mtime_ns == -123_456_789
    assert (here.path / "directory").stat().st_uid == 12


@pytest.mark.semantics("A foreign entry has the mount's owner")
def test_a_foreign_entry_has_its_assets_times_and_the_mounts_owner(mounted: MountFactory) -> None:
    mount = mounted(options="uid=123,gid=456,umask=027")
    add_entry(mount, "root.below", created_at="2001-02-03 04:05:06.789012")
    found = (mount.path / "below" / "0.jpeg").stat()
    created = int(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()) * 10**9 + 789_012_000
    assert found.st_mtime_ns == created
    assert found.st_ctime_ns == created + 3600 * 10**9
    assert (found.st_uid, found.st_gid, found.st_mode) == (123, 456, stat.S_IFREG | 0o640)
    assert found.st_size == len(PICTURE)
    directory = (mount.path / "below").stat()
    assert (directory.st_uid, directory.st_gid, directory.st_mode) == (123, 456, stat.S_IFDIR | 0o750)


@pytest.mark.semantics("A directory's mtime moves when a name in it comes or goes")
def test_a_directory_moves_its_mtime_with_its_names(place: Path) -> None:
    directory = place / "directory"
    directory.mkdir()
    (place / "other").write_bytes(PICTURE)
    changes: list[Callable[[], object]] = [
        lambda: (directory / "file").write_bytes(PICTURE),
        lambda: (directory / "file").rename(directory / "renamed"),
        (directory / "renamed").unlink,
        (directory / "draft").touch,
        (directory / "draft").unlink,
        (directory / "made").mkdir,
        (directory / "made").rmdir,
        lambda: (directory / "link").symlink_to("x"),
        (directory / "link").unlink,
        lambda: (place / "other").rename(directory / "other"),
        lambda: (directory / "other").rename(place / "other"),
    ]
    for change in changes:
        os.utime(directory, ns=(0, 1_000_000_000))
        change()
        moved = modification_time(directory)
        assert moved > 10**18
        assert directory.stat().st_ctime_ns > 10**18
        directory.chmod(0o750)
        assert modification_time(directory) == moved


@pytest.mark.semantics("A directory's mtime moves when a name in it comes or goes")
def test_the_times_that_a_directory_gets_are_the_same_on_every_mount(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    directory, other = here.path / "directory", here.path / "other"
    directory.mkdir()
    other.mkdir()
    changes: list[Callable[[], object]] = [
        (directory / "made").mkdir,
        lambda: (directory / "link").symlink_to("made"),
        lambda: (directory / "link").rename(other / "link"),
        lambda: (other / "link").rename(directory / "moved"),
        (directory / "moved").unlink,
        (directory / "made").rmdir,
    ]
    for change in changes:
        before = directory.stat().st_mtime_ns
        change()
        shown = directory.stat()
        assert shown.st_mtime_ns == shown.st_ctime_ns > before
        wait_until(lambda: (there.path / "directory").stat().st_mtime_ns == shown.st_mtime_ns, 5)  # noqa: B023


@pytest.mark.semantics("A directory's mtime moves when a name in it comes or goes")
def test_a_directorys_mtime_stays_when_a_file_in_it_changes(place: Path) -> None:
    (place / "file").write_bytes(PICTURE)
    os.utime(place, ns=(0, 1_000_000_000))
    (place / "file").chmod(0o600)
    os.setxattr(place / "file", "user.a", b"text")
    assert modification_time(place) == 1_000_000_000
    (place / "draft").touch()
    moved = modification_time(place)
    with (place / "file").open("r+b") as file:
        file.write(PICTURE)
    place.chmod(0o755)
    assert (modification_time(place), moved > 10**18) == (moved, True)


@pytest.mark.semantics("Access times are not kept: they are told as the modification time")
def test_access_times_are_modification_times(place: Path) -> None:
    for path in make_all(place):
        os.utime(path, ns=(10**18, 2 * 10**18), follow_symlinks=False)
        assert path.lstat().st_atime_ns == path.lstat().st_mtime_ns == 2 * 10**18


SET_ID = pytest.mark.semantics("Set-id bits are cleared by writing")


@SET_ID
@as_root
@pytest.mark.parametrize(
    "script",
    [
        f"d = os.open('file', os.O_WRONLY); os.write(d, {OTHER!r}); os.close(d)",
        f"d = os.open('file', os.O_RDWR); os.ftruncate(d, {len(PICTURE) + 7}); os.close(d)",
        f"os.truncate('file', {len(PICTURE) + 7})",
        "os.close(os.open('file', os.O_WRONLY | os.O_TRUNC))",
    ],
    ids=["write", "truncate", "truncate by path", "open"],
)
def test_set_id_bits_are_cleared_when_a_user_writes(mounted: MountFactory, script: str) -> None:
    """Root may keep them."""
    mount = mounted(options="allow_other")
    file = mount.path / "file"
    file.write_bytes(PICTURE)
    os.chown(file, NOBODY, NOBODY)
    file.chmod(0o6755)
    assert stat.S_IMODE(file.stat().st_mode) == 0o6755
    run_as_nobody(mount.path, f"import os; {script}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o755
    mount.remount()
    assert stat.S_IMODE(file.stat().st_mode) == 0o755


@SET_ID
@as_root
def test_set_id_bits_are_cleared_when_the_owner_changes(place: Path) -> None:
    for path in make_all(place)[:3]:
        path.chmod(0o6755)
        os.chown(path, 12, 34)
        assert stat.S_IMODE(path.stat().st_mode) == 0o755


def run_as_nobody(directory: Path, script: str) -> None:
    """Run Python as another user, in a directory that it need not be able to reach."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", script], cwd=directory, user=NOBODY, group=NOBODY, extra_groups=[],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
