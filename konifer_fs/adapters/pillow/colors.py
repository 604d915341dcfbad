"""Konifer's word for the colour space of an ICC profile (ICC.1:2022). Used by the container readers.

A profile is told by the X of its red and green colourants, else by its description.
"""

import struct
from typing import Final

MAX_PROFILE_BYTES: Final = 4 << 20
MAX_NAME: Final = 50

_TOLERANCE: Final = 0.01
_COLOURANTS: Final = {"p3": (0.515, 0.292), "adobe_rgb": (0.609, 0.205), "srgb": (0.436, 0.385)}
_MODELS: Final = {b"GRAY": "grayscale", b"CMYK": "cymk"}


def color_space_of(profile: bytes) -> str:
    """Give `srgb p3 adobe_rgb cymk grayscale unknown`, or the description, lower-cased, of up to 50 characters."""
    try:
        tags = _read_tags(profile)
        return (
            _MODELS.get(profile[16:20])
            or color_space_of_colourants(_read_x(profile, tags, b"rXYZ"), _read_x(profile, tags, b"gXYZ"))
            or _read_description(profile, tags)
        )
    except (struct.error, IndexError):
        return "unknown"


def color_space_of_colourants(red_x: float, green_x: float) -> str | None:
    """Tell a colour space by the X (D50) of its red and green."""
    for name, (red, green) in _COLOURANTS.items():
        if abs(red_x - red) <= _TOLERANCE and abs(green_x - green) <= _TOLERANCE:
            return name
    return None


def _read_tags(profile: bytes) -> dict[bytes, tuple[int, int]]:
    """Give offset and size of each tag."""
    (count,) = struct.unpack_from(">I", profile, 128)
    rows = (struct.unpack_from(">4sII", profile, 132 + 12 * row) for row in range(min(count, 200)))
    return {name: (offset, size) for name, offset, size in rows}


def _read_x(profile: bytes, tags: dict[bytes, tuple[int, int]], name: bytes) -> float:
    """Give the X of an XYZ tag, or -1.0 where there is none."""
    offset, _ = tags.get(name, (0, 0))
    if not offset or profile[offset : offset + 4] != b"XYZ ":
        return -1.0
    (fixed,) = struct.unpack_from(">i", profile, offset + 8)
    return float(fixed) / 65536


def _read_description(profile: bytes, tags: dict[bytes, tuple[int, int]]) -> str:
    """Give the words of `desc`, which is ASCII in version 2 and UTF-16 in version 4."""
    offset, _ = tags.get(b"desc", (0, 0))
    kind = profile[offset : offset + 4]
    text = ""
    if kind == b"desc":
        (length,) = struct.unpack_from(">I", profile, offset + 8)
        text = profile[offset + 12 : offset + 12 + length].decode("ascii", "ignore")
    elif kind == b"mluc":
        length, start = struct.unpack_from(">II", profile, offset + 20)
        text = profile[offset + start : offset + start + length].decode("utf-16-be", "ignore")
    return "".join(filter(str.isprintable, text)).strip().lower()[:MAX_NAME].strip() or "unknown"
