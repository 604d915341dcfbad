"""Links that change labels and tags: they are made, moved and removed by whom `setxattr` lets, and by nobody else."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from tests.mount.mounting import Mount
from tests.posix.acting import ALICE, BOB, GROUP, PICTURE, as_root, call_as, make_directory, make_file
from tests.posix.conftest import reachable
from tests.servers import S3Server

pytestmark = [as_root, pytest.mark.semantics("Such links are made, removed and moved by who may set attributes")]

ROOT: Final = 0


@pytest.fixture(scope="module")
def alices(fuse: Path, postgres: EmbeddedServer, s3_server: dict[str, S3Server]) -> Iterator[Mount]:
    """A mount of alice's that everybody may use."""
    with reachable(fuse, postgres, s3_server) as factory:
        yield factory(options=f"allow_other,uid={ALICE},gid={ALICE}", config="filesystem.umask = 022")


@pytest.fixture
def drop(alices: Mount) -> Path:
    """An empty directory in which everybody may make something."""
    return make_directory(alices.path / f"t{uuid4().hex}", 0o1777, owner=ROOT)


def linking(link: Path, target: str) -> Callable[[], Any]:
    return partial(link.symlink_to, target)


def moving(link: Path, directory: Path) -> Callable[[], Any]:
    return partial(link.rename, directory / link.name)


def described(photo: Path) -> dict[str, bytes]:
    return {name: os.getxattr(photo, name) for name in os.listxattr(photo)}


@pytest.mark.parametrize("above", [0o1777, 0o755])
@pytest.mark.parametrize(
    ("mode", "owner", "group", "groups", "expected"),
    [
        (0o644, ROOT, ROOT, (), "EACCES"),
        (0o646, ROOT, ROOT, (), "OK"),
        (0o600, ALICE, ROOT, (), "OK"),
        (0o466, ALICE, ROOT, (), "EACCES"),
        (0o664, ROOT, ALICE, (), "OK"),
        (0o664, ROOT, GROUP, (ALICE, GROUP), "OK"),
        (0o664, ROOT, GROUP, (ALICE, BOB), "EACCES"),
        (0o646, ROOT, GROUP, (ALICE, GROUP), "EACCES"),
    ],
)
def test_who_may_write_an_entry_changes_what_describes_it(
    drop: Path, above: int, mode: int, owner: int, group: int, groups: tuple[int, ...], expected: str
) -> None:
    drop.chmod(above)
    photo = make_file(drop / "x.jpg", mode, owner=owner, group=group)
    os.setxattr(photo, "user.kept", b"yes")
    os.setxattr(photo, "user.xdg.tags", b"kept")
    before = described(photo)
    labels, tags = drop / "-" / "labels", drop / "-" / "tags"
    for work in (
        lambda: os.setxattr(photo, "user.kept", b"yes"),
        linking(labels / "new=1" / "x.jpg", "../../../x.jpg"),
        linking(tags / "new" / "x.jpg", "../../../x.jpg"),
        moving(labels / "kept=yes" / "x.jpg", labels / "kept=no"),
        moving(tags / "kept" / "x.jpg", tags / "other"),
    ):
        assert call_as(ALICE, work, groups) == expected
    remaining = (labels / "new=1", tags / "new") if expected == "OK" else (labels / "kept=yes", tags / "kept")
    for directory in remaining:
        assert call_as(ALICE, (directory / "x.jpg").unlink, groups) == expected
    after = {"user.kept": b"no", "user.xdg.tags": b"other"} if expected == "OK" else before
    assert described(photo) == after


@pytest.mark.parametrize(("mode", "expected"), [(0o700, "EACCES"), (0o744, "EACCES"), (0o711, "OK"), (0o755, "OK")])
def test_what_lies_in_a_closed_directory_is_left_alone(drop: Path, mode: int, expected: str) -> None:
    closed = make_directory(drop / "closed", owner=BOB)
    make_directory(closed / "below", owner=BOB)
    photo = make_file(closed / "below" / "x.jpg", 0o666, owner=BOB)
    os.setxattr(photo, "user.kept", b"yes")
    closed.chmod(mode)
    labels, name = drop / "-" / "recursive" / "labels", "closed%2Fbelow%2Fx.jpg"
    for work in (
        lambda: os.setxattr(photo, "user.kept", b"yes"),
        linking(labels / "new=1" / name, "../../../../closed/below/x.jpg"),
        moving(labels / "kept=yes" / name, labels / "kept=no"),
        (labels / ("new=1" if expected == "OK" else "kept=yes") / name).unlink,
    ):
        assert call_as(ALICE, work) == expected
    assert described(photo) == {"user.kept": b"no" if expected == "OK" else b"yes"}


def test_a_link_does_not_move_to_where_its_entry_may_not_be_written(drop: Path) -> None:
    closed = make_directory(drop / "closed", owner=ALICE)
    photo = make_file(closed / "x.jpg", 0o666, owner=ALICE)
    os.setxattr(photo, "user.kept", b"yes")
    link, name = closed / "-" / "labels" / "kept=yes" / "x.jpg", "closed%2Fx.jpg"
    recursive = drop / "-" / "recursive" / "labels" / "kept=no"
    assert call_as(ALICE, partial(link.rename, recursive / name)) == "OK"
    assert described(photo) == {"user.kept": b"no"}
    os.chown(closed, BOB, BOB)
    closed.chmod(0o700)
    assert call_as(ALICE, partial((recursive / name).rename, recursive.with_name("kept=yes") / name)) == "EACCES"
    assert call_as(BOB, lambda: os.listxattr(photo)) == "OK"
    assert described(photo) == {"user.kept": b"no"}


def test_a_file_that_is_being_written_has_the_permissions_that_it_shows(drop: Path) -> None:
    photo = make_file(drop / "x.jpg", 0o666, owner=BOB)
    link = linking(drop / "-" / "labels" / "new=1" / "x.jpg", "../../../x.jpg")
    with photo.open("r+b") as file:
        file.write(PICTURE)
        file.flush()
        photo.chmod(0o600)
        assert call_as(ALICE, link) == "EACCES"  # Who ends closes the file, too, which stores it.
        assert call_as(ALICE, lambda: os.setxattr(photo, "user.kept", b"yes")) == "EACCES"
    assert call_as(BOB, link) == "OK"
    assert described(photo) == {"user.new": b"1"}


def test_a_directory_that_cannot_be_searched_is_closed_also_to_who_is_in_it(drop: Path) -> None:
    photo = make_file(drop / "x.jpg", 0o666)
    directory = os.open(drop / "-" / "labels" / "new=1", os.O_PATH)
    link = partial(os.symlink, "../../../x.jpg", "x.jpg", dir_fd=directory)
    drop.chmod(0o766)
    assert call_as(ALICE, link) == "EACCES"
    drop.chmod(0o711)
    assert call_as(ALICE, link) == "EACCES"  # D cannot be read, so nothing of what is made up of it is entered.
    drop.chmod(0o755)
    assert call_as(ALICE, link) == "OK"
    os.close(directory)
    assert described(photo) == {"user.new": b"1"}


def test_root_may_do_anything(drop: Path) -> None:
    closed = make_directory(drop / "closed", 0o700, owner=BOB)
    photo = make_file(closed / "x.jpg", 0o400, owner=BOB)
    (drop / "-" / "recursive" / "labels" / "new=1" / "closed%2Fx.jpg").symlink_to("../../../../closed/x.jpg")
    assert described(photo) == {"user.new": b"1"}


@pytest.mark.semantics("What `D/-` tells, names and labels below D and the figures of `info.json` among it")
def test_who_reads_a_directory_is_told_of_what_is_closed_below_but_cannot_open_it(drop: Path) -> None:
    closed = make_directory(drop / "closed", owner=BOB)
    photo = make_file(closed / "x.jpg", 0o644, owner=BOB)
    os.setxattr(photo, "user.case", b"4711")
    closed.chmod(0o700)
    (link,) = (drop / "-" / "recursive" / "labels" / "case=4711").iterdir()
    assert (link.name, call_as(ALICE, link.readlink)) == ("closed%2Fx.jpg", "OK")
    for work in (link.read_bytes, photo.read_bytes, partial(os.getxattr, photo, "user.case")):
        assert call_as(ALICE, work) == "EACCES"
    assert call_as(BOB, link.read_bytes) == "OK"
