"""Image workers that crash or hang, spools that are taken, and what a mount leaves behind: nothing."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from errno import EIO
from pathlib import Path
from typing import Final

import psycopg
import pytest
from PIL import Image
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database
from konifer_fs.domain.formats import ImageFormat
from konifer_fs_daemon.mountpoint import is_ours
from tests.mount.elsewhere import PICTURE, names
from tests.mount.mounting import (
    CommandFailed,
    Mount,
    MountFactory,
    has_ended,
    spell_database,
    wait_for_end,
)
from tests.mount.saving import failing, state
from tests.pictures import make_picture

OTHER: Final = make_picture(ImageFormat.JPEG, seed=1)
CODEC = pytest.mark.semantics("An image that crashes or hangs its codec is EIO")
SPOOL = pytest.mark.semantics("A spool is held by one mount at a time")
NOTHING = pytest.mark.semantics("Unmounting leaves no process and no temporary file behind")


def children_of(pid: int) -> list[int]:
    """Give the processes that a process has started, over all of its threads."""
    return [int(child) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for child in tasks.read_text().split()]


def workers_of(mount: Mount) -> list[int]:
    """Give the image workers of a mount."""
    return [
        pid for pid in children_of(mount.pid) if b"pillow.worker" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    ]


@pytest.fixture
def one_worker(mounted: MountFactory) -> Mount:
    """A mount whose one image worker is running."""
    mount = mounted(config="filesystem.image { workers = 1, timeout = 1s }")
    (mount.path / "before").write_bytes(PICTURE)
    return mount


@CODEC
def test_a_worker_that_hangs_is_an_error_and_the_next_file_is_stored(one_worker: Mount) -> None:
    (hanging,) = workers_of(one_worker)
    os.kill(hanging, signal.SIGSTOP)
    began = time.monotonic()
    with failing(EIO):
        (one_worker.path / "file").write_bytes(OTHER)
    assert time.monotonic() - began < 2  # The time-out, and a second.
    assert wait_for_end(hanging)
    check_that_it_goes_on(one_worker)


@CODEC
def test_a_worker_that_dies_over_an_image_is_an_error_and_the_next_file_is_stored(mounted: MountFactory) -> None:
    mount = mounted(config="filesystem.image { workers = 1, timeout = 60s }")
    (mount.path / "before").write_bytes(PICTURE)
    (dying,) = workers_of(mount)
    os.kill(dying, signal.SIGSTOP)  # So it is sure to be at work when it is killed.
    descriptor = os.open(mount.path / "file", os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, OTHER)
    killer = threading.Timer(1, os.kill, (dying, signal.SIGKILL))
    killer.start()
    with failing(EIO):
        os.close(descriptor)
    killer.join()
    check_that_it_goes_on(mount)


@CODEC
def test_an_image_that_needs_too_much_memory_is_an_error_and_the_next_is_rendered(
    mounted: MountFactory, tmp_path: Path
) -> None:
    mount = mounted(config="filesystem.image { workers = 1, memory-max-bytes = 256 MiB }")
    Image.new("RGB", (9000, 9000)).save(tmp_path / "bomb.png", compress_level=1)
    assert (tmp_path / "bomb.png").stat().st_size < 2 << 20
    (mount.path / "bomb.png").write_bytes((tmp_path / "bomb.png").read_bytes())
    (mount.path / "file.jpg").write_bytes(OTHER)
    with failing(EIO):
        (mount.path / "bomb.png@" / "w=10.png").read_bytes()
    assert (mount.path / "file.jpg@" / "w=10.png").read_bytes()
    assert (mount.path / "bomb.png").read_bytes() == (tmp_path / "bomb.png").read_bytes()


def check_that_it_goes_on(mount: Mount) -> None:
    """The bytes are kept, the reason is in the log, and a later close stores them."""
    assert state(mount.path / "file") == "incomplete"
    assert (mount.path / "file").read_bytes() == OTHER
    assert "The content cannot be read" in mount.log()
    (mount.path / "after").write_bytes(PICTURE)
    assert state(mount.path / "after") == "ready"
    (mount.path / "file").write_bytes(OTHER)
    assert state(mount.path / "file") == "ready"
    assert names(mount.path) == ["after", "before", "file"]


@CODEC
def test_a_worker_that_died_idle_is_replaced(one_worker: Mount) -> None:
    (idle,) = workers_of(one_worker)
    os.kill(idle, signal.SIGKILL)
    assert wait_for_end(idle)
    (one_worker.path / "file").write_bytes(OTHER)
    assert state(one_worker.path / "file") == "ready"
    assert workers_of(one_worker) != [idle]


@SPOOL
def test_a_spool_that_is_held_is_not_taken(mounted: MountFactory, tmp_path: Path) -> None:
    """A lazy unmount takes the mountpoint away from a daemon that still has an open file."""
    mount = mounted()
    (mount.path / "file").write_bytes(PICTURE)
    holding = mount.pid
    with (mount.path / "file").open("rb") as opened:
        subprocess.run(["fusermount3", "-uz", mount.path], check=True, timeout=60)
        with tempfile.TemporaryDirectory(prefix="kfs-") as elsewhere:
            mount.environ = {**mount.environ, "XDG_RUNTIME_DIR": elsewhere}
            with pytest.raises(CommandFailed, match="The spool belongs to another mount"):
                mount.mount()
            assert not is_ours(mount.path)
            assert not has_ended(holding)
            assert opened.read() == PICTURE
            opened.close()
            assert wait_for_end(holding)
            mount.mount()
            assert (mount.path / "file").read_bytes() == PICTURE
            mount.umount()


@pytest.fixture
def other_database(postgres: EmbeddedServer, database: str) -> Iterator[str]:
    """Conninfo of another store's database."""
    name = f"other_{psycopg.conninfo.conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE konifer STRATEGY file_copy".encode())
        conninfo = make_conninfo(postgres.conninfo, dbname=name)
        migrate_database(conninfo)
        yield conninfo
        session.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@SPOOL
def test_a_spool_with_drafts_of_another_store_is_refused(mounted: MountFactory, other_database: str) -> None:
    mount = mounted()
    (mount.path / ".note").write_text("mine")
    mount.umount()
    own = mount.config_file.read_text()
    mount.config_file.write_text(f"{own}\n{spell_database(other_database)}\n")
    with pytest.raises(CommandFailed, match="holds drafts of"):
        mount.mount()
    assert not is_ours(mount.path)
    mount.config_file.write_text(own)
    with pytest.raises(CommandFailed, match="holds drafts of"):
        mount.mount("--subpath", "/below")
    mount.mount()
    assert (mount.path / ".note").read_text() == "mine"
    (mount.path / ".note").unlink()
    mount.umount()
    mount.config_file.write_text(f"{own}\n{spell_database(other_database)}\n")
    mount.mount()
    assert names(mount.path) == []


@NOTHING
@pytest.mark.parametrize("object_store", ["filesystem", "moto"])
def test_unmounting_leaves_no_process_and_no_temporary_file(
    mounted: MountFactory, tmp_path: Path, object_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    mount = mounted(object_store)
    for name in ("one", "two"):
        shutil.copytree(make_tree(tmp_path / name), mount.path / name)
    assert (mount.path / "one" / "a.jpg").read_bytes() == PICTURE
    spool = Path(mount.status()["spool"]["directory"])
    processes = [mount.pid, *children_of(mount.pid)]
    assert len(processes) > 1
    mount.umount()
    assert [pid for pid in processes if not has_ended(pid)] == []
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in spool.rglob("*")) == ["drafts", "leftovers", "lock", "owner", "renderings"]
    assert list(mount.path.iterdir()) == []
    if object_store == "filesystem":
        assert {path.read_bytes() for path in mount.objects.parent.rglob("*") if path.is_file()} == {PICTURE, OTHER}


def make_tree(root: Path) -> Path:
    root.mkdir()
    (root / "a.jpg").write_bytes(PICTURE)
    (root / "b.jpg").write_bytes(OTHER)
    return root
