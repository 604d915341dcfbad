"""What became of the operations of a mount: how many there were, how long they took, and the last that failed."""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

_KEPT: Final = 100
BOUNDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An operation that was refused or failed: `path` is seen from the mount's root, `reason` is for people."""

    time: datetime
    path: str
    operation: str
    errno: str
    reason: str


@dataclass(slots=True)
class Durations:
    """How many took up to each of `BOUNDS`, and longer than all, and the sum, in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0


class Journal:
    """Written by the trio thread, read by any."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._durations: defaultdict[str, Durations] = defaultdict(Durations)
        self._failures: deque[Failure] = deque(maxlen=_KEPT)

    def count(self, operation: str, outcome: str, seconds: float) -> None:
        """Count an operation: `outcome` is `OK` or the errno's name."""
        self._counts[operation, outcome] += 1
        durations = self._durations[operation]
        durations.counts[bisect_left(BOUNDS, seconds)] += 1
        durations.sum += seconds

    def note(self, failure: Failure) -> None:
        """Keep what failed, until 100 others have."""
        self._failures.append(failure)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many operations there were, by name and outcome."""
        return self._counts.copy()

    @property
    def durations(self) -> Mapping[str, Durations]:
        """How long operations took, by name."""
        return {name: Durations(list(found.counts), found.sum) for name, found in self._durations.copy().items()}

    @property
    def failures(self) -> Sequence[Failure]:
        """The last 100 that were refused or failed, the oldest first."""
        return tuple(self._failures.copy())
