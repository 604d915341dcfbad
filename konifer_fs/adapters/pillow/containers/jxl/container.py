"""A JPEG XL file: a bare codestream, or boxes that hold one (ISO/IEC 18181-2). Used by `probe`.

Width and height are after the codestream's own orientation, as libjxl gives them to libvips.
"""

from typing import Final

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.adapters.pillow.containers.boxes import find_box
from konifer_fs.adapters.pillow.containers.jxl.bits import Bits
from konifer_fs.adapters.pillow.containers.jxl.frames import skip_frames
from konifer_fs.adapters.pillow.containers.jxl.headers import read_stream_header
from konifer_fs.domain.errors import NotWhole
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes

_FILE_BOXES: Final = frozenset(
    {b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp", b"jxli", b"jbrd", b"brob", b"Exif", b"xml ", b"jumb"}
)
_IS_LAST: Final = 0x80


def read_jxl(data: Buffer) -> Attributes:
    """Read the header, and find the end of the boxes and of the codestream; raises NotWhole."""
    spans = [(0, len(data))] if data[:2] == b"\xff\x0a" else _find_codestream(data)
    bits = Bits(data, spans)
    if bits.peek(16) != 0x0AFF:
        raise NotWhole("the JPEG XL file holds no codestream")
    header = read_stream_header(bits)
    skip_frames(bits, header)
    size = header.width, header.height
    width, height = size if header.orientation < 5 else reversed(size)
    return Attributes(format=ImageFormat.JPEG_XL, width=width, height=height, color_space=header.color_space)


def _find_codestream(data: Buffer) -> list[tuple[int, int]]:
    """Give the spans of the codestream; what cannot be a box of such a file is bytes after the end."""
    spans: list[tuple[int, int]] = []
    is_complete = False
    at = 0
    while at + 8 <= len(data):
        box = find_box(data, at, len(data))
        if box is None:
            if data[at + 4 : at + 8] in _FILE_BOXES or not is_complete:
                raise NotWhole("a box is cut short")
            break
        if box.name == b"jxlc":
            spans, is_complete = [(box.start, box.end)], True
        elif box.name == b"jxlp":
            spans.append((box.start + 4, box.end))
            is_complete = is_complete or bool(data[box.start] & _IS_LAST)
        at = box.end
    if not is_complete:
        raise NotWhole("the JPEG XL codestream is cut short")
    return spans
