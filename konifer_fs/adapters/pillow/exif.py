"""The few fields of an EXIF block that a rendering depends on, changed in place (TIFF 6.0, EXIF 2.32).

In place, because maker notes hold offsets that a block written anew would break. A block that makes no sense has no
orientation and no thumbnail.
"""

import struct
from typing import Final

PREFIX: Final = b"Exif\0\0"
_ORIENTATION: Final = 0x0112
_THUMBNAIL: Final = 0x0201
_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_UPRIGHT: Final = 1

Tiff = bytes | bytearray


def find_orientation(exif: bytes) -> int:
    """Give the orientation, 1 to 8; 1 where there is none."""
    tiff = exif.removeprefix(PREFIX)
    try:
        order, fields, _ = _read_first(tiff)
        (value,) = struct.unpack_from(order + "H", tiff, fields[_ORIENTATION])
    except (struct.error, KeyError):
        return _UPRIGHT
    return value if 1 <= value <= 8 else _UPRIGHT


def set_upright(exif: bytes) -> bytes:
    """Give the block with orientation 1 where it had another."""
    tiff = bytearray(exif.removeprefix(PREFIX))
    try:
        order, fields, _ = _read_first(tiff)
        struct.pack_into(order + "H", tiff, fields[_ORIENTATION], _UPRIGHT)
    except (struct.error, KeyError):
        return exif
    return PREFIX + tiff


def drop_thumbnail(exif: bytes) -> bytes:
    """Give the block without its thumbnail, which shows the picture as it was, and without what comes after that.

    Writers put the thumbnail last; where its directory comes first, only the link to it goes.
    """
    tiff = bytearray(exif.removeprefix(PREFIX))
    try:
        order, _, link = _read_first(tiff)
        (second,) = struct.unpack_from(order + "I", tiff, link)
        fields, _ = _read_directory(tiff, order, second)
        (start,) = struct.unpack_from(order + "I", tiff, fields[_THUMBNAIL])
        struct.pack_into(order + "I", tiff, link, 0)
    except (struct.error, KeyError):
        return exif
    return PREFIX + (tiff[:second] if second > link and start > second else tiff)


def _read_first(tiff: Tiff) -> tuple[str, dict[int, int], int]:
    """Give the byte order, and where the first directory's values lie, by tag, and its link to the next directory."""
    order = _ORDERS[bytes(tiff[:4])]
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    return order, *_read_directory(tiff, order, at)


def _read_directory(tiff: Tiff, order: str, at: int) -> tuple[dict[int, int], int]:
    (count,) = struct.unpack_from(order + "H", tiff, at)
    starts = range(at + 2, at + 2 + 12 * count, 12)
    fields = {struct.unpack_from(order + "H", tiff, start)[0]: start + 8 for start in starts}
    return fields, at + 2 + 12 * count
