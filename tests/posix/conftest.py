"""The POSIX suite asks the same questions of a mount and of the local disk, which shows that they are right.

A mount is one that everybody may use; root asks as ordinary users, in processes of their own.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from tests.mount.conftest import fuse, make_shared_database, runtime_directory, s3_server
from tests.mount.mounting import Mount, MountFactory, make_factory
from tests.servers import S3Server

__all__ = ["fuse", "runtime_directory", "s3_server"]


@contextmanager
def reachable(fuse: Path, postgres: EmbeddedServer, s3_server: dict[str, S3Server]) -> Iterator[MountFactory]:
    """Give what makes mounts in a directory that everybody can reach."""
    conninfo = make_shared_database(postgres)
    with tempfile.TemporaryDirectory(prefix="posix-") as directory:
        Path(directory).chmod(0o755)
        with make_factory(conninfo, Path(directory), fuse, s3_server) as factory:
            yield factory


@pytest.fixture(scope="session")
def open_mount(fuse: Path, postgres: EmbeddedServer, s3_server: dict[str, S3Server]) -> Iterator[Mount]:
    """A mount with `allow_other`, in a directory that everybody can reach."""
    with reachable(fuse, postgres, s3_server) as factory:
        yield factory(options="allow_other", config="filesystem.umask = 022")


@pytest.fixture(params=["mount", "local"])
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory, on each of both in turn."""
    if request.param == "mount":
        root = request.getfixturevalue("open_mount").path / f"t{uuid4().hex}"
        root.mkdir(mode=0o755)
        yield root
        return
    with tempfile.TemporaryDirectory(prefix="posix-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Run with the umask that the checks are written for."""
    before = os.umask(0o022)
    yield
    os.umask(before)
