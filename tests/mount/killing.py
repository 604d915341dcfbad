"""Mounts whose daemon is killed, and what is found of them: their spool, their objects, and what the next mount shows.

Used by the tests of what outlives a mount. A commit is held between its object and its row by a lock in the database.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.mount.mounting import Mount, detach
from tests.mount.saving import read_record

SECONDS = 60
IMPATIENT = "filesystem { deadline = 1s, drain = 1s }"


def revive(mount: Mount) -> None:
    """Mount again what was killed."""
    detach(mount.path)
    mount.mount()


def spool_of(mount: Mount) -> Path:
    """Give the directory of drafts, of a mount that may be dead."""
    (directory,) = (mount.data_dir / "spool").iterdir()
    return directory / "drafts"


def records(mount: Mount) -> dict[str, dict[str, Any]]:
    """Give the records in the spool of a mount, by the names of the drafts."""
    found = [record for data in spool_of(mount).glob("*.data") if (record := read_record(data))]
    return {record["name"]: record for record in found}


def restart_machine(mount: Mount) -> None:
    """Let all that a dead mount has written be of an earlier start of the machine."""
    for path in spool_of(mount).glob("*.json"):
        record = read_record(path.with_suffix(".data"))
        if record and "boot" in record:
            path.write_text(json.dumps({**record, "boot": "earlier"}))


def objects(mount: Mount) -> list[bytes]:
    """Give the contents of all objects of a filesystem store."""
    return sorted(path.read_bytes() for path in mount.objects.rglob("*") if path.is_file())


class Held:
    """A lock on the rows of all directories: what is recorded waits for it, after its object was put."""

    def __init__(self, conninfo: str) -> None:
        self._session = psycopg.connect(conninfo)
        self._session.execute("SELECT id FROM konifer_fs.node WHERE path IS NOT NULL FOR UPDATE")

    def wait_for_recording(self) -> None:
        """Wait until something waits for the lock."""
        until = time.monotonic() + SECONDS
        while not self._waiting():
            assert time.monotonic() < until, "nothing was recorded"
            time.sleep(0.02)

    def cut_off(self) -> None:
        """End what waits for the lock, so that it is not recorded."""
        for (pid,) in self._waiting():
            self._session.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    def _waiting(self) -> list[tuple[int]]:
        return self._session.execute(
            "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        ).fetchall()

    def close(self) -> None:
        """Let go of the lock; what waited for it goes on, if it was not ended."""
        self._session.close()


@contextmanager
def held(mount: Mount) -> Iterator[Held]:
    """Let nothing be recorded meanwhile."""
    lock = Held(mount.conninfo)
    try:
        yield lock
    finally:
        lock.close()


@contextmanager
def closing_file(path: Path, content: bytes) -> Iterator[None]:
    """Write a file, and have it closed by another thread meanwhile, whatever becomes of that."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, content)
    thread = threading.Thread(target=_close, args=(descriptor,))
    thread.start()
    yield
    thread.join(SECONDS)
    assert not thread.is_alive()


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return
