"""Sources as the pipeline takes them: pages of few modes, no larger than they are needed, and what is carried along.

Pages come as `L`, `LA`, `RGB`, `RGBA` or `CMYK` of 8 bits a sample; palettes, 1 and 16 bits are brought to these.
AVIF, HEIC and JPEG XL pictures come as they themselves turn them.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image, ImageFile

from konifer_fs.adapters.pillow.exif import PREFIX, drop_thumbnail, find_orientation, set_upright
from konifer_fs.adapters.pillow.rendering.codecs import load_codec
from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.geometry import Size
from konifer_fs.domain.transformation import Metadata
from konifer_fs.domain.variant import Attributes

# How much larger than needed a JPEG is decoded, so that the rest of the way is the resizing filter's.
_DRAFT_MARGIN: Final = 2
_IPTC_SEGMENT: Final = "APP13"
_MODES: Final = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_BY_ORIENTATION: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes with the pixels: an ICC profile, and the bytes of EXIF, XMP and JPEG's IPTC segment."""

    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None

    def without(self, kinds: frozenset[Metadata]) -> "Carried":
        """Give this without some kinds."""
        return Carried(
            profile=None if Metadata.ICC in kinds else self.profile,
            exif=None if Metadata.EXIF in kinds else self.exif,
            xmp=None if Metadata.XMP in kinds else self.xmp,
            iptc=None if Metadata.IPTC in kinds else self.iptc,
        )

    def upright(self) -> "Carried":
        """Give this for pixels that have been turned: nothing says any more that they should be."""
        return replace(
            self,
            exif=self.exif and set_upright(self.exif),
            xmp=self.xmp and _XMP_ORIENTATION.sub(rb"\g<1>1", self.xmp),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One picture, and how many milliseconds it is shown, 0 for a still one."""

    image: Image.Image
    duration: int = 0


class Source:
    """An opened image file. `attributes` are what its header says."""

    def __init__(self, file: ImageFile.ImageFile, attributes: Attributes) -> None:
        self.attributes = attributes
        self._file = file
        # The part of a page that is the picture, in its pixels: a draft's last ones may reach beyond it.
        self.extent: tuple[float, float] = (attributes.width, attributes.height)

    def draft(self, needed: Size) -> None:
        """Decode a JPEG that will be shrunk to `needed` no larger than that takes; called before `pages`."""
        if self.attributes.format is ImageFormat.JPEG:
            drafted = self._file.draft(None, (needed[0] * _DRAFT_MARGIN, needed[1] * _DRAFT_MARGIN))
            if drafted:
                self.extent = drafted[1][2:]

    def pages(self, count: int) -> Iterator[Page]:
        """Decode the first `count` pages, one after the other: the next may be drawn over the one before it."""
        for number in range(count):
            self._file.seek(number)
            self._file.load()
            yield Page(self._turned(_plain(self._file)), round(self._file.info.get("duration", 0)))

    def carried(self) -> Carried:
        """Give what goes with the pixels; called after `pages`, since some of it may come last in the file."""
        info = self._file.info
        exif, xmp = info.get("exif"), info.get("xmp")
        found = Carried(
            profile=info.get("icc_profile") or None,
            exif=PREFIX + drop_thumbnail(exif).removeprefix(PREFIX) if exif else None,
            xmp=xmp.encode() if isinstance(xmp, str) else xmp,
            iptc=self._find_iptc(),
        )
        is_turned_by_format = self.attributes.format in {ImageFormat.AVIF, ImageFormat.HEIC, ImageFormat.JPEG_XL}
        return found.upright() if is_turned_by_format else found

    def _turned(self, image: Image.Image) -> Image.Image:
        """Give a page as its format turns it, where Pillow leaves that to EXIF; and as large as the header says."""
        if self.attributes.format is ImageFormat.AVIF or getattr(self._file, "jpeg", False):
            return turned_by_exif(image, self._file.info.get("exif", b""))
        if self.attributes.format is ImageFormat.GIF:
            return image.crop((0, 0, self.attributes.width, self.attributes.height))
        return image

    def _find_iptc(self) -> bytes | None:
        segments = getattr(self._file, "applist", ())
        return next((content for name, content in segments if name == _IPTC_SEGMENT), None)


@contextmanager
def opened(source: int, attributes: Attributes, max_pixels: int | None) -> Iterator[Source]:
    """Read an image file of up to about `max_pixels`, whatever its header said; None for any number.

    Raises ContentUnreadable, and of Pillow whatever it raises.
    """
    name = load_codec(attributes.format)
    Image.MAX_IMAGE_PIXELS = max_pixels
    with os.fdopen(source, "rb", closefd=False) as bare, Image.open(bare, formats=(name,)) as file:
        if not isinstance(file, ImageFile.ImageFile):
            raise ContentUnreadable("it is no image file")
        yield Source(file, attributes)


def turned_by_exif(image: Image.Image, exif: bytes) -> Image.Image:
    """Give a picture upright by the orientation of its EXIF block."""
    turn = _BY_ORIENTATION.get(find_orientation(exif))
    return image if turn is None else image.transpose(turn)


def _plain(image: Image.Image) -> Image.Image:
    """Give a picture in one of the modes of the pipeline."""
    if image.mode.startswith(("I", "F")):
        return image.convert("F").point(lambda level: level * _scale_of(image.mode) + 0.5).convert("L")
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in {"1", "L", "LA"} else "RGBA")
    if image.mode in _MODES:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _scale_of(mode: str) -> float:
    """Give what brings a sample to 0 to 255: of 16 bits, or of a float from 0 to 1."""
    return 255.0 if mode == "F" else 1 / 257
