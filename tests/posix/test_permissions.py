"""chmod, chown, utimensat and access: who may, what changes with it, and which times move."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mount.saving import jpeg
from tests.posix.acting import ALICE, BOB, GROUP, PICTURE, as_root, call, call_as, make_directory, make_file

pytestmark = as_root


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def moving(path: Path, *, mtime: bool = False, ctime: bool = True) -> Iterator[None]:
    """Hold that these times of a path move meanwhile, and the other ones do not."""
    before = path.lstat()
    time.sleep(0.02)
    yield
    after = path.lstat()
    assert (after.st_mtime_ns > before.st_mtime_ns, after.st_ctime_ns > before.st_ctime_ns) == (mtime, ctime)


@pytest.mark.parametrize("make", [make_file, make_directory])
def test_every_mode_is_kept(place: Path, make: Callable[[Path], Path]) -> None:
    path = make(place / "x.jpg")
    for mode in (0o000, 0o111, 0o222, 0o444, 0o640, 0o777, 0o1755, 0o2755, 0o4755, 0o7777):
        path.chmod(mode)
        assert oct(mode_of(path)) == oct(mode)


@pytest.mark.parametrize("make", [make_file, make_directory])
def test_changing_mode_or_owner_moves_ctime(place: Path, make: Callable[[Path], Path]) -> None:
    path = make(place / "x.jpg")
    with moving(path):
        path.chmod(0o700)
    with moving(path):
        os.chown(path, ALICE, GROUP)
    assert (path.stat().st_uid, path.stat().st_gid) == (ALICE, GROUP)
    with moving(path):
        os.chown(path, -1, BOB)
    assert (path.stat().st_uid, path.stat().st_gid) == (ALICE, BOB)


def test_only_owners_change_modes(place: Path) -> None:
    photo = make_file(place / "x.jpg", owner=ALICE)
    assert call_as(BOB, lambda: photo.chmod(0o777)) == "EPERM"
    assert call_as(ALICE, lambda: photo.chmod(0o600)) == "OK"
    assert mode_of(photo) == 0o600


def test_only_root_gives_files_away(place: Path) -> None:
    photo = make_file(place / "x.jpg", owner=ALICE, group=ALICE)
    assert call_as(ALICE, lambda: os.chown(photo, BOB, -1)) == "EPERM"
    assert call_as(ALICE, lambda: os.chown(photo, -1, GROUP)) == "EPERM"
    assert call_as(BOB, lambda: os.chown(photo, BOB, -1)) == "EPERM"
    assert call_as(ALICE, lambda: os.chown(photo, -1, GROUP), (ALICE, GROUP)) == "OK"
    assert photo.stat().st_gid == GROUP


def test_set_id_bits_go_with_owner_and_content(place: Path) -> None:
    photo = make_file(place / "x.jpg", owner=ALICE, group=ALICE)
    photo.chmod(0o6755)
    assert call_as(ALICE, lambda: os.chown(photo, ALICE, ALICE)) == "OK"
    assert mode_of(photo) == 0o755
    photo.chmod(0o6777)
    assert call_as(BOB, lambda: photo.write_bytes(jpeg(1))) == "OK"
    assert mode_of(photo) == 0o777


def test_a_set_group_id_directory_hands_its_group_down(place: Path) -> None:
    parent = make_directory(place / "shared", 0o2777, group=GROUP)
    make_file(parent / "x.jpg")
    (parent / "below").mkdir()
    assert [(parent / name).stat().st_gid for name in ("x.jpg", "below")] == [GROUP, GROUP]
    assert mode_of(parent / "below") & stat.S_ISGID


def test_new_files_are_their_makers_less_the_umask(place: Path) -> None:
    opened = make_directory(place / "open", 0o777)
    assert call_as(ALICE, lambda: (opened / "x.jpg").write_bytes(PICTURE)) == "OK"
    assert call_as(ALICE, (opened / "below").mkdir) == "OK"
    assert call_as(ALICE, lambda: (opened / "link").symlink_to("x")) == "OK"
    found = [(opened / name).lstat() for name in ("x.jpg", "below", "link")]
    assert [(facts.st_uid, facts.st_gid) for facts in found] == [(ALICE, ALICE)] * 3
    assert [oct(stat.S_IMODE(facts.st_mode)) for facts in found] == ["0o644", "0o755", "0o777"]


@pytest.mark.parametrize(("mode", "expected"), [(0o644, "EACCES"), (0o666, "OK"), (0o600, "EACCES")])
def test_writing_needs_permission(place: Path, mode: int, expected: str) -> None:
    photo = make_file(place / "x.jpg", mode, owner=ALICE)
    assert call_as(BOB, lambda: photo.write_bytes(jpeg(1))) == expected
    assert call_as(BOB, lambda: os.truncate(photo, photo.stat().st_size)) == expected
    assert call_as(BOB, photo.read_bytes) == ("EACCES" if mode == 0o600 else "OK")
    assert call_as(ALICE, lambda: photo.write_bytes(jpeg(2))) == "OK"


@pytest.mark.parametrize("mode", [0o555, 0o444, 0o666])
def test_directories_guard_their_names(place: Path, mode: int) -> None:
    closed = make_directory(place / "closed", owner=ALICE)
    make_file(closed / "x.jpg", owner=ALICE)
    (closed / "below").mkdir()
    closed.chmod(mode)
    attempts: list[Callable[[], object]] = [
        (closed / "new").mkdir, lambda: (closed / "new.jpg").write_bytes(PICTURE), (closed / "x.jpg").unlink,
        lambda: (closed / "new").symlink_to("x"), (closed / "below").rmdir,
    ]  # fmt: skip
    assert [call_as(ALICE, attempt) for attempt in attempts] == ["EACCES"] * 5
    can_search = bool(mode & 0o100)
    assert call_as(ALICE, (closed / "x.jpg").stat) == ("OK" if can_search else "EACCES")
    assert call_as(ALICE, lambda: os.listdir(closed)) == "OK"  # noqa: PTH208


def test_times_are_set_by_owners_and_to_now_by_writers(place: Path) -> None:
    photo = make_file(place / "x.jpg", 0o666, owner=ALICE)
    assert call_as(BOB, lambda: os.utime(photo, ns=(5, 5))) == "EPERM"
    assert call_as(BOB, lambda: os.utime(photo)) == "OK"
    assert call_as(ALICE, lambda: os.utime(photo, ns=(5, 5))) == "OK"
    assert photo.stat().st_mtime_ns == 5
    photo.chmod(0o444)
    assert call_as(BOB, lambda: os.utime(photo)) == "EACCES"


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_234_567_890_123_456_789, -1, -5_000_000_000])
def test_times_are_kept_to_the_nanosecond(place: Path, ns: int) -> None:
    photo, below = make_file(place / "x.jpg"), make_directory(place / "below")
    link = place / "link"
    link.symlink_to("x.jpg")
    for path in (photo, below, link):
        os.utime(path, ns=(ns, ns), follow_symlinks=False)
        assert path.lstat().st_mtime_ns == ns


def test_which_times_move(place: Path) -> None:
    directory = make_directory(place / "d")
    photo = directory / "x.jpg"
    for change in (
        lambda: photo.write_bytes(PICTURE), lambda: photo.rename(directory / "y.jpg"), (directory / "y.jpg").unlink,
        (directory / "below").mkdir, (directory / "below").rmdir, lambda: (directory / "link").symlink_to("x"),
        (directory / "link").unlink,
    ):  # fmt: skip
        with moving(directory, mtime=True):
            change()
    make_file(photo)
    with moving(directory, ctime=False), moving(photo, mtime=True):
        photo.write_bytes(jpeg(1))
    with moving(photo, mtime=True):
        os.truncate(photo, photo.stat().st_size + 5)
    with moving(photo, ctime=False):
        photo.read_bytes()
    with moving(photo):
        os.utime(photo, ns=(7, photo.stat().st_mtime_ns))
    with moving(photo):
        os.setxattr(photo, "user.note", b"red")
    with moving(photo):
        photo.rename(photo.with_name("z.jpg"))
        photo = photo.with_name("z.jpg").rename(photo)


def test_access_is_as_the_mode_says(place: Path) -> None:
    photo = make_file(place / "x.jpg", 0o640, owner=ALICE, group=GROUP)

    def check(mode: int) -> Callable[[], None]:
        def work() -> None:
            if not os.access(photo, mode):
                raise PermissionError(13, "")

        return work

    assert [call_as(ALICE, check(mode)) for mode in (os.R_OK, os.W_OK, os.X_OK)] == ["OK", "OK", "EACCES"]
    assert [call_as(BOB, check(mode), (GROUP,)) for mode in (os.R_OK, os.W_OK)] == ["OK", "EACCES"]
    assert call_as(BOB, check(os.R_OK)) == "EACCES"
    assert call(check(os.F_OK)) == "OK"
