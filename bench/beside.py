"""Does the same with 1,000 pictures on the local disk, on konifer-fs, and on other mounts of S3, side by side.

Each thing is done in one place after the other, so that all suffer alike from what else the machine does. konifer-fs
and rclone mount are over one server, `rclone serve s3`; s3fs is over moto's, which is slower. A bare mount by pyfuse3,
and boto3 alone on that server, show the price of answering the kernel, and of speaking S3, in Python.
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
from tests.servers import S3Server

COUNT: Final = DIRECTORIES * FILES
_PLOT: Final = "beside.svg"
_BOTO3: Final = "boto3"
_PUT: Final = "PUT"
_GET: Final = "GET"


def measure(directory: Path, rounds: int) -> str:
    """Run all rounds below `directory`; gives the section, and draws the plot. Nothing is removed before the end."""
    corpus = directory / "corpus"
    size = make_corpus(corpus)
    figures = Figures()
    with all_places(directory) as (places, server):
        for number in range(rounds):
            print(f"round {number + 1} of {rounds} ...", file=sys.stderr)
            _copy(figures, corpus, places, number)
            _speak_s3(figures, corpus, server)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}, of what was copied ...", file=sys.stderr)
            _read_and_move(figures, places, number)
        for number in range(rounds):
            _everywhere(figures, places, "`rm -r`", partial(_remove, number))
        names = [place.name for place in places]
    _draw(figures, names, Path(__file__).parents[1] / "docs" / _PLOT)
    return _write_section(figures, names, size, rounds)


def _everywhere(figures: Figures, places: Sequence[Place], what: str, work: Callable[[Path], object]) -> None:
    for place in places:
        figures.time(what, place.name, partial(work, place.path))


def _copy(figures: Figures, corpus: Path, places: Sequence[Place], number: int) -> None:
    do = partial(_everywhere, figures, places)
    do("`cp -r`", lambda path: run("cp", "-r", corpus, path / f"one-{number}"))
    do("`cp -r` by 8 processes", lambda path: copy_at_once(corpus, path / f"many-{number}"))


def _speak_s3(figures: Figures, corpus: Path, server: S3Server) -> None:
    bucket = server.make_bucket()
    files = sorted(path for path in corpus.rglob("*") if path.is_file())
    with server.client() as client:

        def put_all() -> None:
            for number, path in enumerate(files):
                with path.open("rb") as file:
                    client.put_object(Bucket=bucket, Key=str(number), Body=file)

        def get_all() -> None:
            for number in range(len(files)):
                client.get_object(Bucket=bucket, Key=str(number))["Body"].read()

        figures.time(_PUT, _BOTO3, put_all)
        figures.time(_GET, _BOTO3, get_all)


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
    whats = dict.fromkeys(what for what, place in figures.seconds if place in names)
    return {
        what: [figures.median(what, name) if (what, name) in figures.seconds else None for name in names]
        for what in whats
    }


def _row(what: str, medians: Sequence[float | None]) -> str:
    local, bare, ours, ours_over_s3, rclone, _ = medians
    ratios = [_ratio(bare, local), _ratio(ours, local), _ratio(ours, bare), _ratio(ours_over_s3, rclone)]
    return f"| {what} | {' | '.join([*map(_seconds, medians), *ratios])} |"


def _write_section(figures: Figures, names: Sequence[str], size: int, rounds: int) -> str:
    rows = "\n".join(_row(what, medians) for what, medians in _medians(figures, names).items())
    ratios = ["bare / local", "konifer-fs / local", "konifer-fs / bare", "konifer-fs over S3 / rclone"]
    return f"""## Beside others

{COUNT:,} pictures of {size / 1e6:.0f} MB, medians of {rounds} interleaved rounds on {os.cpu_count()} cores, Linux \
{platform.release()}, Python {platform.python_version()}.
`konifer-fs` is of the embedded default. `konifer-fs over S3` and `rclone mount --vfs-cache-mode writes` are over one
`rclone serve s3`, and s3fs over moto's server; all servers run on the same cores. What `cp` copied to konifer-fs or
s3fs is stored when it ends, what it copied to rclone is uploaded later. Cold is after a new mount, with nothing kept
on disk. `bare pyfuse3` is the least that a mount by that library takes: names in memory, bytes in files, nothing
checked and nothing forced to disk; it is never cold. boto3 alone, in one thread, takes \
{figures.median(_PUT, _BOTO3):.2f} s to put all pictures to the server of S3, and \
{figures.median(_GET, _BOTO3):.2f} s to get them.

| what | {" | ".join([*names, *ratios])} |
|---|{"---|" * (len(names) + len(ratios))}
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
