"""The items of a HEIF file's `meta` box: where they lie, and what is said of them (ISO/IEC 23008-12, 14496-12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.adapters.pillow.containers.boxes import Box, list_boxes
from konifer_fs.domain.errors import NotWhole

_IN_FILE: Final = 0
_IN_META: Final = 1


@dataclass(frozen=True, slots=True)
class Items:
    """The primary item's id; each item's properties in their order; and the tiles that an item is derived from."""

    primary: int
    _properties: Mapping[int, Sequence[Box]]
    _tiles: Mapping[int, int]

    def properties(self, item: int) -> Sequence[Box]:
        """Give the property boxes of an item, none for an item that is not there."""
        return self._properties.get(item, ())

    def first_tile(self, item: int) -> int:
        """Give the first item that `item` is derived from, 0 for none."""
        return self._tiles.get(item, 0)


class _Cursor:
    """Reads big-endian numbers one after the other, up to the end of a box."""

    def __init__(self, data: Buffer, box: Box) -> None:
        self._data, self._at, self._end = data, box.start, box.end

    def number(self, size: int) -> int:
        """Read a number of `size` bytes; 0 bytes are 0."""
        self._at += size
        if self._at > self._end:
            raise NotWhole("a box ends early")
        return int.from_bytes(self._data[self._at - size : self._at], "big")


def read_items(data: Buffer, meta: Box) -> Items:
    """Read the `meta` box; raises NotWhole where it makes no sense or an extent lies beyond what there is."""
    boxes = {box.name: box for box in list_boxes(data, meta.start + 4, meta.end)}
    if not boxes.keys() >= {b"pitm", b"iloc", b"iprp"}:
        raise NotWhole("the picture has no items")
    held = boxes.get(b"idat")
    _check_extents(_Cursor(data, boxes[b"iloc"]), len(data), held.end - held.start if held else 0)
    primary = _Cursor(data, boxes[b"pitm"])
    wide = primary.number(4) >> 24
    references = _read_tiles(data, boxes[b"iref"]) if b"iref" in boxes else {}
    return Items(primary.number(4 if wide else 2), _read_properties(data, boxes[b"iprp"]), references)


def _check_extents(iloc: _Cursor, file_size: int, held_size: int) -> None:
    """Raise unless every extent of every item lies within the file, or within `idat`."""
    version = iloc.number(4) >> 24
    sizes = iloc.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(iloc.number(4 if version == 2 else 2)):
        iloc.number(4 if version == 2 else 2)
        method = iloc.number(2) & 15 if version else _IN_FILE
        is_elsewhere = iloc.number(2) or method not in {_IN_FILE, _IN_META}
        available = file_size if method == _IN_FILE else held_size
        base = iloc.number(base_size)
        for _ in range(iloc.number(2)):
            iloc.number(index_size)
            start = base + iloc.number(offset_size)
            length = iloc.number(length_size)
            if not is_elsewhere and start + (length or 1) > available:
                raise NotWhole("an item lies beyond the end")


def _read_properties(data: Buffer, iprp: Box) -> dict[int, list[Box]]:
    """Give the property boxes of each item, in the order in which they apply."""
    known: list[Box] = []
    of_items: dict[int, list[Box]] = {}
    for box in list_boxes(data, iprp.start, iprp.end):
        if box.name == b"ipco":
            known = list(list_boxes(data, box.start, box.end))
        elif box.name == b"ipma":
            for item, numbers in _read_associations(_Cursor(data, box)).items():
                of_items.setdefault(item, []).extend(known[number - 1] for number in numbers if number)
    return of_items


def _read_associations(ipma: _Cursor) -> dict[int, list[int]]:
    """Give, of one `ipma`, each item's properties as numbers from 1; 0 is none."""
    head = ipma.number(4)
    wide_item, wide_number = head >> 24, head & 1
    associations: dict[int, list[int]] = {}
    for _ in range(ipma.number(4)):
        item = ipma.number(4 if wide_item else 2)
        count = ipma.number(1)
        associations[item] = [ipma.number(2) & 0x7FFF if wide_number else ipma.number(1) & 0x7F for _ in range(count)]
    return associations


def _read_tiles(data: Buffer, iref: Box) -> dict[int, int]:
    """Give the first tile of each derived item."""
    wide = 4 if data[iref.start] else 2
    tiles: dict[int, int] = {}
    for box in list_boxes(data, iref.start + 4, iref.end):
        if box.name == b"dimg":
            cursor = _Cursor(data, box)
            item, count = cursor.number(wide), cursor.number(2)
            if count:
                tiles[item] = cursor.number(wide)
    return tiles
