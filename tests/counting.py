"""What something costs, in lines: a measure that is the same each time."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_lines(function: Callable[[], object]) -> int:
    """Give how many lines of Python are run in this thread; each turn of a loop in one line counts, too."""
    lines = 0

    def note(_frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 (a trace function)
        nonlocal lines
        lines += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines
