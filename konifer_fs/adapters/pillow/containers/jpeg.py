"""JPEG: markers from SOI to EOI (ITU-T T.81, annex B). Used by `probe`.

One search serves headers and entropy-coded data alike: within the latter every 0xFF is followed by 0x00 or is a
restart marker, so the next marker that is neither ends the scan.
"""

import re
import struct
from typing import Final

from konifer_fs.adapters.pillow.colors import color_space_of
from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import NotWhole
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes

_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_END: Final = 0xD9
_START: Final = 0xD8
_SCAN: Final = 0xDA
_PROFILE: Final = 0xE2
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xCB})
_PROFILE_NAME: Final = b"ICC_PROFILE\0"
_EXIF: Final = 0xE1
_EXIF_NAME: Final = b"Exif\0\0"
_MODELS: Final = {1: "grayscale", 3: "srgb", 4: "cymk"}


def read_jpeg(data: Buffer) -> Attributes:
    """Read the frame header and walk to the end marker; raises NotWhole."""
    frame: tuple[int, int, int] | None = None
    scans = 0
    profile: dict[int, bytes] = {}
    at = 2
    while found := _MARKER.search(data, at):
        at = found.start() + 2
        code = data[at - 1]
        if code == _END:
            return _attributes(frame if scans else None, profile)
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2 or code == _START:
            raise NotWhole("a JPEG marker is misplaced")
        if code in _FRAMES:
            frame = struct.unpack_from(">xHHB", data, at + 2)
        elif code == _PROFILE and data[at + 2 : at + 14] == _PROFILE_NAME:
            profile[data[at + 14]] = data[at + 16 : at + length]
        scans += code == _SCAN
        at += length
    raise NotWhole("the JPEG has no end marker")


def find_jpeg_exif(data: Buffer) -> bytes:
    """Give the first EXIF block before the picture of a whole JPEG, empty where there is none."""
    at = 2
    while (found := _MARKER.search(data, at)) and data[found.start() + 1] not in {_SCAN, _END}:
        at = found.start() + 2
        (length,) = struct.unpack_from(">H", data, at)
        if data[at - 1] == _EXIF and data[at + 2 : at + 8] == _EXIF_NAME:
            return data[at + 2 : at + length]
        at += length
    return b""


def _attributes(frame: tuple[int, int, int] | None, profile: dict[int, bytes]) -> Attributes:
    if frame is None:
        raise NotWhole("the JPEG ends before its picture")
    height, width, components = frame
    if not (width and height and components):
        raise NotWhole("the JPEG has no size")
    icc = b"".join(profile[number] for number in sorted(profile))
    model = _MODELS.get(components, "unknown")
    return Attributes(
        format=ImageFormat.JPEG, width=width, height=height,
        color_space=color_space_of(icc) if icc else model,
    )  # fmt: skip
