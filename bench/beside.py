"""Does the same with 1,000 pictures on the local disk, on konifer-fs, and on other mounts of S3, side by side.

Each thing is done in one place after the other, so that all suffer alike from what else the machine does. konifer-fs
and rclone mount are over one server, `rclone serve s3`; s3fs is over moto's, which is slower.
"""

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from matplotlib import pyplot as plt

from bench.copying import Figures, copy_at_once, read_all
from bench.corpus import DIRECTORIES, FILES, make_corpus
from bench.mounting import run
from bench.places import Place, all_places

COUNT: Final = DIRECTORIES * FILES
_PLOT: Final = "beside.svg"


def measure(directory: Path, rounds: int) -> str:
    """Run all rounds below `directory`; gives the section, and draws the plot. Nothing is removed before the end."""
    corpus = directory / "corpus"
    size = make_corpus(corpus)
    figures = Figures()
    with all_places(directory) as places:
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
            _copy(figures, corpus, places, number)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}, of what was copied ...", file=sys.stderr)
            _read_and_move(figures, places, number)
        for number in range(rounds):
            _everywhere(figures, places, "`rm -r`", partial(_remove, number))
        names = [place.name for place in places]
    _draw(figures, names, Path(__file__).parents[1] / "docs" / _PLOT)
    return _write_section(figures, names, size, rounds)


def _everywhere(
    figures: Figures,
    places: Sequence[Place],
    what: str,
    work: Callable[[Path], object],
) -> None:
    for place in places:
        figures.time(what, place.name, partial(work, place.path))


def _copy(figures: Figures, corpus: Path, places: Sequence[Place], number: int) -> None:
    do = partial(_everywhere, figures, places)
    do("`cp -r`", lambda path: run("cp", "-r", corpus, path / f"one-{number}"))
    do("`cp -r` by 8 processes", lambda path: copy_at_once(corpus, path / f"many-{number}"))


def _read_and_move(figures: Figures, places: Sequence[Place], number: int) -> None:
    do, one = partial(_everywhere, figures, places), f"one-{number}"
    for place in places:
        place.settle()
        place.forget()
    do("`find`, cold", lambda path: run("find", path / one))
    do("`find` again", lambda path: run("find", path / one))
    do("`ls -lR`, first", lambda path: run("ls", "-lR", path / one))
    do("`ls -lR` again", lambda path: run("ls", "-lR", path / one))
    do("`md5sum` of all, cold", lambda path: read_all(path / one))
    do("`md5sum` of all again", lambda path: read_all(path / one))
    with_attributes = [place for place in places if place.has_attributes]
    _everywhere(figures, with_attributes, "`getfattr -R -d`", lambda path: run("getfattr", "-R", "-d", path / one))
    do("`mv` of the directory", lambda path: run("mv", path / one, path / f"two-{number}"))


def _remove(number: int, path: Path) -> None:
    run("rm", "-r", path / f"two-{number}")


def _medians(figures: Figures, names: Sequence[str]) -> Mapping[str, Sequence[float | None]]:
    """Give the medians by what was done, in the order of the names; None where it cannot be done."""
    whats = dict.fromkeys(what for what, _ in figures.seconds)
    return {
        what: [figures.median(what, name) if (what, name) in figures.seconds else None for name in names]
        for what in whats
    }


def _write_section(figures: Figures, names: Sequence[str], size: int, rounds: int) -> str:
    rows = "\n".join(
        f"| {what} | {' | '.join(map(_seconds, medians))} | {_ratio(medians[1], medians[0])} "
        f"| {_ratio(medians[2], medians[3])} |"
        for what, medians in _medians(figures, names).items()
    )
    return f"""## Beside others

{COUNT:,} pictures of {size / 1e6:.0f} MB, medians of {rounds} interleaved rounds on {os.cpu_count()} cores, Linux \
{platform.release()}, Python {platform.python_version()}.
`konifer-fs` is of the embedded default. `konifer-fs over S3` and `rclone mount --vfs-cache-mode writes` are over one
`rclone serve s3`, and s3fs over moto's server; all servers run on the same cores. What `cp` copied to konifer-fs or
s3fs is stored when it ends, what it copied to rclone is uploaded later. Cold is after a new mount, with nothing kept
on disk.

| what | {" | ".join(names)} | konifer-fs / local disk | konifer-fs over S3 / rclone |
|---|{"---|" * len(names)}---|---|
{rows}

![Seconds by what is done, and where]({_PLOT})
"""


def _seconds(found: float | None) -> str:
    return "-" if found is None else f"{found:.3f} s"


def _ratio(ours: float | None, other: float | None) -> str:
    return "-" if ours is None or other is None else f"{ours / other:.2f}"


def _draw(figures: Figures, names: Sequence[str], target: Path) -> None:
    medians = _medians(figures, names)
    figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
    height = 0.8 / len(names)
    for index, name in enumerate(names):
        places = [row + index * height for row in range(len(medians))]
        axes.barh(places, [found[index] or 0.0 for found in medians.values()], height, label=name)
    axes.set_yticks(
        [row + 0.4 - height / 2 for row in range(len(medians))], [what.replace("`", "") for what in medians]
    )
    axes.set_xscale("log")
    axes.set_xlabel("seconds")
    axes.invert_yaxis()
    axes.legend()
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)
