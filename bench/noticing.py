"""How soon a mount shows what others change: another mount, SQL, and a Konifer, while pictures are copied there.

For each change the mount that looks has read what was there before, and believes it; then it is asked again and again.
"""

import random
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

from bench.corpus import make_picture
from bench.mounting import Mount

CHANGES: Final = 2_000
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.0005
INSERT: Final = """
WITH asset AS (
  INSERT INTO asset_tree (id, path, alt, source, is_ready, created_at, modified_at)
  VALUES (gen_random_uuid(), %s::text::ltree, '', 'UPLOAD', true, now(), now()) RETURNING id)
INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip,
                           original_variant, created_at, uploaded_at)
SELECT gen_random_uuid(), id, 'assets', id || '.jpeg', '{"width": 1, "height": 1, "format": "jpg"}',
       '{"width": 1, "height": 1, "format": "jpg"}', '{}', true, now(), now() FROM asset
"""
_CHANGE: Final = "UPDATE konifer_fs.node SET mode = %s WHERE name = 'by-sql'"


def measure(directory: Path, rounds: int) -> str:
    """Make `CHANGES` changes of each kind a round below `directory`; gives the section."""
    here, there = (Mount(path=directory / name, data=directory / "data") for name in ("here", "there"))
    for mount in (here, there):
        mount.path.mkdir()
        mount.mount()
    try:
        seconds = _measure_all(here, there, rounds)
    finally:
        there.umount()
        here.umount()
    rows = "\n".join(_row(what, found) for what, found in seconds.items())
    return f"""## What others change

Until a mount shows what was committed elsewhere, while two writers copy pictures into the other mount all the time.
Each kind {rounds * CHANGES:,} times, interleaved.

| what, by whom | median | 99 of 100 within | worst |
|---|---|---|---|
{rows}
"""


def _measure_all(here: Mount, there: Mount, rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = defaultdict(list)
    done = threading.Event()
    picture = make_picture("JPEG", random.Random(0))
    writers = [threading.Thread(target=_copy, args=[picture, here.path / f"load-{n}", done]) for n in range(2)]
    for name in ("by-mount", "by-sql"):
        (here.path / name).write_bytes(picture)
    for writer in writers:
        writer.start()
    try:
        with psycopg.connect(here.conninfo, autocommit=True) as session:
            for number in range(rounds * CHANGES):
                if number % 500 == 0:
                    print(f"change {number} of {rounds * CHANGES} ...", file=sys.stderr)
                for what, change, shows in _kinds(here.path, there.path, session, number):
                    seconds[what].append(_until_seen(change, shows))
    finally:
        done.set()
        for writer in writers:
            writer.join()
    return seconds


Kind = tuple[str, Callable[[], object], Callable[[], bool]]


def _kinds(here: Path, there: Path, session: psycopg.Connection, number: int) -> list[Kind]:
    mode = 0o400 + number % 64
    return [
        (
            "permissions, by the other mount",
            lambda: (here / "by-mount").chmod(mode),
            lambda: (there / "by-mount").stat().st_mode & 0o777 == mode,
        ),
        (
            "permissions, by SQL",
            lambda: session.execute(_CHANGE, [mode]),
            lambda: (there / "by-sql").stat().st_mode & 0o777 == mode,
        ),
        (
            "a directory with a new entry, by Konifer's protocol",
            lambda: session.execute(INSERT, [f"root.d{number}"]),
            (there / f"d{number}").exists,
        ),
    ]


def _until_seen(change: Callable[[], object], shows: Callable[[], bool]) -> float:
    shows()
    change()
    committed = time.perf_counter()
    while not shows():
        if time.perf_counter() - committed > _PATIENCE:
            return _PATIENCE
        time.sleep(_PAUSE)
    return time.perf_counter() - committed


def _copy(content: bytes, directory: Path, done: threading.Event) -> None:
    directory.mkdir()
    while not done.is_set():
        for number in range(100):
            (directory / f"{number}.jpg").write_bytes(content)
        for path in directory.iterdir():
            path.unlink()


def _row(what: str, seconds: list[float]) -> str:
    ordered = sorted(1000 * found for found in seconds)
    last = ordered[int(0.99 * (len(ordered) - 1))]
    return f"| {what} | {statistics.median(ordered):.1f} ms | {last:.1f} ms | {ordered[-1]:.1f} ms |"
