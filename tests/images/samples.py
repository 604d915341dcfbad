"""The pictures that the tests of wholeness and of mutations go through, by name."""

from collections.abc import Callable
from functools import cache, partial
from typing import Final

from konifer_fs.domain.formats import ImageFormat
from tests.images import jxl_samples
from tests.images.heif import colr, irot, ispe, make_heif
from tests.pictures import CMYK, P3, make_picture

_MAKERS: Final[dict[str, Callable[[], bytes]]] = {
    **{image_format.name.lower(): partial(make_picture, image_format) for image_format in ImageFormat},
    "jpeg progressive": lambda: make_picture(ImageFormat.JPEG, (200, 100), progressive=True),
    "jpeg cmyk": lambda: make_picture(ImageFormat.JPEG, mode="CMYK", profile=CMYK),
    "jpeg with thumbnail": lambda: with_thumbnail(make_picture(ImageFormat.JPEG)),
    "jpeg restarting": lambda: make_picture(ImageFormat.JPEG, (200, 100), restart_marker_blocks=1),
    "jpeg oriented": lambda: make_picture(ImageFormat.JPEG, orientation=6, profile=P3),
    "png palette": lambda: make_picture(ImageFormat.PNG, mode="P"),
    "png grey and alpha": lambda: make_picture(ImageFormat.PNG, mode="LA"),
    "png of 16 bits": lambda: make_picture(ImageFormat.PNG, mode="I;16"),
    "png with profile": lambda: make_picture(ImageFormat.PNG, profile=P3),
    "gif animated": lambda: make_picture(ImageFormat.GIF, pages=3, loop=0),
    "webp animated": lambda: make_picture(ImageFormat.WEBP, pages=3, loop=2),
    "webp lossless": lambda: make_picture(ImageFormat.WEBP, lossless=True),
    "webp extended": lambda: make_picture(ImageFormat.WEBP, mode="RGBA", profile=P3, orientation=6),
    "avif with profile": lambda: make_picture(ImageFormat.AVIF, profile=P3, orientation=6),
    "avif animated": lambda: make_picture(ImageFormat.AVIF, pages=3),
    "heic with profile": lambda: make_picture(ImageFormat.HEIC, profile=P3),
    "heic grid": lambda: make_heif([ispe(400, 300), irot(1)], tile_properties=[ispe(200, 300), colr(P3)]),
    "jxl lossless": lambda: make_picture(ImageFormat.JPEG_XL, (300, 300), lossless=True),
    "jxl boxed": lambda: make_picture(ImageFormat.JPEG_XL, use_container=True, orientation=6),
    "jxl of many groups": lambda: make_picture(ImageFormat.JPEG_XL, (2100, 300)),
    "jxl centre first": lambda: jxl_samples.CENTRE_FIRST,
    "jxl modular": lambda: jxl_samples.MODULAR_CENTRE_FIRST,
    "jxl low frequency": lambda: jxl_samples.LOW_FREQUENCY_FRAME,
    "jxl upsampled": lambda: jxl_samples.UPSAMPLED,
    "jxl animated": lambda: jxl_samples.ANIMATED,
}

NAMES: Final = tuple(_MAKERS)


@cache
def load_sample(name: str) -> bytes:
    """Give the bytes of a sample, made once."""
    return _MAKERS[name]()


def with_thumbnail(picture: bytes) -> bytes:
    """Put a whole JPEG, end marker and all, into an APP1 segment of another."""
    content = b"Exif\0\0" + picture
    return picture[:2] + b"\xff\xe1" + (2 + len(content)).to_bytes(2, "big") + content + picture[2:]
