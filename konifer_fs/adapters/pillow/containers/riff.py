"""WebP: a RIFF file of chunks (RFC 9649). Used by `probe`.

`loop` is the animation's own count, 0 for ever; without an animation it is 0, as Konifer has it.
"""

import struct
from collections.abc import Iterator
from typing import Final

from konifer_fs.adapters.pillow.colors import MAX_PROFILE_BYTES, color_space_of
from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import NotWhole
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes

_ANIMATED: Final = 0x02


def read_webp(data: Buffer) -> Attributes:
    """Read the canvas, count the frames and walk the chunks to the RIFF size; raises NotWhole."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) or end < 20:
        raise NotWhole("the WebP is shorter than its RIFF size")
    canvas: tuple[int, int] | None = None
    animated, pictures, frames, loop, color_space = False, 0, 0, 0, "srgb"
    for name, at, size in _list_chunks(data, end):
        if name == b"VP8X":
            animated = bool(data[at] & _ANIMATED)
            canvas = 1 + _u24(data, at + 4), 1 + _u24(data, at + 7)
        elif name in {b"VP8 ", b"VP8L"}:
            pictures += 1
            size_of = _lossy_size if name == b"VP8 " else _lossless_size
            canvas = canvas or size_of(data, at, size)
        elif name == b"ANIM":
            (loop,) = struct.unpack_from("<H", data, at + 4)
        elif name == b"ANMF":
            frames += 1
        elif name == b"ICCP":
            color_space = color_space_of(data[at : at + min(size, MAX_PROFILE_BYTES)])
    if canvas is None or not (frames if animated else pictures):
        raise NotWhole("the WebP has no picture")
    return Attributes(
        format=ImageFormat.WEBP, width=canvas[0], height=canvas[1], color_space=color_space,
        page_count=frames if animated else 1, loop=loop if animated else 0,
    )  # fmt: skip


def find_webp_exif(data: Buffer) -> bytes:
    """Give the EXIF block of a whole WebP, empty where there is none."""
    chunks = _list_chunks(data, 8 + int.from_bytes(data[4:8], "little"))
    return next((data[at : at + size] for name, at, size in chunks if name == b"EXIF"), b"")


def _list_chunks(data: Buffer, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Give name, offset and size of the contents of each chunk up to `end`."""
    at = 12
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > end:
            raise NotWhole("a WebP chunk is cut short")
        yield name, at + 8, size
        at += 8 + size + (size & 1)


def _u24(data: Buffer, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _lossy_size(data: Buffer, at: int, size: int) -> tuple[int, int]:
    """Give width and height of a VP8 key frame (RFC 6386, 9.1)."""
    if size < 10 or data[at] & 1 or data[at + 3 : at + 6] != b"\x9d\x01\x2a":
        raise NotWhole("the WebP picture has no header")
    width, height = struct.unpack_from("<HH", data, at + 6)
    return _checked(width & 0x3FFF, height & 0x3FFF)


def _lossless_size(data: Buffer, at: int, size: int) -> tuple[int, int]:
    """Give width and height of a VP8L stream."""
    if size < 5 or data[at] != 0x2F:
        raise NotWhole("the WebP picture has no header")
    (bits,) = struct.unpack_from("<I", data, at + 1)
    return _checked((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)


def _checked(width: int, height: int) -> tuple[int, int]:
    if not (width and height):
        raise NotWhole("the WebP has no size")
    return width, height
