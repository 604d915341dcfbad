"""Open files and directories by the number the kernel has for them. Lives on the trio thread."""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from konifer_fs.domain.errors import MovedOn

T = TypeVar("T")


class Handles(Generic[T]):
    """Numbers for open things; a number is not used twice."""

    def __init__(self) -> None:
        self._open: Final[dict[int, T]] = {}
        self._last = 0

    def add(self, opened: T) -> int:
        """Give `opened` a number."""
        self._last += 1
        self._open[self._last] = opened
        return self._last

    def __getitem__(self, number: int) -> T:
        """Give what has the number; raises MovedOn when nothing has."""
        try:
            return self._open[number]
        except KeyError:
            raise MovedOn from None

    def __iter__(self) -> Iterator[T]:
        """Go over all that is open."""
        return iter(self._open.values())

    def pop(self, number: int) -> T:
        """Give what has the number and forget it; raises MovedOn when nothing has."""
        opened = self[number]
        del self._open[number]
        return opened
