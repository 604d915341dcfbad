"""Puts HEIF files together, box by box, for what encoders do not make: grids, crops, items that lie elsewhere."""

import struct
from collections.abc import Sequence


def box(name: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), name) + body


def full_box(name: bytes, *contents: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags), *contents)


def ispe(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


def clap(width: int, height: int) -> bytes:
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, 0, 1, 0, 1))


def irot(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


def colr(profile: bytes) -> bytes:
    return box(b"colr", b"prof", profile)


def make_heif(
    properties: Sequence[bytes],
    *,
    major: bytes = b"heic",
    tile_properties: Sequence[bytes] = (),
    extent: tuple[int, int] | None = None,
    held: bytes = b"",
    media: bytes = b"pixels of some kind",
    after: bytes = b"",
) -> bytes:
    """Make a file whose primary item, 1, has `properties`; item 2 with `tile_properties` is its first tile.

    Item 1 lies in `media`, or where `extent` says; with `held` it lies in `idat`.
    """
    numbers = range(1, 1 + len(properties) + len(tile_properties))
    own, tile = numbers[: len(properties)], numbers[len(properties) :]
    start = box(b"ftyp", major, bytes(4), b"mif1", major)

    def make_meta(offset: int, length: int) -> bytes:
        iloc = struct.pack(">HHHHHHII", 0x4400, 1, 1, 1 if held else 0, 0, 1, offset, length)
        return full_box(
            b"meta",
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iloc", iloc, version=1),
            full_box(b"iref", box(b"dimg", struct.pack(">HHH", 1, 1, 2))) if tile else b"",
            box(b"iprp", box(b"ipco", *properties, *tile_properties), _associate({1: own, 2: tile})),
            box(b"idat", held) if held else b"",
        )

    size = len(start) + len(make_meta(0, 0)) + 8
    offset, length = extent or ((0, len(held)) if held else (size, len(media)))
    return start + make_meta(offset, length) + box(b"mdat", media) + after


def _associate(numbers: dict[int, Sequence[int]]) -> bytes:
    rows = (struct.pack(">HB", item, len(of_item)) + bytes(of_item) for item, of_item in numbers.items())
    return full_box(b"ipma", struct.pack(">I", len(numbers)), *rows)
