"""Copies, finds, reads, moves and removes 1,000 pictures on a mount and on the local disk, side by side.

Rounds are interleaved and medians are told, because machines are noisy; the ratios of one run are what counts. The
mount is of the embedded default, on the same disk as the local copies: PostgreSQL and a directory of objects.
"""

import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench.corpus import DIRECTORIES, FILES, make_corpus
from bench.mounting import Mount, run

COUNT: Final = DIRECTORIES * FILES


@dataclass(slots=True)
class Figures:
    """Seconds by what was done and where."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def time(self, what: str, where: str, work: Callable[[], object]) -> None:
        """Do `work` and note how long it took; what others have written is on the disk when it begins."""
        os.sync()
        started = time.perf_counter()
        work()
        self.seconds[what, where].append(time.perf_counter() - started)

    def median(self, what: str, where: str) -> float:
        """Give the median of the rounds, in seconds."""
        return statistics.median(self.seconds[what, where])

    def rows(self) -> list[str]:
        """Give a row of the table for each thing done."""
        whats = list(dict.fromkeys(what for what, _ in self.seconds))
        return [self._row(what, self.median(what, "mount"), self.median(what, "local")) for what in whats]

    def _row(self, what: str, mount: float, local: float) -> str:
        return f"| {what} | {mount:.3f} s | {COUNT / mount:,.0f} | {local:.3f} s | {mount / local:.1f} |"


def copy_at_once(corpus: Path, target: Path) -> None:
    """Copy the corpus by eight processes at once, a directory each at a time."""
    target.mkdir()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda directory: run("cp", "-r", directory, target), sorted(corpus.iterdir())))


def read_all(tree: Path) -> None:
    """Read all files by one `md5sum`."""
    files = sorted(str(path) for path in tree.rglob("*") if path.is_file())
    run("md5sum", *files)


def _copy(figures: Figures, corpus: Path, places: Mapping[str, Path], number: int) -> None:
    for where, place in places.items():
        figures.time("`cp -r`", where, partial(run, "cp", "-r", corpus, place / f"one-{number}"))
    for where, place in places.items():
        figures.time("`cp -r` by 8 processes", where, partial(copy_at_once, corpus, place / f"many-{number}"))


def _read_and_move(figures: Figures, places: Mapping[str, Path], number: int) -> None:
    for where, place in places.items():
        figures.time("`find`, not cached", where, partial(run, "find", place / f"one-{number}"))
        figures.time("`md5sum` of all", where, partial(read_all, place / f"one-{number}"))
        figures.time(
            "`mv` of the directory", where, partial(run, "mv", place / f"one-{number}", place / f"two-{number}")
        )


def _remove(figures: Figures, places: Mapping[str, Path], number: int) -> None:
    for where, place in places.items():
        figures.time("`rm -r`", where, partial(run, "rm", "-r", place / f"two-{number}"))


def measure(directory: Path, rounds: int) -> str:
    """Run all rounds below `directory`; gives the section.

    Nothing is removed before all is copied: ext4 without a journal makes files slowly for minutes afterwards.
    """
    corpus, local = directory / "corpus", directory / "local"
    size = make_corpus(corpus)
    local.mkdir()
    mount = Mount(path=directory / "mount", data=directory / "data")
    mount.path.mkdir()
    mount.mount()
    figures, places = Figures(), {"local": local, "mount": mount.path}
    try:
        resident = [mount.resident_mib()]
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
            _copy(figures, corpus, places, number)
        resident.append(mount.resident_mib())
        for number in range(rounds):
            mount.umount()
            mount.mount()
            _read_and_move(figures, places, number)
        for number in range(rounds):
            _remove(figures, places, number)
    finally:
        mount.umount()
    return write_section(figures, size, rounds, resident)


def write_section(figures: Figures, size: int, rounds: int, resident: list[float]) -> str:
    """Give the section of docs/BENCHMARKS.md."""
    rows = "\n".join(figures.rows())
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    fresh, loaded = resident
    return f"""## Copying, reading, moving

{COUNT:,} pictures of {size / 1e6:.0f} MB, medians of {rounds} interleaved rounds on {machine}.
The mount is of the embedded default, so what is copied is durable in both stores when `cp` ends, while the local copy
is in the page cache. Both are on one disk, and all that runs shares these cores.

| what | mount | files/s | local disk | mount / local |
|---|---|---|---|---|
{rows}

The daemon takes {fresh:.0f} MiB of memory when freshly mounted, and {loaded:.0f} MiB at rest after all
that was copied.
"""
