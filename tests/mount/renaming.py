"""renameat2(2), which Python's library does not have."""

import ctypes
import os
from pathlib import Path
from typing import Final

NOREPLACE: Final = 1
EXCHANGE: Final = 2
WHITEOUT: Final = 4
_HERE: Final = -100
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def rename_with(flags: int, old: Path, new: Path) -> None:
    """Call renameat2(2); raises OSError."""
    if _LIBC.renameat2(_HERE, os.fsencode(old), _HERE, os.fsencode(new), flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(new))
