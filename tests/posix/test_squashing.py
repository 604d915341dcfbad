"""`-o root_squash`: on the mount root may do what nobody may do on the local disk, and no more.

Everything is alice's, who made it. On the local disk it is nobody who asks: the kernel's answers are the measure.
"""

import ctypes
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from errno import EOPNOTSUPP
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import pytest

from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from tests.mount.elsewhere import names
from tests.mount.mounting import Mount, konifer_fs
from tests.mount.saving import failing
from tests.posix.acting import ALICE, PICTURE, as_root, call, call_as, make_directory, make_file
from tests.posix.conftest import reachable
from tests.servers import S3Server

pytestmark = as_root
SQUASHED = pytest.mark.semantics("With -o root_squash, beside allow_other, root is nobody")

NOBODY: Final = 65534
# On the local disk it is nobody himself who opens what he makes.
PROTECTED: Final = Path("/proc/sys/fs/protected_regular").read_text().strip() != "0"
_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Ground(NamedTuple):
    """A directory of alice's that others may search, and how to ask there as nobody."""

    place: Path
    ask: Callable[[Callable[[], Any]], str]
    is_mount: bool


@pytest.fixture(scope="module")
def squashed(fuse: Path, postgres: EmbeddedServer, s3_server: dict[str, S3Server]) -> Iterator[Mount]:
    """A mount of alice's on which root is nobody."""
    with reachable(fuse, postgres, s3_server) as factory:
        yield factory(options=f"allow_other,root_squash,uid={ALICE},gid={ALICE}")


@pytest.fixture(params=["mount", "local"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Each of both in turn."""
    if request.param == "mount":
        place = request.getfixturevalue("squashed").path / f"t{uuid4().hex}"
        alice(lambda: place.mkdir(mode=0o755))
        yield Ground(place, call, is_mount=True)
        return
    with tempfile.TemporaryDirectory(prefix="posix-") as directory:
        os.chown(directory, ALICE, ALICE)
        Path(directory).chmod(0o755)
        yield Ground(Path(directory), lambda work: call_as(NOBODY, work), is_mount=False)


def alice(work: Callable[[], Any]) -> None:
    """Do `work` as alice, who is in nobody's group, too."""
    assert call_as(ALICE, work, (ALICE, NOBODY)) == "OK"


def opening(path: Path, flags: int) -> Callable[[], None]:
    return lambda: os.close(os.open(path, flags))


def exchange(one: Path, other: Path) -> None:
    if _LIBC.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def owner_of(path: Path) -> tuple[int, int]:
    return path.lstat().st_uid, path.lstat().st_gid


@SQUASHED
@pytest.mark.parametrize(
    ("mode", "group", "reads", "writes"),
    [
        (0o660, ALICE, "EACCES", "EACCES"),
        (0o604, ALICE, "OK", "EACCES"),
        (0o602, ALICE, "EACCES", "OK"),
        (0o606, ALICE, "OK", "OK"),
        (0o640, NOBODY, "OK", "EACCES"),
        (0o606, NOBODY, "EACCES", "EACCES"),
    ],
)
def test_files_are_read_and_written_as_others_may(
    ground: Ground, mode: int, group: int, reads: str, writes: str
) -> None:
    file = ground.place / "x.jpg"
    alice(lambda: make_file(file, mode, group=group))
    alice(lambda: os.setxattr(file, "user.a", b"text"))
    both = "OK" if reads == writes == "OK" else "EACCES"
    assert ground.ask(opening(file, os.O_RDONLY)) == reads
    assert ground.ask(opening(file, os.O_WRONLY)) == writes
    assert ground.ask(opening(file, os.O_RDWR)) == both
    assert ground.ask(lambda: os.getxattr(file, "user.a")) == reads
    assert ground.ask(lambda: os.listxattr(file)) == "OK"
    assert ground.ask(lambda: os.setxattr(file, "user.a", b"other")) == writes
    assert ground.ask(lambda: os.removexattr(file, "user.a")) == writes
    assert ground.ask(opening(file, os.O_RDONLY | os.O_TRUNC)) == both
    assert ground.ask(lambda: os.truncate(file, 0)) == writes
    assert file.lstat().st_size == (0 if writes == "OK" else len(PICTURE))


@SQUASHED
def test_what_only_owners_do_is_refused(ground: Ground) -> None:
    file, link = ground.place / "x.jpg", ground.place / "link"
    alice(lambda: make_file(file, 0o666))
    alice(lambda: link.symlink_to("x.jpg"))
    for refused in (
        lambda: file.chmod(0o777),
        lambda: os.chown(file, 0, -1),
        lambda: os.chown(file, NOBODY, NOBODY),
        lambda: os.utime(file, (1, 1)),
        lambda: ground.place.chmod(0o777),
    ):
        assert ground.ask(refused) == "EPERM"
    assert ground.ask(link.readlink) == "OK"
    assert owner_of(file) == (ALICE, ALICE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666


@SQUASHED
@pytest.mark.parametrize(
    ("mode", "lists", "searches", "changes"),
    [
        (0o770, "EACCES", "EACCES", "EACCES"),
        (0o701, "EACCES", "OK", "EACCES"),
        (0o704, "OK", "EACCES", "EACCES"),
        (0o705, "OK", "OK", "EACCES"),
        (0o706, "OK", "EACCES", "EACCES"),
        (0o707, "OK", "OK", "OK"),
    ],
)
def test_directories_are_entered_and_changed_as_others_may(
    ground: Ground, mode: int, lists: str, searches: str, changes: str
) -> None:
    within = ground.place / "within"
    alice(lambda: make_directory(within))
    alice(lambda: make_file(within / "x.jpg", 0o666))
    alice(lambda: make_directory(within / "below", 0o777))
    alice(lambda: make_file(within / "below" / "y.jpg", 0o666))
    alice(lambda: within.chmod(mode))
    absent = "ENOENT" if searches == "OK" else "EACCES"
    assert ground.ask(lambda: names(within)) == lists
    assert ground.ask((within / "absent").lstat) == absent
    assert ground.ask((within / "below" / "absent").lstat) == absent
    assert ground.ask(opening(within / "x.jpg", os.O_RDWR)) == searches
    assert ground.ask(opening(within / "below" / "y.jpg", os.O_RDWR)) == searches
    assert ground.ask(lambda: names(within / "below")) == searches
    assert ground.ask((within / "below" / "new").mkdir) == searches
    assert ground.ask((within / "new").mkdir) == changes
    assert ground.ask(lambda: (within / "link").symlink_to("x")) == changes
    assert ground.ask(lambda: os.mknod(within / "made.jpg", stat.S_IFREG | 0o644)) == changes
    assert ground.ask(opening(within / "created.jpg", os.O_WRONLY | os.O_CREAT | os.O_EXCL)) == changes
    assert ground.ask(lambda: (within / "x.jpg").rename(within / "z.jpg")) == changes
    assert ground.ask((within / ("z.jpg" if changes == "OK" else "x.jpg")).unlink) == changes
    assert ground.ask((within / "new").rmdir) == ("OK" if changes == "OK" else absent)


@SQUASHED
def test_others_names_in_sticky_directories_stay(ground: Ground) -> None:
    sticky, free = ground.place / "sticky", ground.place / "free"
    alice(lambda: make_directory(sticky, 0o1777))
    alice(lambda: make_directory(free, 0o777))
    alice(lambda: make_file(sticky / "x.jpg", 0o666))
    alice(lambda: make_directory(sticky / "below", 0o777))
    alice(lambda: make_file(free / "x.jpg", 0o666))
    assert ground.ask((sticky / "x.jpg").unlink) == "EPERM"
    assert ground.ask((sticky / "below").rmdir) == "EPERM"
    assert ground.ask(lambda: (sticky / "x.jpg").rename(free / "y.jpg")) == "EPERM"
    assert ground.ask(lambda: (free / "x.jpg").rename(sticky / "x.jpg")) == "EPERM"
    assert ground.ask(lambda: os.setxattr(sticky, "user.a", b"text")) == "EPERM"
    assert ground.ask(lambda: os.setxattr(free, "user.a", b"text")) == "OK"
    create = opening(sticky / "new.jpg", os.O_WRONLY | os.O_CREAT)
    assert ground.ask(create) == ("EACCES" if ground.is_mount and PROTECTED else "OK")
    assert names(sticky) == sorted(["below", "x.jpg", *([] if ground.is_mount and PROTECTED else ["new.jpg"])])
    assert ground.ask((sticky / "mine").mkdir) == "OK"
    assert ground.ask(lambda: (sticky / "mine").rename(sticky / "still mine")) == "OK"
    assert ground.ask((sticky / "still mine").rmdir) == "OK"


@SQUASHED
def test_others_directories_change_their_parent_only_as_others_may(ground: Ground) -> None:
    one, two = ground.place / "one", ground.place / "two"
    for directory, mode in ((one, 0o777), (two, 0o777), (one / "closed", 0o755), (two / "closed", 0o755)):
        alice(partial(make_directory, directory, mode))
    alice(lambda: make_directory(one / "open", 0o777))
    assert ground.ask(lambda: (one / "closed").rename(two / "new")) == "EACCES"
    assert ground.ask(lambda: (one / "closed").rename(one / "renamed")) == "OK"
    assert ground.ask(lambda: exchange(one / "open", two / "closed")) == "EACCES"
    assert ground.ask(lambda: (one / "open").rename(two / "closed")) == "OK"
    alice(lambda: make_file(one / "x.jpg", 0o600))
    assert ground.ask(lambda: (one / "x.jpg").rename(two / "x.jpg")) == "OK"


@SQUASHED
def test_what_root_makes_is_nobodys(ground: Ground) -> None:
    alice(lambda: ground.place.chmod(0o777))
    file, directory, link, made = (ground.place / name for name in ("x.jpg", "directory", "link", "made.jpg"))
    assert ground.ask(lambda: file.write_bytes(PICTURE)) == "OK"
    assert ground.ask(directory.mkdir) == "OK"
    assert ground.ask(lambda: link.symlink_to("x.jpg")) == "OK"
    assert ground.ask(lambda: os.mknod(made, stat.S_IFREG | 0o644)) == "OK"
    assert {owner_of(path) for path in (file, directory, link, made)} == {(NOBODY, NOBODY)}
    assert file.read_bytes() == PICTURE
    assert ground.ask(lambda: file.chmod(0o600)) == "OK"
    assert ground.ask(opening(file, os.O_RDWR)) == "OK"
    assert ground.ask(lambda: os.utime(file, (1, 1))) == "OK"
    assert ground.ask(lambda: os.chown(file, NOBODY, NOBODY)) == "OK"
    assert ground.ask(lambda: os.chown(file, 0, -1)) == "EPERM"
    assert ground.ask(lambda: os.chown(file, -1, ALICE)) == "EPERM"
    assert owner_of(file) == (NOBODY, NOBODY)


@SQUASHED
def test_an_open_file_is_written_on_when_its_directory_is_closed(squashed: Mount) -> None:
    within = squashed.path / "open at first"
    alice(lambda: make_directory(within, 0o777))
    with (within / "x.jpg").open("wb") as file:
        alice(lambda: within.chmod(0o700))
        file.write(PICTURE + b"more")
        file.flush()
        file.truncate(len(PICTURE))
        assert call((within / "x.jpg").read_bytes) == "EACCES"
    alice(lambda: within.chmod(0o755))
    assert (within / "x.jpg").read_bytes() == PICTURE


@pytest.mark.semantics("Names and attributes that the kernel was told for others")
def test_what_the_kernel_knows_is_not_opened_in_a_closed_directory(squashed: Mount) -> None:
    closed = squashed.path / "closed"
    file = closed / "x.jpg"
    alice(lambda: make_directory(closed))
    alice(lambda: make_file(file, 0o666))
    known = os.open(file, os.O_PATH)
    again = Path(f"/proc/self/fd/{known}")  # By which no name is looked up.
    assert call(again.read_bytes) == "OK"
    alice(lambda: closed.chmod(0o700))
    assert os.fstat(known).st_size == len(PICTURE)
    assert call(again.read_bytes) == "EACCES"
    assert call(lambda: os.truncate(again, 0)) == "EACCES"
    assert call(lambda: os.getxattr(again, "user.mime_type")) == "EACCES"
    os.close(known)


@SQUASHED
def test_attributes_that_are_not_kept_are_not_refused_either(squashed: Mount) -> None:
    file = squashed.path / "unreadable.jpg"
    alice(lambda: make_file(file, 0o600))
    for work in (lambda: os.getxattr(file, "trusted.a"), lambda: os.setxattr(file, "trusted.a", b"text")):
        with failing(EOPNOTSUPP):  # Which programs that copy take for an answer.
            work()


@SQUASHED
def test_what_is_moved_into_a_closed_directory_is_closed(squashed: Mount) -> None:
    private, shown = squashed.path / "moved to", squashed.path / "moved from"
    alice(lambda: make_directory(private, 0o700))
    alice(lambda: make_directory(shown))
    alice(lambda: make_directory(shown / "below"))
    alice(lambda: make_file(shown / "below" / "x.jpg"))
    alice(lambda: make_file(shown / "y.jpg"))
    known = [os.open(shown / name, os.O_PATH) for name in ("below/x.jpg", "y.jpg", "below")]
    alice(lambda: (shown / "below").rename(private / "below"))
    alice(lambda: (shown / "y.jpg").rename(private / "y.jpg"))
    for descriptor in known:
        assert call(opening(Path(f"/proc/self/fd/{descriptor}"), os.O_RDONLY)) == "EACCES"
        os.close(descriptor)


@SQUASHED
def test_variants_and_labels_are_others_as_their_entries_are(squashed: Mount) -> None:
    photo = squashed.path / "photo.jpg"
    alice(lambda: make_file(photo, 0o600))
    alice((squashed.path / "photo.jpg@" / "info.json").read_bytes)
    assert call((squashed.path / "photo.jpg@" / "info.json").read_bytes) == "EACCES"
    assert call((squashed.path / "photo.jpg@" / "w=1.png").lstat) == "EACCES"
    alice(lambda: photo.chmod(0o644))
    assert call((squashed.path / "photo.jpg@" / "info.json").read_bytes) == "OK"
    labelled = squashed.path / "-" / "labels" / "a=b"
    alice(lambda: os.setxattr(photo, "user.a", b"b"))
    assert call((labelled / "photo.jpg").read_bytes) == "OK"
    assert call((labelled / "photo.jpg").unlink) == "EACCES"
    alice((labelled / "photo.jpg").unlink)


@SQUASHED
@pytest.mark.semantics("Such links are made, removed and moved by who may set attributes")
def test_links_change_labels_only_of_what_others_may_write(squashed: Mount) -> None:
    drop = squashed.path / "drop"
    alice(lambda: make_directory(drop, 0o1777))
    for name, mode in (("x.jpg", 0o644), ("open.jpg", 0o646)):
        alice(partial(make_file, drop / name, mode))
        alice(partial(os.setxattr, drop / name, "user.a", b"b"))
    labels = drop / "-" / "labels"
    for name, expected in (("x.jpg", "EACCES"), ("open.jpg", "OK")):
        assert call(partial((labels / "new=1" / name).symlink_to, f"../../../{name}")) == expected
        assert call(partial((labels / "a=b" / name).rename, labels / "a=c" / name)) == expected
        assert call((labels / ("a=c" if expected == "OK" else "a=b") / name).unlink) == expected
    assert os.listxattr(drop / "x.jpg") == ["user.a"]
    assert os.listxattr(drop / "open.jpg") == ["user.new"]
    alice(lambda: drop.chmod(0o1770))
    assert call((labels / "new=1" / "open.jpg").unlink) == "EACCES"


@SQUASHED
def test_the_owner_works_on_and_a_refusal_is_explained(squashed: Mount) -> None:
    private = squashed.path / "private"
    alice(lambda: make_directory(private, 0o700))
    alice(lambda: make_file(private / "x.jpg", 0o600))
    assert call((private / "x.jpg").read_bytes) == "EACCES"
    alice(lambda: (private / "x.jpg").rename(private / "y.jpg"))
    alice(lambda: os.utime(private / "y.jpg", (1, 1)))
    alice((private / "y.jpg").unlink)
    told = (squashed.path / "-" / "errors").read_text()
    assert "root is nobody here" in told
    assert "/private/x.jpg" in told


@pytest.mark.semantics("konifer-fs warm PATH reads", "konifer-fs thumbnails --prime DIR")
@pytest.mark.parametrize("command", ["warm", "thumbnails --prime"])
def test_what_is_closed_to_root_is_told(squashed: Mount, command: str) -> None:
    place = squashed.path / f"t{uuid4().hex}"
    alice(lambda: place.mkdir(mode=0o755))
    alice(lambda: (place / "closed").mkdir(mode=0o700))
    done = konifer_fs(*command.split(), place, environ={**squashed.environ, "XDG_CACHE_HOME": str(squashed.data_dir)})
    assert (done.returncode, done.stderr) == (1, f"{place}/closed: Permission denied\n")
    assert done.stdout.endswith(", 1 failed\n")
