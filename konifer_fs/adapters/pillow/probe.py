"""What a file is: the pure core of the worker, tried by the tests without a process. No I/O."""

import struct
from collections.abc import Callable
from typing import Final

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.adapters.pillow.containers.gif import read_gif
from konifer_fs.adapters.pillow.containers.isobmff import read_avif, read_heic
from konifer_fs.adapters.pillow.containers.jpeg import find_jpeg_exif, read_jpeg
from konifer_fs.adapters.pillow.containers.jxl.container import read_jxl
from konifer_fs.adapters.pillow.containers.png import find_png_exif, read_png
from konifer_fs.adapters.pillow.containers.riff import find_webp_exif, read_webp
from konifer_fs.adapters.pillow.exif import find_orientation
from konifer_fs.domain.errors import NotWhole, WrongMediumType
from konifer_fs.domain.formats import ImageFormat, can_begin_image, detect_format
from konifer_fs.domain.variant import Attributes

_SNIFFED_BYTES: Final = 1024
_SIGNATURE_BYTES: Final = 64

_READERS: Final[dict[ImageFormat, Callable[[Buffer], Attributes]]] = {
    ImageFormat.JPEG: read_jpeg,
    ImageFormat.PNG: read_png,
    ImageFormat.WEBP: read_webp,
    ImageFormat.AVIF: read_avif,
    ImageFormat.JPEG_XL: read_jxl,
    ImageFormat.HEIC: read_heic,
    ImageFormat.GIF: read_gif,
}
# AVIF, HEIC and JPEG XL turn the picture by themselves, and their EXIF orientation counts for nothing.
_EXIF_FINDERS: Final[dict[ImageFormat, Callable[[Buffer], bytes]]] = {
    ImageFormat.JPEG: find_jpeg_exif,
    ImageFormat.PNG: find_png_exif,
    ImageFormat.WEBP: find_webp_exif,
}


def read_attributes(data: Buffer) -> Attributes:
    """Tell the format of `data` by its first bytes, check that it is whole, and read its header.

    Raises:
        WrongMediumType: none of the seven formats; empty.
        NotWhole: cut short, the header makes no sense, or zeros where the signature will be written.
    """
    prefix = data[:_SNIFFED_BYTES]
    image_format = detect_format(prefix)
    if image_format is None:
        is_begun = len(prefix) < _SIGNATURE_BYTES or not prefix[:4].strip(b"\0")
        if prefix and is_begun and can_begin_image(prefix):
            raise NotWhole("it has no signature yet")
        raise WrongMediumType
    try:
        return _READERS[image_format](data)
    except (IndexError, struct.error) as error:
        raise NotWhole("it ends early") from error


def read_orientation(data: Buffer) -> int:
    """Give the EXIF orientation of a whole image; raises as `read_attributes`."""
    find_exif = _EXIF_FINDERS.get(read_attributes(data).format)
    return find_orientation(find_exif(data)) if find_exif else 1
