"""Calls that are made at once, and what became of each. Used by the tests of this suite."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

Calls = Mapping[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: its errno, or 0; and the seconds it took."""

    number: int
    seconds: float


def run_all(calls: Calls) -> dict[str, Outcome]:
    """Make all calls at once."""

    def run(call: Callable[[], object]) -> Outcome:
        began = time.monotonic()
        try:
            call()
        except OSError as error:
            return Outcome(error.errno or 0, time.monotonic() - began)
        return Outcome(0, time.monotonic() - began)

    with ThreadPoolExecutor(len(calls)) as threads:
        return dict(zip(calls, threads.map(run, calls.values()), strict=True))
