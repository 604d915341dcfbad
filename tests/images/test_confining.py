"""A worker that a stranger's file has taken over gets at nothing, and goes on serving."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.adapters.pillow.confining import LANDLOCK, SECCOMP
from konifer_fs.adapters.pillow.engine import CONFINING_COMMAND
from konifer_fs.adapters.pillow.pool import WorkerPool
from tests.images.conftest import MEMORY_BYTES
from tests.images.prying_worker import WAYS

DEADLINE: Final = 60
ALLOWED: Final = frozenset({"start a thread", "signal itself"})
READING: Final = frozenset({"read a file", "read its parent's environment"})


def make_pool(libseccomp: str = "libseccomp.so.2") -> WorkerPool:
    script = str(Path(__file__).with_name("prying_worker.py"))
    command = (sys.executable, "-P", script, libseccomp, str(MEMORY_BYTES), str(DEADLINE))
    return WorkerPool(command, workers=1, timeout=DEADLINE)


@pytest.fixture(scope="module")
def prying() -> Iterator[WorkerPool]:
    with closing(make_pool()) as pool:
        yield pool


@pytest.fixture(scope="module")
def layers() -> list[str]:
    return subprocess.run(CONFINING_COMMAND, capture_output=True, text=True, check=True, timeout=60).stdout.split()


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A file that is none of a worker's business."""
    path = tmp_path / "precious"
    path.write_bytes(b"bytes")
    path.chmod(0o600)
    return path


def test_a_worker_is_confined_here(layers: list[str]) -> None:
    assert SECCOMP in layers


@pytest.mark.parametrize("way", sorted(WAYS.keys() - ALLOWED - READING))
def test_what_no_worker_needs_is_refused_and_it_goes_on_serving(prying: WorkerPool, others: Path, way: str) -> None:
    said = prying.ask(f"{way}: {others}".encode())
    assert said["came"] == "PermissionError"
    assert prying.ask(f"start a thread: {others}".encode()) == {"pid": said["pid"], "came": "done"}
    assert list(others.parent.iterdir()) == [others]
    assert others.read_bytes() == b"bytes"
    assert others.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("way", sorted(READING))
def test_others_files_are_not_read(prying: WorkerPool, layers: list[str], others: Path, way: str) -> None:
    if LANDLOCK not in layers:
        pytest.skip("this kernel has no Landlock")
    assert prying.ask(f"{way}: {others}".encode())["came"] == "PermissionError"


@pytest.mark.parametrize("way", sorted(ALLOWED))
def test_what_codecs_need_is_not_refused(prying: WorkerPool, way: str) -> None:
    assert prying.ask(f"{way}: ".encode())["came"] == "done"


def test_without_libseccomp_a_worker_serves_all_the_same(others: Path) -> None:
    with closing(make_pool("libnowhere.so.2")) as pool:
        assert pool.ask(f"make a socket: {others}".encode())["came"] == "done"
