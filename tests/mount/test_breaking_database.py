"""What can be read while the database is away."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from konifer_fs.adapters.postgres.migrate import migrate_database
from tests.mount.killing import IMPATIENT
from tests.mount.mounting import Mount, make_factory
from tests.mount.saving import failing, jpeg
from tests.postgres.wire import Wire, wired
from tests.servers import S3Server

READ_ON = pytest.mark.semantics("A store that cannot be reached fails the call")


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    migrate_database(database)
    with tempfile.TemporaryDirectory(prefix="kfs-") as directory, wired(Path(directory), database) as wire:
        yield wire


@pytest.fixture
def mount(wire: Wire, fuse: Path, tmp_path: Path, s3_server: dict[str, S3Server]) -> Iterator[Mount]:
    with make_factory(wire.conninfo, tmp_path, fuse, s3_server) as factory:
        yield factory(config=IMPATIENT)
        wire.speak()


@READ_ON
def test_drafts_in_directories_can_be_read_on(mount: Mount, wire: Wire) -> None:
    below = mount.path / "a" / "b"
    below.mkdir(parents=True)
    paths = [mount.path / "p.jpg", below / "p.jpg"]
    opened = [os.open(path, os.O_CREAT | os.O_WRONLY) for path in paths]
    for number, descriptor in enumerate(opened):
        os.write(descriptor, jpeg(number))
    wire.fall_silent()
    for descriptor in opened:
        with failing(errno.EIO):
            os.close(descriptor)
    for _ in range(3):
        assert [path.read_bytes() for path in paths] == [jpeg(0), jpeg(1)]
    with failing(errno.EIO):
        (below / "other.jpg").read_bytes()


@READ_ON
def test_the_reasons_can_be_read_meanwhile(mount: Mount, wire: Wire) -> None:
    wire.fall_silent()
    with failing(errno.EIO):
        (mount.path / "new").mkdir()
    for _ in range(3):
        assert "cannot be reached" in (mount.path / "-" / "errors").read_text()
        assert "konifer_fs_" in (mount.path / "-" / "stats").read_text()
