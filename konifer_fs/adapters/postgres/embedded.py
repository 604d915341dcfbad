"""The embedded PostgreSQL, for mounts that are configured with no database: one server a data directory, shared.

`wiring` and the tests use it. Tables do not belong here (`migrate.py`), nor how its programs are run (`programs.py`).

What lies in the data directory: `cluster/` (PostgreSQL's own, 0700, with the server's socket and log), `holders.lock`,
on which every mount keeps a shared flock while it lives, and `transition.lock`, held while the server is brought up
or let go. The kernel drops a dead process's locks, so nothing that was killed is ever counted. The server never
has them, for Python's descriptors close on exec.

Who may connect: authentication is `trust`, because the only way in is a socket in `cluster/`. That directory and the
socket are 0700, so only the server's own user and root get there, who could read its files or become it anyway;
`peer` would let in the same two. There is no TCP.
"""

import contextlib
import fcntl
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from konifer_fs.adapters.postgres import programs
from konifer_fs.domain.errors import KoniferFsError, SchemaMismatch, StoreRefused, StoreUnreachable

log = logging.getLogger(__name__)

Ending: TypeAlias = Sequence[tuple[signal.Signals, float]]

DATABASE: Final = "konifer"
MAJOR: Final = "18"

_DURABLE: Final = {
    "cluster_name": "konifer-fs",
    "listen_addresses": "",
    "unix_socket_directories": programs.HERE,
    "unix_socket_permissions": "0700",
    "port": "5432",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_wal_size": "2GB",
    # A name that is taken is an answer, not an event: refused statements would fill the log.
    "log_min_messages": "log",
    "log_checkpoints": "off",
}
_FORGETFUL: Final = {"shared_buffers": "64MB", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_LOG: Final = "server.log"
_LOG_BYTES: Final = 1 << 20
# 107 bytes are what a socket's address holds, less "/.s.PGSQL.5432" (and ".lock", which only the server needs).
_LONGEST_HOST: Final = 107 - len("/.s.PGSQL.5432")
_FAILURE: Final = re.compile(r"\b(FATAL|PANIC|ERROR|DETAIL|error):")
_POLL: Final = 0.1
_LOOK_SECONDS: Final = 1.0
_FAST: Final = ((signal.SIGINT, 120.0), (signal.SIGQUIT, 20.0), (signal.SIGKILL, 20.0))
_AT_ONCE: Final = ((signal.SIGQUIT, 20.0), (signal.SIGKILL, 20.0))
# Ends a temporary server whose mount was killed, as its user: `cat` returns when the last copy of our end is closed.
_MOURN: Final = """
cat >/dev/null
read -r server <cluster/postmaster.pid && kill -QUIT "$server" &&
  while [ -e cluster/postmaster.pid ] && kill -0 "$server"; do sleep 0.1; done
rm -rf -- ./*
"""
# Removes the empty directory then, as ourselves: the server's user need not be allowed to change what it lies in.
_BURY: Final = 'cat >/dev/null; rmdir -- "$1"'


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServer:
    """One holder's share of a running server; `conninfo` (libpq's) is good in this process until `stop`."""

    conninfo: str
    held: contextlib.ExitStack = field(repr=False)

    def stop(self) -> None:
        """Give the share back; the last holder shuts the server down and waits for its end. May be called again."""
        self.held.close()


def start(data_directory: Path, *, recovery_deadline: float = 600.0) -> EmbeddedServer:
    """Share the server of `data_directory`, which is made, initialised and started where that is still to do.

    Takes up to `recovery_deadline` seconds: for crash recovery, and for another mount that is starting it.

    Raises:
        StoreUnreachable: it does not start, or not in time; with the end of its log.
        StoreRefused: the directory is not such a database, or the server cannot run as any user here.
        SchemaMismatch: the directory is another major version's.
    """
    with contextlib.ExitStack() as held, _named_failures(data_directory):
        data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        conninfo = _hold(data_directory, _DURABLE, _FAST, time.monotonic() + recovery_deadline, held)
        held.enter_context(_kept_running(data_directory, _DURABLE, recovery_deadline))
        return EmbeddedServer(conninfo=conninfo, held=held.pop_all())


@contextlib.contextmanager
def _kept_running(directory: Path, settings: Mapping[str, str], recovery_deadline: float) -> Iterator[None]:
    """Start the server again whenever it has died, in a thread of its own."""
    ended = threading.Event()

    def keep_running() -> None:
        while not ended.wait(_LOOK_SECONDS):
            if programs.is_running(directory / "cluster"):
                continue
            deadline = time.monotonic() + recovery_deadline
            try:
                with _named_failures(directory), _transition(directory, deadline), contextlib.ExitStack() as meanwhile:
                    _bring_up(directory, settings, deadline, meanwhile)
            except KoniferFsError as error:
                log.error("the embedded PostgreSQL has died: %s", error)  # noqa: TRY400 - the sentence says it all
            else:
                log.warning("the embedded PostgreSQL had died and runs again")

    thread = threading.Thread(target=keep_running, name="embedded PostgreSQL", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def start_temporary() -> EmbeddedServer:
    """Start a server of our own that keeps nothing: gone at `stop`, and also when this process is killed.

    Raises as `start` does.
    """
    with contextlib.ExitStack() as held, _named_failures(Path(tempfile.gettempdir())):
        directory = Path(tempfile.mkdtemp(prefix="konifer-fs-"))
        held.callback(shutil.rmtree, directory, ignore_errors=True)
        account = programs.choose_account(directory / "cluster")
        os.chown(directory, account.uid, account.gid)
        mourner = subprocess.Popen(
            ["/bin/sh", "-c", _MOURN],
            **programs.surroundings(directory, account),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        held.callback(_dismiss, mourner)
        gravedigger = subprocess.Popen(
            ["/bin/sh", "-c", _BURY, "sh", directory],
            cwd="/",
            stdin=mourner.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        held.callback(_dismiss, gravedigger)
        settings = {**_DURABLE, **_FORGETFUL}
        conninfo = _hold(directory, settings, _AT_ONCE, time.monotonic() + 120, held)
        held.enter_context(_kept_running(directory, settings, 120))
        return EmbeddedServer(conninfo=conninfo, held=held.pop_all())


def _dismiss(mourner: subprocess.Popen[bytes]) -> None:
    # By a signal: a process that was forked from ours may hold a copy of the pipe's end.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(mourner.pid, signal.SIGKILL)
    mourner.communicate()


def _hold(
    directory: Path, settings: Mapping[str, str], ending: Ending, deadline: float, held: contextlib.ExitStack
) -> str:
    """Take a share of the server, which `held` gives back, and bring the server up; gives its conninfo."""
    with _transition(directory, deadline), contextlib.ExitStack() as undo:
        # Never waits: the lock is exclusive only in a transition, and this one is ours.
        holders = _open_locked(directory / "holders.lock", fcntl.LOCK_SH)
        held.callback(os.close, holders)
        undo.callback(_end_if_last, directory, holders, ending)
        conninfo = _bring_up(directory, settings, deadline, held)
        undo.pop_all()
        held.callback(_leave, directory, holders, ending)
        return conninfo


def _leave(directory: Path, holders: int, ending: Ending) -> None:
    # Whoever is in a transition longer than this is starting the server, so has a share of its own.
    with contextlib.suppress(StoreUnreachable, OSError), _transition(directory, time.monotonic() + 60):
        _end_if_last(directory, holders, ending)


def _end_if_last(directory: Path, holders: int, ending: Ending) -> None:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
        programs.end(directory / "cluster", ending)


def _bring_up(directory: Path, settings: Mapping[str, str], deadline: float, held: contextlib.ExitStack) -> str:
    cluster = directory / "cluster"
    account = programs.choose_account(cluster)
    tools = programs.find_programs(account)
    if not cluster.exists():
        _initialise(directory, tools, account, settings, deadline)
    _check_version(cluster)
    conninfo = _address(cluster, held)
    while time.monotonic() < deadline:
        answer = PGconn.ping(make_conninfo(conninfo, dbname="postgres").encode())
        if answer == Ping.OK and _has_database(conninfo):
            return conninfo
        if answer == Ping.NO_RESPONSE and not programs.list_running(cluster):
            _launch(cluster, tools, account, settings, deadline)
        else:
            time.sleep(_POLL)
    raise StoreUnreachable(f"the embedded PostgreSQL was not ready in time; {_log_tail(cluster)}")


def _address(cluster: Path, held: contextlib.ExitStack) -> str:
    """Give the conninfo of the socket in `cluster`, through a descriptor of ours where libpq cannot spell its path."""
    host = str(cluster.absolute())
    if len(os.fsencode(host)) > _LONGEST_HOST or not host.isascii() or "," in host:  # a comma parts libpq's hosts
        reached = os.open(cluster, os.O_PATH | os.O_DIRECTORY)
        held.callback(os.close, reached)
        host = f"/proc/self/fd/{reached}"
    return make_conninfo(host=host, port=5432, user=DATABASE, dbname=DATABASE, connect_timeout=10)


@contextlib.contextmanager
def _named_failures(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnreachable(f"the embedded PostgreSQL cannot be started in {directory}: {error}") from error


@contextlib.contextmanager
def _transition(directory: Path, deadline: float) -> Iterator[None]:
    """Be the only one to bring the server up or down, or raise StoreUnreachable at the deadline."""
    while True:
        try:
            lock = _open_locked(directory / "transition.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreUnreachable(f"another mount is still starting the database in {directory}") from None
            time.sleep(_POLL)
    try:
        yield
    finally:
        os.close(lock)


def _open_locked(path: Path, how: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _initialise(
    directory: Path, tools: Path, account: programs.Account, settings: Mapping[str, str], deadline: float
) -> None:
    """Make `cluster/` whole or not at all."""
    for abandoned in directory.glob("cluster.*"):
        programs.end(abandoned, _AT_ONCE[-1:])
        shutil.rmtree(abandoned, ignore_errors=True)
    with contextlib.ExitStack() as undo:
        made = Path(tempfile.mkdtemp(prefix="cluster.", dir=directory))
        undo.callback(shutil.rmtree, made, ignore_errors=True)
        os.chown(made, account.uid, account.gid)
        command: list[str | Path] = [
            *(tools / "initdb", "-D", programs.HERE, "-U", DATABASE, "--auth-local=trust", "--auth-host=reject"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--data-checksums", "--no-instructions", *(["--no-sync"] if settings.get("fsync") == "off" else [])),
        ]
        done = programs.run(command, directory=made, account=account, deadline=deadline)
        if done.returncode != 0:
            raise StoreUnreachable(f"the database in {directory} cannot be made; initdb says: {_tail(done.stdout)}")
        made.rename(directory / "cluster")
        undo.pop_all()


def _check_version(cluster: Path) -> None:
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise StoreRefused(f"{cluster} is not a database: its PG_VERSION is missing") from None
    if version != MAJOR:
        raise SchemaMismatch(f"{cluster} is PostgreSQL {version}'s and this is {MAJOR}: dump it there, load it here")


def _launch(
    cluster: Path, tools: Path, account: programs.Account, settings: Mapping[str, str], deadline: float
) -> None:
    recorded = programs.find_recorded_process(cluster)
    if recorded is not None and Path("/proc", str(recorded)).exists():
        # Nothing runs here, so a killed server's id is another program's now, which PostgreSQL would wait for in vain.
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (cluster / name).unlink(missing_ok=True)
    log = cluster / _LOG
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    written = log.stat().st_size if log.exists() else 0
    options = shlex.join(f"--{name}={value}" for name, value in settings.items())
    command: list[str | Path] = [
        *(tools / "pg_ctl", "start", "-D", programs.HERE, "-l", f"{programs.HERE}/{_LOG}", "-o", options),
        *("--wait", "-t", str(max(int(deadline - time.monotonic()), 1))),
    ]
    done = programs.run(command, directory=cluster, account=account, deadline=deadline + 10)
    if done.returncode != 0:
        raise StoreUnreachable(f"the embedded PostgreSQL does not start in {cluster}; {_log_tail(cluster, written)}")


def _has_database(conninfo: str) -> bool:
    """Make our database and its extension where they are missing; False when the server goes away meanwhile."""
    elsewhere = make_conninfo(conninfo, dbname="postgres")
    try:
        with psycopg.connect(elsewhere, autocommit=True) as session:
            if not session.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchall():
                session.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(conninfo, autocommit=True) as session:
            session.execute("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS ltree")
    except psycopg.Error as error:
        time.sleep(_POLL)
        if PGconn.ping(elsewhere.encode()) != Ping.OK:
            return False
        raise StoreUnreachable(f"the embedded PostgreSQL runs, but: {_tail(str(error))}") from error
    return True


def _log_tail(cluster: Path, since: int = 0) -> str:
    try:
        with (cluster / _LOG).open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - 8192, since))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return "it has written no log"
    return f"its log {cluster / _LOG} ends: {_tail(text)}"


def _tail(text: str) -> str:
    """Give the last lines that say what failed, else the last lines, as one."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return " | ".join(([line for line in lines if _FAILURE.search(line)] or lines)[-3:])
