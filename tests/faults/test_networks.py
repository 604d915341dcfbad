"""Networks that fail: each call ends with an errno in time, and the mount is as it was when they are well again.

The one time that is compared is the one that is promised: a call ends within the deadline, and a second.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.faults.calls import run_all
from tests.faults.conftest import DEADLINE, Exposed
from tests.faults.proxy import DATABASE_FAULTS, OBJECT_FAULTS, Proxy, truncate_answers
from tests.mount.elsewhere import PICTURE, names, query, wait_until
from tests.mount.saving import asset_path, failing, state
from tests.pictures import make_picture

OTHER = make_picture(ImageFormat.JPEG, seed=1)
BRIEFLY = pytest.mark.semantics("An object store that is away for less than the deadline")
UNREACHABLE = pytest.mark.semantics("A store that cannot be reached fails the call with EIO")
TOO_LONG = DEADLINE + 1


@contextmanager
def ailing(proxy: Proxy, fault: Callable[[Proxy], None]) -> Iterator[None]:
    try:
        fault(proxy)
        yield
    finally:
        proxy.heal()


@pytest.fixture
def place(exposed: Exposed) -> Path:
    place = exposed.mount.path / f"t{uuid4().hex}"
    place.mkdir()
    for name in ("read", "unread", "unlinked", "renamed", "changed", "cut"):
        (place / name).write_bytes(PICTURE)
    exposed.mount.path.stat()
    return place


def save(file: Path) -> None:
    file.write_bytes(OTHER)


def hold_healthy(place: Path, pending: Mapping[str, bytes]) -> None:
    """Hold that everything works, that nothing was lost, and that drafts of before are read as they were written."""
    wait_until(lambda: run_all({"save": lambda: save(place / "after")})["save"].number == 0)
    assert (place / "after").read_bytes() == OTHER
    assert (place / "unread").read_bytes() == PICTURE
    assert {"after", "read", "unread", *pending} <= set(names(place))
    for name, content in pending.items():
        assert (place / name).read_bytes() == content
    os.setxattr(place / "changed", "user.xdg.comment", b"y")
    assert os.getxattr(place / "changed", "user.xdg.comment") == b"y"
    (place / "after").rename(place / "later")
    (place / "later").unlink()
    assert not (place / "later").exists()


@UNREACHABLE
@pytest.mark.parametrize("fault", DATABASE_FAULTS)
def test_while_the_database_fails_calls_fail_in_time(exposed: Exposed, place: Path, fault: str) -> None:
    with (place / "read").open("rb") as opened:
        opened.read(1)
        writing = os.open(place / "new", os.O_CREAT | os.O_WRONLY)
        os.write(writing, OTHER)
        with ailing(exposed.database, DATABASE_FAULTS[fault]):
            failed = run_all(
                {
                    "close": lambda: os.close(writing),
                    "look up": (place / uuid4().hex / "file").stat,
                    "list": lambda: names(place),
                    "make a directory": (place / "directory").mkdir,
                    "rename": lambda: (place / "renamed").rename(place / "moved"),
                    "unlink": (place / "unlinked").unlink,
                    "change the mode": lambda: (place / "changed").chmod(0o600),
                    "set an attribute": lambda: os.setxattr(place / "changed", "user.xdg.comment", b"x"),
                    "open": lambda: (place / "unread").open("rb").close(),
                    "truncate": lambda: os.truncate(place / "cut", 0),
                }
            )
            answered = run_all({"tell the space": lambda: os.statvfs(exposed.mount.path), "read on": opened.read})
    assert {name: outcome.number for name, outcome in failed.items()} == dict.fromkeys(failed, errno.EIO)
    assert {name: outcome.number for name, outcome in answered.items()} == dict.fromkeys(answered, 0)
    assert {name: it.seconds for name, it in (failed | answered).items() if it.seconds > TOO_LONG} == {}
    hold_healthy(place, {"new": OTHER})


@UNREACHABLE
@pytest.mark.parametrize("fault", OBJECT_FAULTS)
def test_while_the_object_store_fails_calls_fail_in_time(exposed: Exposed, place: Path, fault: str) -> None:
    with (place / "read").open("rb") as opened:
        opened.read(1)
        with ailing(exposed.objects, OBJECT_FAULTS[fault]):
            failed = run_all(
                {
                    "save": lambda: save(place / "new"),
                    "read": (place / "unread").read_bytes,
                    "truncate": lambda: os.truncate(place / "cut", 10),
                }
            )
            answered = run_all(
                {
                    "tell the space": lambda: os.statvfs(place),
                    "read on": opened.read,
                    "list": lambda: names(place),
                    "make a directory": (place / "directory").mkdir,
                    "rename": lambda: (place / "renamed").rename(place / "moved"),
                    "unlink": (place / "unlinked").unlink,
                    "read a draft": (place / "new").read_bytes,
                }
            )
            assert state(place / "new") == "pending"
    assert {name: outcome.number for name, outcome in failed.items()} == dict.fromkeys(failed, errno.EIO)
    assert {name: outcome.number for name, outcome in answered.items()} == dict.fromkeys(answered, 0)
    assert {name: it.seconds for name, it in (failed | answered).items() if it.seconds > TOO_LONG} == {}
    hold_healthy(place, {"new": OTHER})


@BRIEFLY
@pytest.mark.parametrize("fault", OBJECT_FAULTS)
def test_an_object_store_that_is_away_for_less_than_the_deadline_only_makes_calls_wait(
    exposed: Exposed, place: Path, fault: str
) -> None:
    back = threading.Timer(DEADLINE / 2, exposed.objects.heal)
    with (place / "edited").open("wb") as edited:
        edited.write(OTHER)
    with ailing(exposed.objects, OBJECT_FAULTS[fault]):
        back.start()
        answered = run_all(
            {
                "save": lambda: save(place / "new"),
                "read": (place / "unread").read_bytes,
                "change": lambda: append(place / "edited"),
            }
        )
        back.join()
    assert {name: outcome.number for name, outcome in answered.items()} == dict.fromkeys(answered, 0)
    assert state(place / "new") == "ready"
    assert (place / "edited").read_bytes() == OTHER + b"more"


@BRIEFLY
def test_an_object_store_that_stays_away_fails_at_once_whoever_comes_next(exposed: Exposed, place: Path) -> None:
    """Three calls, one after the other, end within the deadline of the first and a second."""
    with ailing(exposed.objects, OBJECT_FAULTS["503"]):
        began = time.monotonic()
        for name in ("unread", "changed", "renamed"):
            with failing(errno.EIO):
                (place / name).read_bytes()
        assert time.monotonic() - began < TOO_LONG
    hold_healthy(place, {})


def append(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def test_a_truncated_answer_is_never_a_short_file(exposed: Exposed, place: Path) -> None:
    with ailing(exposed.objects, truncate_answers):
        failed = run_all({"read": (place / "unread").read_bytes, "truncate": lambda: os.truncate(place / "cut", 10)})
    assert {name: outcome.number for name, outcome in failed.items()} == dict.fromkeys(failed, errno.EIO)
    assert {name: it.seconds for name, it in failed.items() if it.seconds > TOO_LONG} == {}
    assert (place / "cut").read_bytes() == PICTURE
    hold_healthy(place, {})


def test_slow_networks_only_take_longer(exposed: Exposed, place: Path) -> None:
    exposed.database.delay = exposed.objects.delay = DEADLINE / 20
    try:
        save(place / "new")
        assert (place / "unread").read_bytes() == PICTURE
        (place / "new").rename(place / "newer")
        assert (place / "newer").read_bytes() == OTHER
    finally:
        exposed.database.heal()
        exposed.objects.heal()


def test_what_could_not_be_stored_is_stored_at_the_end(exposed: Exposed) -> None:
    """After all the faults above: each draft that stayed is in both stores, and another mount shows it."""
    kept = {
        str(path.relative_to(exposed.mount.path)): path.read_bytes()
        for path in exposed.mount.path.glob("*/*")
        if path.is_file()
    }
    exposed.mount.remount()
    assert exposed.mount.status()["drafts"] == {}
    assert {name: (exposed.mount.path / name).read_bytes() for name in kept} == kept


@pytest.mark.semantics("When changes cannot be told, within three seconds")
@pytest.mark.parametrize("fault", DATABASE_FAULTS)
def test_nothing_that_was_believed_outlives_the_feed(exposed: Exposed, place: Path, fault: str) -> None:
    """What changes while this mount cannot be told of it is seen when the network is well again."""
    file = place / "read"
    file.stat()
    assert not (place / "none").exists()
    directory = asset_path(exposed.mount, place).ltree
    with ailing(exposed.database, DATABASE_FAULTS[fault]):
        ((number,),) = query(exposed.mount, "SELECT id FROM konifer_fs.node WHERE path = %s::text::ltree", directory)
        for statement in (
            "UPDATE konifer_fs.node SET mode = 256 WHERE parent = %s AND name = 'read' RETURNING 1",
            "INSERT INTO konifer_fs.node (parent, name, target) VALUES (%s, 'none', 'read') RETURNING 1",
        ):
            assert len(query(exposed.mount, statement, number)) == 1
        time.sleep(2 * DEADLINE)
    wait_until(lambda: run_all({"look": file.stat})["look"].number == 0)
    wait_until(lambda: file.stat().st_mode & 0o777 == 0o400, 5)
    wait_until((place / "none").is_symlink, 5)
    hold_healthy(place, {})
