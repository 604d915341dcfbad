"""Renders variants through a mount, beside the same calls in a bare process, plain Pillow and vipsthumbnail.

Pictures are photographs of 1,600 x 1,067 pixels as JPEG; a variant is 256 pixels wide, as WebP.
"""

import io
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import PIL
from matplotlib import pyplot as plt
from PIL import Image, ImageFilter

from bench.mounting import Mount, run
from konifer_fs.adapters.pillow.rendering.pipeline import render
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Limits, Transformation

WIDE, HIGH = 1600, 1067
COUNT: Final = 1000
SAMPLE: Final = 40
READERS: Final = 4
EXPRESSION: Final = "w=256.webp"
WANTED: Final = Transformation(width=256, height=171, format=ImageFormat.WEBP, quality=80)
PLOT: Final = Path(__file__).parents[1] / "docs" / "thumbnails.svg"
_SEED: Final = 20
_KINDS: Final = 20


@dataclass(frozen=True, slots=True)
class Load:
    """How long all thumbnails took, in seconds, and which part of all cores was busy meanwhile."""

    seconds: float
    busy: float


def make_photographs(directory: Path) -> list[Path]:
    """Write COUNT pictures, of which no two are alike."""
    chance = random.Random(_SEED)
    kinds = [_make_photograph(chance) for _ in range(_KINDS)]
    directory.mkdir()
    paths = [directory / f"picture-{number:04}.jpg" for number in range(COUNT)]
    for number, path in enumerate(paths):
        path.write_bytes(kinds[number % _KINDS] + number.to_bytes(4, "big"))
    return paths


def _make_photograph(chance: random.Random) -> bytes:
    """Give smooth shapes with some grain: as hard to decode as a photograph."""
    small = Image.frombytes("RGB", (40, 27), chance.randbytes(40 * 27 * 3))
    grain = Image.effect_noise((WIDE, HIGH), 12).convert("RGB")
    picture = Image.blend(small.resize((WIDE, HIGH), Image.Resampling.BICUBIC), grain, 0.15)
    stream = io.BytesIO()
    picture.filter(ImageFilter.SMOOTH).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def measure(directory: Path, rounds: int) -> str:
    """Run below `directory`; gives the section of docs/BENCHMARKS.md, and draws the plot."""
    photographs = make_photographs(directory / "photographs")
    mount = Mount(path=directory / "mount", data=directory / "data")
    mount.path.mkdir()
    mount.mount()
    try:
        run("cp", "-r", directory / "photographs", mount.path / "all")
        first, bare = time_first_reads(mount, photographs, directory, rounds)
        mount.umount()
        mount.mount()
        again = time_stored(mount, photographs)
        loads = measure_loads(mount, photographs, directory)
    finally:
        mount.umount()
    draw(loads)
    return write_section(first, bare, again, loads)


def time_first_reads(
    mount: Mount, photographs: Sequence[Path], directory: Path, rounds: int
) -> tuple[list[float], list[float]]:
    """Give the seconds of first reads through the mount, and of the same calls here, picture by picture."""
    first, bare = [], []
    target = directory / "bare.webp"
    read_variant(mount.path / "all" / photographs[-1].name)
    for photograph in photographs[: SAMPLE * rounds]:
        first.append(seconds_of(partial(read_variant, mount.path / "all" / photograph.name)))
        with photograph.open("rb") as source, target.open("x+b") as made:
            bare.append(seconds_of(partial(render, source.fileno(), made.fileno(), WANTED, Limits(), frozenset())))
        target.unlink()
    return first, bare


def time_stored(mount: Mount, photographs: Sequence[Path]) -> list[float]:
    """Give the seconds until the first byte of variants that an earlier mount stored."""

    def read_first_byte(path: Path) -> None:
        with Path(f"{path}@", EXPRESSION).open("rb", buffering=0) as file:
            file.read(1)

    return [seconds_of(partial(read_first_byte, mount.path / "all" / path.name)) for path in photographs[:SAMPLE]]


def measure_loads(mount: Mount, photographs: Sequence[Path], directory: Path) -> dict[str, Load]:
    """Make all thumbnails: by readers of the mount, by plain Pillow and by vipsthumbnail, as many at once."""
    for kind in ("pillow", "vips"):
        (directory / kind).mkdir()

    def by_mount() -> None:
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda path: read_variant(mount.path / "all" / path.name, "w=255.webp"), photographs))

    def by_pillow() -> None:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(thumbnail, photographs, [directory / "pillow"] * len(photographs), chunksize=20))

    def by_vips() -> None:
        groups = [photographs[at::READERS] for at in range(READERS)]
        target = directory / "vips" / "%s.webp[Q=80]"
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda group: run("vipsthumbnail", "--size", "256x", "-o", target, *group), groups))

    return {name: load_of(work) for name, work in {
        f"mount, {READERS} readers": by_mount, "plain Pillow": by_pillow, "vipsthumbnail": by_vips,
    }.items()}  # fmt: skip


def thumbnail(path: Path, directory: Path) -> None:
    """Do what people do with plain Pillow."""
    with Image.open(path) as picture:
        picture.thumbnail((256, 256 * HIGH // WIDE + 1))
        picture.save(directory / f"{path.stem}.webp", quality=80)


def read_variant(path: Path, expression: str = EXPRESSION) -> bytes:
    """Read a variant of a picture on the mount."""
    return Path(f"{path}@", expression).read_bytes()


def seconds_of(work: Callable[[], object]) -> float:
    """Do `work` and give how long it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def load_of(work: Callable[[], None]) -> Load:
    """Do `work` and give how long it took, and how busy all cores were."""
    idle, total = _read_cores()
    seconds = seconds_of(work)
    idle_then, total_then = _read_cores()
    return Load(seconds, 1 - (idle_then - idle) / (total_then - total))


def _read_cores() -> tuple[int, int]:
    """Give the ticks of all cores since boot: idle ones, and all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def draw(loads: dict[str, Load]) -> None:
    """Draw the rates as bars."""
    figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
    bars = axes.barh(
        list(loads), [COUNT / load.seconds for load in loads.values()], color=["#2a6f97", "#a9a9a9", "#a9a9a9"]
    )
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("thumbnails a second, 256 pixels wide, as WebP")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, metadata={"Date": None})


def write_section(first: list[float], bare: list[float], again: list[float], loads: dict[str, Load]) -> str:
    """Give the section of docs/BENCHMARKS.md."""
    seen, alone = statistics.median(first) * 1000, statistics.median(bare) * 1000
    stored, worst = statistics.median(again) * 1000, max(again) * 1000
    rows = "\n".join(
        f"| {name} | {load.seconds:.1f} s | {COUNT / load.seconds:.0f} | {load.busy:.0%} |"
        for name, load in loads.items()
    )
    return f"""## Rendering

Of a photograph of {WIDE} x {HIGH} pixels, a variant {EXPRESSION.split(".")[0][2:]} pixels wide as WebP, on the embedded
default, medians:

- its first read through the mount takes {seen:.1f} ms, rendered and durable in both stores; the same calls in a bare
  process take {alone:.1f} ms: {seen / alone:.2f} times as much, or {seen - alone * 1.15:+.1f} ms on top of 1.15 times;
- the first byte of a stored variant, after a remount, takes {stored:.1f} ms (at most {worst:.1f} ms of {len(again)}).

Thumbnails of {COUNT:,} photographs, in one run, Python {sys.version.split()[0]}, Pillow {PIL.__version__}:

| by | time | a second | cores busy |
|---|---|---|---|
{rows}

![Thumbnails a second](thumbnails.svg)
"""
