"""Daemons and databases that are killed under a writing load: nothing that was acknowledged is lost."""

import errno
import logging
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from konifer_fs.adapters.postgres.programs import find_recorded_process
from tests.faults.calls import run_all
from tests.faults.writers import Writer, writing
from tests.mount.aftermath import hold_clean
from tests.mount.elsewhere import database as opened_database
from tests.mount.elsewhere import wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.postgres import ledger

log = logging.getLogger(__name__)

WRITERS = 4
LONGEST = 0.8
DEADLINE = 5


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list[Writer]]:
    """Writers with a seed that a failure tells."""
    seed = int(os.environ.get("KONIFER_FS_SEED") or random.randrange(1 << 32))
    log.warning("KONIFER_FS_SEED=%d", seed)
    with (tmp_path / "manifest").open("w") as manifest:
        yield [Writer(f"w{number}", random.Random(f"{seed}/{number}"), manifest) for number in range(WRITERS)]


def hold_account(mount: Mount) -> None:
    """Hold that rows agree and have their objects, no object is without a row, and parts of one go by themselves."""
    with opened_database(mount) as connection:
        ledger.check(connection)
        stored, told = ledger.stored(connection), ledger.told(connection)
    kept = {path.name for path in mount.objects.iterdir() if not path.name.startswith(".")}
    assert stored <= kept, "a row without an object"
    assert kept <= stored | told, "an object without a row"


@pytest.mark.parametrize("durability", ["close", "spool"])
@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(7200)])])
def test_nothing_acknowledged_is_lost_when_the_daemon_is_killed(
    mounted: MountFactory, writers: list[Writer], tmp_path: Path, rounds: int, durability: str
) -> None:
    mount = mounted(config=f"filesystem.durability = {durability}")
    for writer in writers:
        (mount.path / writer.name).mkdir()
    chance = random.Random(writers[0].random.random())
    for number in range(rounds):
        with writing(writers, mount.path):
            wait_until(lambda: all(writer.calls for writer in writers))
            time.sleep(chance.uniform(0.05, LONGEST))
            mount.kill()
        mount.mount()
        mount.umount()
        mount.data_dir = tmp_path / f"data{number}"
        mount.mount()
        for writer in writers:
            writer.hold(mount.path)
        hold_account(mount)


@pytest.fixture
def embedded(fuse: Path, tmp_path: Path) -> Iterator[Mount]:
    """A mount on an embedded database of its own."""
    (tmp_path / "at").mkdir()
    (tmp_path / "konifer.conf").write_text(f"filesystem {{ drain = 60s, deadline = {DEADLINE}s }}\n")
    with tempfile.TemporaryDirectory(prefix="kfs-") as short:  # As a socket's address is.
        data, cluster = Path(short), Path(short, "postgres", "cluster")
        mount = Mount(
            path=tmp_path / "at", conninfo=f"host={cluster} port=5432 user=konifer dbname=konifer",
            objects=data / "objects" / "assets", config_file=tmp_path / "konifer.conf", data_dir=data,
            environ={**os.environ, "XDG_RUNTIME_DIR": str(fuse)},
        )  # fmt: skip
        try:
            mount.mount()
            yield mount
            hold_clean(mount.config_file, mount.data_dir)
        finally:
            mount.clean_up()


def test_a_killed_embedded_database_comes_back_under_the_mount(embedded: Mount, writers: list[Writer]) -> None:
    for writer in writers:
        (embedded.path / writer.name).mkdir()
    with writing(writers, embedded.path):
        time.sleep(0.5)
        server = find_recorded_process(embedded.data_dir / "postgres" / "cluster")
        assert server is not None
        os.kill(server, signal.SIGKILL)
        time.sleep(1)
    wait_until(lambda: run_all({"make": (embedded.path / uuid4().hex).mkdir})["make"].number == 0)
    assert {writer.failure.errno for writer in writers if writer.failure} <= {errno.EIO}
    assert max(writer.longest for writer in writers) < DEADLINE + 1
    embedded.remount()
    for writer in writers:
        writer.hold(embedded.path)
    hold_account(embedded)
    assert "had died and runs again" in embedded.log()
