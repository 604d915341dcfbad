"""What it costs that changes are told: with the feed's triggers and without, while two mounts listen.

Without them the mounts hear nothing, and nothing else differs. A flush of the log takes PostgreSQL 2 ms, as on a disk.
"""

import random
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from bench.corpus import make_picture
from bench.mounting import Mount
from bench.noticing import INSERT

FILES: Final = 200
WRITERS: Final = 8
SECONDS: Final = 4.0
FLUSH_MICROSECONDS: Final = 2000
_TRIGGERS: Final = """
SELECT n.nspname, c.relname, t.tgname
  FROM pg_trigger t
  JOIN pg_proc f ON f.oid = t.tgfoid
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE f.pronamespace = 'konifer_fs'::regnamespace AND c.relname <> 'change_log'
"""


def measure(directory: Path, rounds: int) -> str:
    """Measure so many interleaved rounds below `directory`; gives the section."""
    here, there = (Mount(path=directory / name, data=directory / "data") for name in ("here", "there"))
    for mount in (here, there):
        mount.path.mkdir()
        mount.mount()
    found: dict[str, list[list[float]]] = defaultdict(list)
    try:
        with psycopg.connect(here.conninfo, autocommit=True) as session:
            _flush_slowly(session)
            for number in range(rounds):
                print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
                told = _closes(here, f"told-{number}"), _commits(here, f"told{number}")
                with _untold(session):
                    untold = _closes(here, f"untold-{number}"), _commits(here, f"untold{number}")
                for what, pair in zip(("a close", "commits"), zip(told, untold, strict=True), strict=True):
                    found[what].append(list(pair))
    finally:
        there.umount()
        here.umount()
    return _write_section(rounds, found)


def _flush_slowly(session: psycopg.Connection) -> None:
    for name, value in (("commit_delay", FLUSH_MICROSECONDS), ("commit_siblings", 0)):
        session.execute(SQL("ALTER SYSTEM SET {} = {}").format(Identifier(name), value))
    session.execute("SELECT pg_reload_conf()")


@contextmanager
def _untold(session: psycopg.Connection) -> Iterator[None]:
    """Have nothing told meanwhile."""
    triggers = session.execute(_TRIGGERS).fetchall()
    assert triggers

    def switch(word: str) -> None:
        for schema, table, trigger in triggers:
            text = SQL(f"ALTER TABLE {{}} {word} TRIGGER {{}}")
            session.execute(text.format(Identifier(schema, table), Identifier(trigger)))

    switch("DISABLE")
    try:
        yield
    finally:
        switch("ENABLE")


def _closes(mount: Mount, name: str) -> float:
    """Save files one after the other; gives the median of the seconds that one takes."""
    picture, place = make_picture("JPEG", random.Random(0)), mount.path / name
    place.mkdir()
    seconds = []
    for number in range(FILES):
        started = time.perf_counter()
        (place / f"{number}.jpg").write_bytes(picture)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _commits(mount: Mount, label: str) -> float:
    """Have writers insert assets as Konifer does, each at paths of its own; gives how many a second."""
    counts = [0] * WRITERS
    until = time.perf_counter() + SECONDS

    def write(writer: int) -> None:
        with psycopg.connect(mount.conninfo, autocommit=True) as session:
            while time.perf_counter() < until:
                session.execute(INSERT, [f"root.{label}.w{writer}"])
                counts[writer] += 1

    threads = [threading.Thread(target=write, args=[number]) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def _write_section(rounds: int, found: Mapping[str, Sequence[Sequence[float]]]) -> str:
    close, commits = ([statistics.median(column) for column in zip(*pairs, strict=True)] for pairs in found.values())
    rows = [
        ("saving a picture through a mount", [f"{seconds * 1000:.2f} ms" for seconds in close], close),
        (f"commits a second by {WRITERS} writers, as Konifer's", [f"{count:,.0f}" for count in commits], commits),
    ]
    table = "\n".join(
        f"| {what} | {' | '.join(spelled)} | {pair[0] / pair[1] - 1:+.1%} |" for what, spelled, pair in rows
    )
    return f"""## What telling costs

With the triggers of the change feed and without, medians of {rounds} interleaved rounds while two mounts listen, and
PostgreSQL takes {FLUSH_MICROSECONDS / 1000:.0f} ms to flush its log.

| what | told | not told | difference |
|---|---|---|---|
{table}
"""
