"""Real mounts for tests, made by the real command line.

    def test_a_claim(place: Path) -> None: ...                    an empty directory on a mount that others share
    def test_a_pair(place: Path, second_mount: Mount) -> None: ...  the same directory is second_mount.path / place.name
    def test_another(mounted: MountFactory) -> None:              a mount of one's own:
        mount = mounted("moto", options="ro", config="filesystem { drain = 1s }")
    def test_a_third(mounted, object_store: str) -> None: ...     once for each object store

All mounts of one test share its database, and those of one kind their objects. A mount of one's own takes about a
second, so take `place` where nothing of the mount itself is in question.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database
from tests.mount.killing import IMPATIENT
from tests.mount.mounting import Mount, MountFactory, make_factory, reason_not_to_mount
from tests.postgres.wire import Wire, wired
from tests.servers import S3Server, s3_servers

OBJECT_STORES: Final = ("filesystem", "moto", "rclone", "memory")


@pytest.fixture(scope="session")
def runtime_directory() -> Iterator[Path]:
    """Where the mounts of this session have their sockets, apart from the user's own."""
    with tempfile.TemporaryDirectory(prefix="kfs-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def fuse(runtime_directory: Path) -> Path:
    """Skip unless something can be mounted here; under CI that is a failure. Gives the runtime directory."""
    if reason := reason_not_to_mount():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"nothing can be mounted: {reason}")
    return runtime_directory


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["dict[str, S3Server]"]:
    """Give the S3 servers by name, each started when it is first asked for."""
    with ExitStack() as stack:
        yield _Servers(stack, tmp_path_factory)


class _Servers(dict[str, S3Server]):
    def __init__(self, stack: ExitStack, paths: pytest.TempPathFactory) -> None:
        super().__init__()
        self._stack = stack
        self._paths = paths

    def __missing__(self, name: str) -> S3Server:
        self[name] = self._stack.enter_context(s3_servers[name](self._paths.mktemp(name)))
        return self[name]


@pytest.fixture(params=OBJECT_STORES)
def object_store(request: pytest.FixtureRequest) -> str:
    """Each kind of object store, for `mounted`."""
    return str(request.param)


@pytest.fixture
def wire(database: str) -> Iterator[Wire]:
    """A wire to the database, which the mounts of `cuttable` use."""
    migrate_database(database)
    with tempfile.TemporaryDirectory(prefix="kfs-") as directory, wired(Path(directory), database) as wire:
        yield wire


@pytest.fixture
def cuttable(wire: Wire, database: str, fuse: Path, tmp_path: Path, s3_server: dict[str, S3Server]) -> Iterator[Mount]:
    """A mount whose database falls silent when `wire` does, and that waits one second for an answer."""
    with make_factory(wire.conninfo, tmp_path, fuse, s3_server) as factory:
        mount = factory(config=IMPATIENT)
        mount.conninfo = database
        yield mount
        wire.speak()


@pytest.fixture
def mounted(fuse: Path, database: str, tmp_path: Path, s3_server: dict[str, S3Server]) -> Iterator[MountFactory]:
    """Make mounts of this test's database; they are gone after it, whatever became of them."""
    migrate_database(database)
    with make_factory(database, tmp_path, fuse, s3_server) as factory:
        yield factory


def make_shared_database(postgres: EmbeddedServer) -> str:
    """Make a database that stays for the session; gives its conninfo."""
    name = f"shared_{uuid4().hex}"
    with psycopg.connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE konifer STRATEGY file_copy".encode())
    conninfo = make_conninfo(postgres.conninfo, dbname=name)
    migrate_database(conninfo)
    return conninfo


@pytest.fixture(scope="session")
def shared_mounts(
    fuse: Path, postgres: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory, s3_server: dict[str, S3Server]
) -> Iterator[MountFactory]:
    """Make mounts of one database that stay for the session."""
    conninfo = make_shared_database(postgres)
    with make_factory(conninfo, tmp_path_factory.mktemp("shared"), fuse, s3_server) as factory:
        yield factory


@pytest.fixture(scope="session")
def shared_mount(shared_mounts: MountFactory) -> Mount:
    """A mount on a filesystem store that stays for the session."""
    return shared_mounts()


@pytest.fixture(scope="session")
def second_mount(shared_mounts: MountFactory, shared_mount: Mount) -> Mount:
    """Another mount of what `shared_mount` shows."""
    return shared_mounts()


@pytest.fixture
def place(shared_mount: Mount) -> Path:
    """An empty directory on a mount that other tests use too."""
    path = shared_mount.path / f"t{uuid4().hex}"
    path.mkdir()
    return path
