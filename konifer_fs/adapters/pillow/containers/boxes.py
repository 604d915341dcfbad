"""Boxes of the ISO base media file format (ISO/IEC 14496-12), which AVIF, HEIC and JPEG XL are made of."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import NotWhole


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its type, where its contents lie, and whether it says only "to the end of the file"."""

    name: bytes
    start: int
    end: int
    is_open: bool = False


def find_box(data: Buffer, at: int, limit: int) -> Box | None:
    """Give the box at `at`, or None where it does not fit before `limit` or its size makes no sense."""
    size, name = struct.unpack_from(">I4s", data, at)
    start = at + 8
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, start)
        start += 8
    end = at + size if size else limit
    return Box(name, start, end, is_open=not size) if start <= end <= limit else None


def list_boxes(data: Buffer, at: int, end: int) -> Iterator[Box]:
    """Give the boxes that tile `data[at:end]`; raises NotWhole where one does not fit."""
    while at < end:
        box = find_box(data, at, end)
        if box is None:
            raise NotWhole("a box is cut short")
        yield box
        at = box.end
