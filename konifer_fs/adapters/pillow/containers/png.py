"""PNG: chunks from IHDR to IEND (W3C PNG, third edition). Used by `probe`."""

import struct
import zlib
from typing import Final

from konifer_fs.adapters.pillow.colors import MAX_PROFILE_BYTES, color_space_of
from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import NotWhole
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes

_MAX_SIDE: Final = 2**31 - 1
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_GREY: Final = (0, 4)


def read_png(data: Buffer) -> Attributes:
    """Read IHDR, whose checksum must hold, and walk the chunks to IEND; raises NotWhole."""
    width, height, model = _read_header(data)
    has_pixels = False
    at = 33
    while True:
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or not name.isalpha():
            raise NotWhole("a PNG chunk is cut short")
        if name == b"IEND":
            break
        has_pixels = has_pixels or name == b"IDAT"
        if name == b"iCCP" and not has_pixels:
            model = _read_profile(data[at + 8 : min(end - 4, at + 8 + MAX_PROFILE_BYTES)])
        at = end
    if not has_pixels:
        raise NotWhole("the PNG ends before its picture")
    return Attributes(format=ImageFormat.PNG, width=width, height=height, color_space=model)


def find_png_exif(data: Buffer) -> bytes:
    """Give the EXIF block of a whole PNG, empty where there is none."""
    at, name = 33, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"eXIf":
            return data[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _read_header(data: Buffer) -> tuple[int, int, str]:
    """Give width, height and the colour space that samples have without a profile."""
    length, name, width, height, depth, kind, *methods, checksum = struct.unpack_from(">I4sIIBBBBBI", data, 8)
    if (length, name) != (13, b"IHDR") or zlib.crc32(data[12:29]) != checksum:
        raise NotWhole("the PNG header is damaged")
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE) or depth not in _DEPTHS.get(kind, ()):
        raise NotWhole("the PNG header makes no sense")
    if methods[:2] != [0, 0] or methods[2] > 1:
        raise NotWhole("the PNG header makes no sense")
    if depth == 16:
        return width, height, "unknown"
    return width, height, "grayscale" if kind in _GREY else "srgb"


def _read_profile(chunk: bytes) -> str:
    """Give the colour space of an iCCP chunk: a name, NUL, the method, and the compressed profile."""
    start = chunk.find(b"\0") + 2
    try:
        return color_space_of(zlib.decompressobj().decompress(chunk[start:], MAX_PROFILE_BYTES))
    except zlib.error:
        return "unknown"
