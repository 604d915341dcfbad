"""AVIF and HEIC: pictures as items of a `meta` box (ISO/IEC 23008-12). Used by `probe`.

Width and height are the primary item's after its own `clap` and `irot`, as libheif gives them to libvips.
Whole means: the boxes are complete, and so is every extent of every item.
"""

import struct
from typing import Final

from konifer_fs.adapters.pillow.colors import MAX_PROFILE_BYTES, color_space_of
from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.adapters.pillow.containers.boxes import Box, find_box
from konifer_fs.adapters.pillow.containers.items import Items, read_items
from konifer_fs.domain.errors import NotWhole, WrongMediumType
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes

_FILE_BOXES: Final = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid"})
_PROFILES: Final = (b"prof", b"rICC")


def read_avif(data: Buffer) -> Attributes:
    """Read an AVIF file; raises NotWhole, WrongMediumType (a sequence without a still picture)."""
    return _read(data, ImageFormat.AVIF)


def read_heic(data: Buffer) -> Attributes:
    """Read a HEIC file; raises NotWhole, WrongMediumType (a sequence without a still picture)."""
    return _read(data, ImageFormat.HEIC)


def _read(data: Buffer, image_format: ImageFormat) -> Attributes:
    boxes = _list_file_boxes(data)
    if b"meta" not in boxes:
        if b"moov" in boxes:
            raise WrongMediumType("it is a sequence without a still picture")
        raise NotWhole("the picture has no meta box")
    items = read_items(data, boxes[b"meta"])
    width, height = _read_size(data, items)
    return Attributes(format=image_format, width=width, height=height, color_space=_read_color_space(data, items))


def _list_file_boxes(data: Buffer) -> dict[bytes, Box]:
    """Give the file's boxes by type, up to its end or to bytes that are no box of such a file.

    Those are bytes after the end, which are kept and not judged: the extents tell whether something is missing.
    """
    boxes: dict[bytes, Box] = {}
    at = 0
    while at + 8 <= len(data):
        box = find_box(data, at, len(data))
        if box is None:
            if data[at + 4 : at + 8] in _FILE_BOXES or b"meta" not in boxes:
                raise NotWhole("a box is cut short")
            return boxes
        boxes.setdefault(box.name, box)
        at = box.end
    tail = data[at:]
    # Too short for a header. A cut one begins with a zero, since no box that follows has 16 MiB or more.
    if tail[:1] == b"\0" and tail.strip(b"\0"):
        raise NotWhole("the header of a box is cut short")
    return boxes


def _read_size(data: Buffer, items: Items) -> tuple[int, int]:
    """Give width and height of the primary item after its cropping and rotation, in their order."""
    width = height = 0
    for box in items.properties(items.primary):
        if box.name == b"ispe":
            width, height = struct.unpack_from(">II", data, box.start + 4)
        elif box.name == b"clap":
            across, per, down, per_down = struct.unpack_from(">IIII", data, box.start)
            if not (per and per_down):
                raise NotWhole("the picture's cropping makes no sense")
            width, height = round(across / per), round(down / per_down)
        elif box.name == b"irot" and data[box.start] & 1:
            width, height = height, width
    if not (width and height):
        raise NotWhole("the picture has no size")
    return width, height


def _read_color_space(data: Buffer, items: Items) -> str:
    """Tell by the profile of the primary item or, for a grid without one, of its first tile; else by the depth."""
    boxes = [*items.properties(items.primary), *items.properties(items.first_tile(items.primary))]
    for box in boxes:
        if box.name == b"colr" and data[box.start : box.start + 4] in _PROFILES:
            return color_space_of(data[box.start + 4 : min(box.end, box.start + MAX_PROFILE_BYTES)])
    return "unknown" if any(_is_deep(data, box) for box in boxes) else "srgb"


def _is_deep(data: Buffer, box: Box) -> bool:
    """Whether a codec's configuration tells more than 8 bits a sample, which libvips does not call sRGB."""
    if box.name == b"av1C":
        return bool(data[box.start + 2] & 0x40)
    return box.name == b"hvcC" and bool(data[box.start + 17] & 7)
