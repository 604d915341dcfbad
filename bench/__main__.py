"""Runs one benchmark, or all, and writes its section of docs/BENCHMARKS.md.

Rounds are interleaved and medians are told, because machines are noisy; the ratios of one run are what counts.
"""

import argparse
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import beside, copying, feeding, noticing, rendering, scale, selecting

PAGE: Final = Path(__file__).parents[1] / "docs" / "BENCHMARKS.md"
HEADING: Final = "# How fast it is\n\n`scripts/bench` wrote this page.\n"
BENCHMARKS: Final[dict[str, Callable[[Path, int], str]]] = {
    "beside": beside.measure,
    "copying": copying.measure,
    "feeding": feeding.measure,
    "noticing": noticing.measure,
    "rendering": rendering.measure,
    "scale": scale.measure,
    "selecting": selecting.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="|".join(BENCHMARKS), help="all of them by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where to work; a fast local disk")
    arguments = parser.parse_args()
    if unknown := set(arguments.benchmarks) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for name in arguments.benchmarks or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="konifer-fs-bench-", dir=arguments.directory) as directory:
            section = BENCHMARKS[name](Path(directory), arguments.rounds)
        print(section)
        PAGE.write_text(replace_section(PAGE.read_text(), section))


def replace_section(page: str, section: str) -> str:
    """Give the page with the section in place of the one with its heading, or after all others."""
    sections = {part.split("\n", 1)[0]: part for part in re.split(r"(?m)^(?=## )", page)[1:]}
    sections[section.split("\n", 1)[0]] = section
    return "\n".join([HEADING, *(part.rstrip() + "\n" for part in sections.values())])


if __name__ == "__main__":
    main()
