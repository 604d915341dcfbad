"""Lists 100,000 entries of one tag, and of one label anywhere, beside a plain listing of their directory.

The entries are made by SQL, as a Konifer's are that no mount has touched, in the embedded database of the mount. Each
is listed by `ls -U`, which asks for nothing but names.
"""

import statistics
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from bench.mounting import Mount, run

COUNT: Final = 100_000
_FILL: Final = """
INSERT INTO asset_tree (id, path, alt, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), 'root.many', '', 'UPLOAD', true, now(), now() FROM generate_series(1, 100000);
INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip,
                           original_variant, created_at, uploaded_at)
  SELECT gen_random_uuid(), id, 'assets', gen_random_uuid() || '.jpeg', '{"width": 1, "height": 1, "format": "jpg"}',
         '{"width": 1, "height": 1, "format": "jpg"}', '{}', true, now(), now() FROM asset_tree;
INSERT INTO asset_tag SELECT gen_random_uuid(), id, 'many', now() FROM asset_tree;
INSERT INTO asset_label SELECT gen_random_uuid(), id, 'team', 'red', now() FROM asset_tree;
ANALYZE;
"""
_LISTED: Final = {
    "those with a tag": "many/-/tags/many",
    "those with a label, anywhere": "-/recursive/labels/team=red",
    "all by their ids": "many/-/entry",
    "their directory itself": "many",
}


def measure(directory: Path, rounds: int) -> str:
    """Run all rounds below `directory`; gives the section."""
    mount = Mount(path=directory / "mount", data=directory / "data")
    mount.path.mkdir()
    mount.mount()
    try:
        with psycopg.connect(mount.conninfo, autocommit=True) as session:
            session.execute(_FILL)
        seconds: dict[str, list[float]] = defaultdict(list)
        growth: dict[str, float] = {}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
            for what, place in _LISTED.items():
                before, started = mount.resident_mib(), time.perf_counter()
                run("ls", "-U", mount.path / place)
                seconds[what].append(time.perf_counter() - started)
                growth.setdefault(what, mount.resident_mib() - before)
    finally:
        mount.umount()
    rows = "\n".join(map(partial(_row, seconds, growth), _LISTED))
    return f"""## Selecting

`ls -U` of {COUNT:,} entries that another writer stored, on the embedded default, medians of {rounds} rounds.

| what | time | an entry | the daemon grew by, the first time |
|---|---|---|---|
{rows}
"""


def _row(seconds: dict[str, list[float]], growth: dict[str, float], what: str) -> str:
    median = statistics.median(seconds[what])
    return f"| {what} | {median:.2f} s | {median / COUNT * 1e6:.0f} µs | {growth[what]:.0f} MiB |"
