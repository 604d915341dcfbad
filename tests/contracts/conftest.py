"""Every object store under test, behind one fixture."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import ObjectStore
from tests.servers import S3Server, run_moto, run_rclone


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A store to put to the test, and two buckets of it."""

    store: ObjectStore
    bucket: str
    other_bucket: str
    directory: Path

    def new_ref(self) -> ObjectRef:
        return ObjectRef(self.bucket, f"{uuid4()}.jpeg")

    def source(self, content: bytes) -> Path:
        path = self.directory / uuid4().hex
        path.write_bytes(content)
        return path


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(params=["moto", "rclone"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, S3Server)
    return found


STORES = ["directory", "memory", "s3-moto", "s3-rclone"]


@pytest.fixture(scope="module", params=STORES)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A store that the tests of a module share: keys are new, so they do not meet."""
    with make_bench(request, tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(params=STORES)
def own_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A store for one test alone."""
    with make_bench(request, tmp_path) as made:
        yield made


@contextmanager
def make_bench(request: pytest.FixtureRequest, directory: Path) -> Iterator[Bench]:
    store: ObjectStore
    buckets = ["assets", "others"]
    if request.param == "directory":
        (directory / "objects").mkdir()
        store = DirectoryObjectStore(directory / "objects")
    elif request.param == "memory":
        store = MemoryObjectStore(max_bytes=256 << 20)
    else:
        server = request.getfixturevalue(request.param.removeprefix("s3-"))
        buckets = [server.make_bucket(), server.make_bucket()]
        store = server.make_store()
    with closing(store):
        yield Bench(store=store, bucket=buckets[0], other_bucket=buckets[1], directory=directory)
