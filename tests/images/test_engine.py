"""Workers hang, crash, eat memory and are killed; the engine lives on and leaves none behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.domain.errors import ContentUnreadable, NotWhole, WrongMediumType
from konifer_fs.domain.formats import ImageFormat
from tests.pictures import make_picture

Store = Callable[[bytes], Path]

FAULTY_COMMAND: Final = (sys.executable, "-P", str(Path(__file__).with_name("faulty_worker.py")))
MEMORY_BYTES: Final = 256 << 20
DEADLINE: Final = 60


def make_engine(*, workers: int = 1, timeout: float = DEADLINE) -> PillowEngine:
    return PillowEngine(workers=workers, timeout=timeout, memory_bytes=MEMORY_BYTES, command=FAULTY_COMMAND)


@pytest.fixture
def faulty() -> Iterator[PillowEngine]:
    engine = make_engine()
    yield engine
    engine.close()


@pytest.fixture
def picture(stored: Store) -> Path:
    return stored(make_picture(ImageFormat.JPEG))


def worker_pids(parent: int | None = None) -> set[int]:
    """The processes that `parent`, or this one, started as workers and that still are, zombies too."""
    pids = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, owner = status.read_text().rpartition(")")[2].split()[:2]
            command = status.with_name("cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(owner) == (parent or os.getpid()) and (b"worker" in command or state == "Z"):
            pids.add(int(status.parent.name))
    return pids


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("fault", [b"abort", b"killed", b"raise", b"leave"])
def test_a_crash_fails_that_probe_and_no_other(
    faulty: PillowEngine, stored: Store, picture: Path, fault: bytes
) -> None:
    for _ in range(2):
        with pytest.raises(ContentUnreadable):
            faulty.probe(stored(fault))
        assert faulty.probe(picture).format is ImageFormat.JPEG


def test_memory_over_the_limit_fails_that_probe_and_no_other(
    faulty: PillowEngine, stored: Store, picture: Path
) -> None:
    with pytest.raises(ContentUnreadable, match="MemoryError"):
        faulty.probe(stored(b"eat"))
    assert faulty.probe(picture).format is ImageFormat.JPEG


def test_a_worker_that_hangs_is_killed(stored: Store, picture: Path) -> None:
    engine = make_engine(timeout=2)
    try:
        with pytest.raises(ContentUnreadable, match="too long"):
            engine.probe(stored(b"hang"))
        assert engine.probe(picture).format is ImageFormat.JPEG
    finally:
        engine.close()


def test_a_worker_that_died_between_two_probes_is_replaced(faulty: PillowEngine, picture: Path) -> None:
    before = worker_pids()
    faulty.probe(picture)
    (worker,) = worker_pids() - before
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    assert faulty.probe(picture).format is ImageFormat.JPEG


def test_the_same_worker_answers_again_and_again(faulty: PillowEngine, stored: Store, picture: Path) -> None:
    before = worker_pids()
    faulty.probe(picture)
    first = worker_pids() - before
    with pytest.raises(NotWhole):
        faulty.probe(stored(picture.read_bytes()[:-2]))
    with pytest.raises(WrongMediumType):
        faulty.probe(stored(b"text"))
    assert worker_pids() - before == first
    assert len(first) == 1


def test_probes_from_many_threads_get_each_its_own_answer(stored: Store) -> None:
    engine = make_engine(workers=3, timeout=3)
    sizes = [(10 + number, 20 + number) for number in range(60)]
    files = [stored(make_picture(ImageFormat.JPEG, size)) for size in sizes]
    faults = [stored(fault) for fault in (b"abort", b"killed", b"hang", b"raise") * 2]

    def fail(path: Path) -> bool:
        with pytest.raises(ContentUnreadable):
            engine.probe(path)
        return True

    try:
        before = worker_pids()
        with ThreadPoolExecutor(24) as pool:
            failed = [pool.submit(fail, path) for path in faults]
            found = list(pool.map(engine.probe, files))
            assert [(attributes.width, attributes.height) for attributes in found] == sizes
            assert all(future.result() for future in failed)
        assert len(worker_pids() - before) <= 3
    finally:
        engine.close()


def test_closing_leaves_no_process_and_fails_what_hangs(stored: Store, picture: Path) -> None:
    engine = make_engine(workers=3)
    before = worker_pids()
    engine.probe(picture)
    with ThreadPoolExecutor(4) as pool:
        hanging = [pool.submit(engine.probe, stored(b"hang")) for _ in range(4)]
        wait_until(lambda: len(worker_pids() - before) == 3)
        engine.close()
        for future in hanging:
            with pytest.raises(ContentUnreadable):
                future.result(DEADLINE)
    assert not worker_pids() - before
    with pytest.raises(ContentUnreadable, match="closed"):
        engine.probe(picture)
    engine.close()


def test_an_engine_that_was_never_used_has_no_process() -> None:
    before = worker_pids()
    engine = make_engine(workers=4)
    assert worker_pids() == before
    engine.close()


def test_a_command_that_is_not_there_fails_the_probe(picture: Path) -> None:
    engine = PillowEngine(workers=1, timeout=DEADLINE, memory_bytes=MEMORY_BYTES, command=["/nowhere/worker"])
    for _ in range(2):
        with pytest.raises(ContentUnreadable, match="started"):
            engine.probe(picture)
    engine.close()


@pytest.mark.parametrize("is_hung", [False, True], ids=["idle", "hung"])
def test_a_killed_daemon_leaves_no_worker(stored: Store, picture: Path, tmp_path: Path, is_hung: bool) -> None:
    script = tmp_path / "daemon.py"
    script.write_text(
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from konifer_fs.adapters.pillow.engine import PillowEngine\n"
        "engine = PillowEngine(workers=1, timeout=2, memory_bytes=1 << 28, command=sys.argv[3:])\n"
        "engine.probe(Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "engine.probe(Path(sys.argv[2]))\n"
        "time.sleep(600)\n"
    )
    second = stored(b"hang") if is_hung else picture
    daemon = subprocess.Popen([sys.executable, script, picture, second, *FAULTY_COMMAND], stdout=subprocess.PIPE)
    with daemon:
        assert daemon.stdout
        assert daemon.stdout.readline() == b"ready\n"
        (worker,) = worker_pids(daemon.pid)
        daemon.kill()
    wait_until(lambda: not Path(f"/proc/{worker}").exists())


def test_names_of_any_bytes_are_probed(faulty: PillowEngine, tmp_path: Path, picture: Path) -> None:
    for name in (b"line\nbreak", b"\xff\xfe", "Größe 🖼".encode(), b'"\\'):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(picture.read_bytes())
        assert faulty.probe(path).format is ImageFormat.JPEG


def test_a_relative_path_is_found_from_our_directory(
    faulty: PillowEngine, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    assert faulty.probe(Path(picture.name)).format is ImageFormat.JPEG


def test_workers_get_no_credentials_and_keep_no_directory_busy(
    monkeypatch: pytest.MonkeyPatch, faulty: PillowEngine, picture: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("PGPASSWORD", "another")
    monkeypatch.chdir(tmp_path)
    before = worker_pids()
    faulty.probe(picture)
    (worker,) = worker_pids() - before
    environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"secret" not in environment
    assert b"another" not in environment
    assert Path(f"/proc/{worker}/cwd").readlink() == Path("/")


def test_a_file_that_shrinks_while_it_is_read_fails_alone(faulty: PillowEngine, picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "shrinking"
    content = make_picture(ImageFormat.GIF, (300, 300), pages=3)
    stop = threading.Event()

    def shrink() -> None:
        while not stop.is_set():
            path.write_bytes(content)
            os.truncate(path, 1)

    path.write_bytes(content)
    writer = threading.Thread(target=shrink)
    writer.start()
    try:
        for _ in range(100):
            with suppress(NotWhole, WrongMediumType, ContentUnreadable):
                assert faulty.probe(path).format is ImageFormat.GIF
    finally:
        stop.set()
        writer.join()
    assert faulty.probe(picture).format is ImageFormat.JPEG
