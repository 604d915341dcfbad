"""What the suite of faults runs on: mounts as tests/mount makes them, with a network of ours before the stores."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database
from tests.faults.proxy import Proxy, connecting_to, proxying
from tests.mount.aftermath import hold_clean, hold_nothing_hangs
from tests.mount.conftest import fuse, runtime_directory, s3_server
from tests.mount.mounting import Mount, MountFactory, make_factory
from tests.servers import S3Server

__all__ = ["fuse", "runtime_directory", "s3_server"]

DEADLINE = 3


@pytest.fixture(autouse=True)
def nothing_hangs() -> Iterator[None]:
    """Hold after each test, when its mounts are gone, that no task was left waiting for one."""
    yield
    hold_nothing_hangs()


@pytest.fixture
def mounted(fuse: Path, database: str, tmp_path: Path, s3_server: dict[str, S3Server]) -> Iterator[MountFactory]:
    """Make mounts of this test's database; after it the stores of each must agree."""
    migrate_database(database)
    with make_factory(
        database, tmp_path, fuse, s3_server, hold=lambda mount: hold_clean(mount.config_file, mount.data_dir)
    ) as factory:
        yield factory


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A mount whose stores are behind networks that can fail, and that waits `DEADLINE` seconds for them."""

    mount: Mount
    database: Proxy
    objects: Proxy


@pytest.fixture(scope="module")
def exposed(
    fuse: Path,
    postgres: EmbeddedServer,
    s3_server: dict[str, S3Server],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exposed]:
    """One for a module; a test leaves its networks well."""
    name = f"faults_{uuid4().hex}"
    with psycopg.connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE konifer STRATEGY file_copy".encode())
    conninfo = make_conninfo(postgres.conninfo, dbname=name)
    migrate_database(conninfo)
    server = s3_server["rclone"]
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kfs-")))
        database = stack.enter_context(_before_database(conninfo, place))
        listener = socket.create_server(("127.0.0.1", 0))
        port = urlsplit(server.endpoint_url).port
        objects = stack.enter_context(proxying(listener, lambda: socket.create_connection(("127.0.0.1", port or 0))))
        factory = stack.enter_context(
            make_factory(
                make_conninfo(conninfo, host=str(place), port=5432), tmp_path_factory.mktemp("faults"), fuse, s3_server
            )
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        mount = factory(
            "rclone",
            config=f'object-store.s3.endpoint-url = "{url}"\nfilesystem {{ deadline = {DEADLINE}s, drain = 5s }}',
        )
        mount.conninfo = conninfo
        yield Exposed(mount=mount, database=database, objects=objects)
        for proxy in (database, objects):
            proxy.heal()
        hold_clean(mount.config_file, mount.data_dir)


def _before_database(conninfo: str, directory: Path) -> AbstractContextManager[Proxy]:
    behind = conninfo_to_dict(conninfo)
    address = f"{behind['host']}/.s.PGSQL.{behind.get('port', 5432)}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / ".s.PGSQL.5432"))
    listener.listen()

    return proxying(listener, connecting_to(socket.AF_UNIX, address))
