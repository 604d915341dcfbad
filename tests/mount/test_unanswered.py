"""Commits that were done though no answer came: what is done to the file after that is done to what was stored."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO
from pathlib import Path

import pytest
from psycopg import connect

from tests.mount.elsewhere import names, wait_until
from tests.mount.killing import IMPATIENT
from tests.mount.mounting import Mount, make_factory
from tests.mount.saving import failing, jpeg, state
from tests.postgres.wire import Wire
from tests.servers import S3Server

SEES = pytest.mark.semantics("What one system call did, the next one sees")
LATER = pytest.mark.semantics("A later commit of the same opening")


@pytest.fixture
def mount(wire: Wire, fuse: Path, database: str, tmp_path: Path, s3_server: dict[str, S3Server]) -> Iterator[Mount]:
    with make_factory(wire.conninfo, tmp_path, fuse, s3_server) as factory:
        mount = factory(config=IMPATIENT)
        mount.conninfo = database
        yield mount


def store_unheard(mount: Mount, wire: Wire, name: str) -> Path:
    """Save a picture whose commit is done, and whose answer does not come before the deadline."""
    path = mount.path / name
    opened = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(opened, jpeg(1))
    wire.answer_until(name.encode())
    with failing(EIO):
        os.close(opened)
    with connect(mount.conninfo) as session:
        stored = session.execute("SELECT count(*) FROM konifer_fs.node WHERE name = %s", [name]).fetchone()
    assert (stored, state(path)) == ((1,), "pending")
    return path


@contextmanager
def hanging(mount: Mount) -> Iterator[None]:
    """Stop the processes that serve a mount, as a disk that hangs does; the server takes new connections."""
    with connect(mount.conninfo, autocommit=True) as session:
        serving = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        stopped = [pid for (pid,) in session.execute(serving)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def insist(act: Callable[[], object]) -> None:
    """Do what fails while the database is away, until it is back."""

    def is_done() -> bool:
        with suppress(OSError):
            act()
            return True
        return False

    wait_until(is_done)


@pytest.mark.semantics("A store that cannot be reached fails the call")
def test_a_database_whose_disk_hangs_is_given_up_though_it_takes_connections(mount: Mount) -> None:
    path = mount.path / "a.jpg"
    opened = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(opened, jpeg(1))
    with hanging(mount):
        with failing(EIO):
            os.close(opened)
        assert state(path) == "pending"
    wait_until(lambda: not mount.status()["drafts"])
    assert (names(mount.path), path.read_bytes()) == (["a.jpg"], jpeg(1))
    with connect(mount.conninfo) as session:
        assert session.execute("SELECT count(*) FROM asset_tree").fetchone() == (1,)


@SEES
def test_what_is_removed_is_gone(mount: Mount, wire: Wire) -> None:
    path = store_unheard(mount, wire, "removed.jpg")
    wire.speak()
    insist(path.unlink)
    wait_until(lambda: not mount.status()["drafts"])
    assert names(mount.path) == []
    with connect(mount.conninfo) as session:
        assert session.execute("SELECT count(*) FROM asset_tree").fetchone() == (0,)


@SEES
def test_what_is_renamed_has_its_new_name_alone(mount: Mount, wire: Wire) -> None:
    path = store_unheard(mount, wire, "before.jpg")
    wire.speak()
    insist(lambda: path.rename(path.with_name("after.jpg")))
    wait_until(lambda: not mount.status()["drafts"])
    assert names(mount.path) == ["after.jpg"]
    assert (mount.path / "after.jpg").read_bytes() == jpeg(1)


@SEES
def test_what_is_set_stays(mount: Mount, wire: Wire) -> None:
    path = store_unheard(mount, wire, "described.jpg")
    wire.speak()
    insist(lambda: path.chmod(0o600))
    insist(lambda: os.setxattr(path, "user.k", b"v"))
    insist(lambda: os.utime(path, ns=(5, 5)))
    wait_until(lambda: not mount.status()["drafts"])
    facts = path.stat()
    assert (facts.st_mode & 0o777, facts.st_mtime_ns, os.getxattr(path, "user.k")) == (0o600, 5, b"v")


@LATER
def test_what_is_written_after_it_replaces_it(mount: Mount, wire: Wire) -> None:
    path = store_unheard(mount, wire, "again.jpg")
    wire.speak()
    insist(lambda: path.write_bytes(jpeg(2)))
    wait_until(lambda: not mount.status()["drafts"])
    assert (names(mount.path), path.read_bytes()) == (["again.jpg"], jpeg(2))
    with connect(mount.conninfo) as session:
        assert session.execute("SELECT count(*) FROM asset_tree").fetchone() == (1,)
