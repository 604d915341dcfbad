"""Waiting before something is tried again that has failed."""

from typing import Final

# More would be no number any more, and is longer than anybody waits.
_DOUBLINGS: Final = 30


def back_off(failures: int, first: float, longest: float, chance: float) -> float:
    """Give the seconds to wait after so many failures in a row: `first`, twice as long each time, up to `longest`.

    Less by up to half, as `chance`, from 0 to 1, has it: so what failed together is not tried together.
    """
    return min(longest, first * float(2 ** min(failures - 1, _DOUBLINGS))) * (1 - chance / 2)
