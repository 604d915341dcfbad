"""Lists and looks up in stores of ten thousand, a hundred thousand and a million assets, which were made by SQL.

Each has a directory for every five assets, in two levels, and is seen by a mount of its own. The largest has a
directory of 100,000 entries as well. What is looked up first has not been asked for before.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
from matplotlib import pyplot as plt

from bench.copying import Figures
from bench.corpus import make_picture
from bench.mounting import Mount, run

SIZES: Final = (10_000, 100_000, 1_000_000)
IN_DIRECTORY: Final = 5
BRANCH: Final = 500
MANY: Final = 100_000
SAMPLES: Final = 50
_PLOT: Final = "scale.svg"
_FILL: Final = """
INSERT INTO asset_tree (id, path, alt, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), ('root.d' || i / {branch} || '.e' || i % {branch})::ltree, '', 'UPLOAD', true, now(), now()
    FROM generate_series(0, {directories} - 1) i, generate_series(1, {in_directory});
INSERT INTO asset_tree (id, path, alt, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), 'root.many', '', 'UPLOAD', true, now(), now() FROM generate_series(1, {many});
INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip,
                           original_variant, created_at, uploaded_at)
  SELECT gen_random_uuid(), id, 'assets', id || '.jpeg', '{{"width": 1, "height": 1, "format": "jpg"}}',
         '{{"width": 1, "height": 1, "format": "jpg"}}', '{{}}', true, now(), now() FROM asset_tree;
INSERT INTO konifer_fs.variant (id, size) SELECT id, 141000 FROM asset_variant;
"""


@dataclass(slots=True)
class Walk:
    """What a `find` of everything took: names, seconds, and the daemon's MiB before, after, and once forgotten."""

    names: int
    seconds: float
    resident: Sequence[float]


def measure(directory: Path, _rounds: int) -> str:
    """Fill and measure all stores below `directory`; gives the section, and draws the plot."""
    figures = Figures()
    for size in SIZES[:-1]:
        with _made(directory / str(size), size, 0) as mount:
            _sample_all(figures, mount, size)
    with _made(directory / "largest", SIZES[-1], MANY) as mount:
        _sample_all(figures, mount, SIZES[-1])
        started = time.perf_counter()
        run("ls", "-U", mount.path / "many")
        listed = time.perf_counter() - started
        mount.umount()
        mount.mount()
        walk = _walk(mount)
    _draw(figures, Path(__file__).parents[1] / "docs" / _PLOT)
    return _write_section(figures, listed, walk)


@contextmanager
def _made(directory: Path, size: int, many: int) -> Iterator[Mount]:
    """Mount a store of so many assets, and of so many more in one directory."""
    print(f"{size:,} assets ...", file=sys.stderr)
    mount = Mount(path=directory / "mount", data=directory / "data")
    mount.path.mkdir(parents=True)
    mount.mount()
    fill = _FILL.format(directories=size // IN_DIRECTORY, in_directory=IN_DIRECTORY, branch=BRANCH, many=many)
    with psycopg.connect(mount.conninfo, autocommit=True) as session:
        for statement in (fill, "VACUUM ANALYZE", "CHECKPOINT"):
            session.execute(statement.encode())
    mount.umount()
    mount.mount()
    try:
        yield mount
    finally:
        mount.umount()


def _sample_all(figures: Figures, mount: Mount, size: int) -> None:
    chance, where = random.Random(size), _where(size)
    picture = make_picture("JPEG", chance)
    for what in ("list the root, first", "list the root again"):
        figures.time(what, where, partial(_list, mount.path))
    for number in range(SAMPLES):
        place = chance.randrange(size // IN_DIRECTORY)
        directory = mount.path / f"d{place // BRANCH}" / f"e{place % BRANCH}"
        new, newer = directory / f"{number}.jpg", directory / f"renamed-{number}.jpg"
        figures.time("look up a file", where, (directory / "0.jpeg").stat)
        figures.time("list a directory", where, partial(_list, directory))
        figures.time("save a picture", where, partial(new.write_bytes, picture))
        figures.time("rename it", where, partial(new.rename, newer))
        figures.time("remove it", where, newer.unlink)


def _list(directory: Path) -> None:
    for _ in directory.iterdir():
        pass


def _walk(mount: Mount) -> Walk:
    resident = [mount.resident_mib()]
    started = time.perf_counter()
    with subprocess.Popen(["find", mount.path], stdout=subprocess.PIPE) as finding:
        assert finding.stdout is not None
        names = sum(1 for _ in finding.stdout)
    seconds = time.perf_counter() - started
    assert finding.returncode == 0
    resident.append(mount.resident_mib())
    if os.geteuid() == 0:
        Path("/proc/sys/vm/drop_caches").write_text("2")
        time.sleep(5)
    resident.append(mount.resident_mib())
    return Walk(names, seconds, resident)


def _where(size: int) -> str:
    return f"{size:,} assets"


def _list_milliseconds(figures: Figures) -> Mapping[str, Sequence[float]]:
    """Give the medians by what was done, one for each size."""
    whats = dict.fromkeys(what for what, _ in figures.seconds)
    return {what: [figures.median(what, _where(size)) * 1000 for size in SIZES] for what in whats}


def _write_section(figures: Figures, listed: float, walk: Walk) -> str:
    rows = "\n".join(
        f"| {what} | {' | '.join(f'{median:.1f} ms' for median in medians)} |"
        for what, medians in _list_milliseconds(figures).items()
    )
    fresh, walked, forgotten = walk.resident
    return f"""## Scale

Stores with a directory for every {IN_DIRECTORY} assets, in two levels, which another writer made and `konifer-fs index`
has seen, on the embedded default. Medians of {SAMPLES} places chosen at random, none of which was asked for before; the
root is listed after a mount, which has started the database, and again.

| what | {" | ".join(map(_where, SIZES))} |
|---|{"---|" * len(SIZES)}
{rows}

![Milliseconds by the number of assets]({_PLOT})

In the largest, `ls -U` of a directory of {MANY:,} entries takes {listed:.2f} s when nothing is cached. `find` of
everything tells {walk.names:,} names in {walk.seconds:.0f} s, {walk.names / walk.seconds:,.0f} a second. The daemon
takes {fresh:.0f} MiB before, {walked:.0f} MiB after, and {forgotten:.0f} MiB once the kernel has dropped what it knew.
"""


def _draw(figures: Figures, target: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for what, medians in _list_milliseconds(figures).items():
        axes.plot(SIZES, medians, marker="o", label=what)
    axes.set_xscale("log")
    axes.set_xlabel("assets")
    axes.set_ylabel("milliseconds")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)
