"""What became of the operations of a mount: how many there were, and the last that were refused or failed."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_KEPT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An operation that was refused or failed: `path` is seen from the mount's root, `reason` is for people."""

    time: datetime
    path: str
    operation: str
    errno: str
    reason: str


class Journal:
    """Written by the trio thread, read by any."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._failures: deque[Failure] = deque(maxlen=_KEPT)

    def count(self, operation: str, outcome: str) -> None:
        """Count an operation: `outcome` is `OK` or the errno's name."""
        self._counts[operation, outcome] += 1

    def note(self, failure: Failure) -> None:
        """Keep what failed, until 100 others have."""
        self._failures.append(failure)

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many operations there were, by name and outcome."""
        return self._counts.copy()

    @property
    def failures(self) -> Sequence[Failure]:
        """The last 100 that were refused or failed, the oldest first."""
        return tuple(self._failures.copy())
