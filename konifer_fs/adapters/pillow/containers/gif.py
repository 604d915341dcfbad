"""GIF: blocks from the screen descriptor to the trailer (GIF89a). Used by `probe`.

Pages, sizes and loops are counted as libvips counts them for Konifer: a screen too small for its first frame
grows, one that only tells the encoder's screen does not count, and `loop` is how often the whole plays: 0 for ever,
1 without the extension, else the extension's count + 1.
"""

import struct
from typing import Final

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import NotWhole
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes

_EXTENSION: Final = 0x21
_IMAGE: Final = 0x2C
_TRAILER: Final = 0x3B
_NO_SCREENS: Final = frozenset({(640, 480), (640, 512), (800, 600), (1024, 768), (1280, 1024), (1600, 1200)})
_MAX_SCREEN: Final = 2048
_LOOPS: Final = (b"\x0bNETSCAPE2.0\x03\x01", b"\x0bANIMEXTS1.0\x03\x01")


def read_gif(data: Buffer) -> Attributes:
    """Count the pages and walk the blocks to the trailer; raises NotWhole."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    if (width, height) in _NO_SCREENS or max(width, height) > _MAX_SCREEN:
        width = height = 0
    pages, loop = 0, 1
    at = 13 + _table_size(flags)
    while (kind := data[at]) != _TRAILER:
        if kind == _EXTENSION:
            if data[at + 1] == 0xFF and data[at + 2 : at + 16] in _LOOPS:
                (count,) = struct.unpack_from("<H", data, at + 16)
                loop = count + 1 if count else 0
            at = _skip_blocks(data, at + 2)
        elif kind == _IMAGE:
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if not pages:
                width, height = max(width, left + across), max(height, top + down)
            pages += 1
            at = _skip_blocks(data, at + 11 + _table_size(flags))
        elif kind:
            raise NotWhole("a GIF block is of no known kind")
        else:
            at += 1  # Some encoders pad between blocks.
    if not (pages and width and height):
        raise NotWhole("the GIF has no picture")
    return Attributes(
        format=ImageFormat.GIF, width=width, height=height, page_count=pages, loop=loop, color_space="srgb"
    )


def _table_size(flags: int) -> int:
    """Give the bytes of the colour table that follows a descriptor with these flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(data: Buffer, at: int) -> int:
    """Give where a run of data sub-blocks that begins at `at` ends."""
    while size := data[at]:
        at += size + 1
    return at + 1
