"""What a variant is asked to be, and what it is: Konifer's parameters, and their canonical form.

A `Request` is what somebody spelled (`parameters`, `expression`); `normalise` turns it, for one original, into the
`Transformation` that is stored. Equal transformations are one stored variant. The JSON is of dialect C (see `dialect`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any, Final

from konifer_fs.domain.errors import ContentTooLarge
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Json

Color = tuple[int, int, int, int]


class Fit(Enum):
    """How a picture is brought into a box of the width and height asked for."""

    FIT = "fit"
    FILL = "fill"
    STRETCH = "stretch"
    CROP = "crop"


class Gravity(Enum):
    """Which part is kept where something is cut off."""

    CENTER = "center"
    ENTROPY = "entropy"
    ATTENTION = "attention"


class Rotate(Enum):
    """Clockwise degrees; `AUTO` is what the original's EXIF orientation asks for, and is never stored."""

    ZERO = "0"
    NINETY = "90"
    ONE_HUNDRED_EIGHTY = "180"
    TWO_HUNDRED_SEVENTY = "270"
    AUTO = "auto"


class Flip(Enum):
    """Mirroring, after the rotation: `H` left to right, `V` top to bottom."""

    NONE = "none"
    H = "h"
    V = "v"


class Filter(Enum):
    """What is done to the colours."""

    NONE = "none"
    BLACK_WHITE = "black_white"
    GRAYSCALE = "grayscale"
    SEPIA = "sepia"


class ColorSpace(Enum):
    """The colour space of the result; `ORIGIN` keeps the original's."""

    ORIGIN = "origin"
    SRGB = "srgb"
    P3 = "p3"
    GRAYSCALE = "grayscale"


class Metadata(Enum):
    """A kind of embedded metadata that can be stripped."""

    EXIF = "exif"
    ICC = "icc"
    IPTC = "iptc"
    XMP = "xmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Parameters as somebody gave them, each checked by itself; None where absent.

    `width` and `height` are pixels >= 1, `blur` 0 to 150, `quality` 1 to 100, `pad` pixels >= 0 on each side,
    `pad_color` straight RGBA of 0 to 255.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit | None = None
    gravity: Gravity | None = None
    format: ImageFormat | None = None
    rotate: Rotate | None = None
    flip: Flip | None = None
    filter: Filter | None = None
    blur: int | None = None
    quality: int | None = None
    pad: int | None = None
    pad_color: Color | None = None
    strip: frozenset[Metadata] | None = None
    color_space: ColorSpace | None = None

    def over(self, defaults: "Request") -> "Request":
        """Give this request with `defaults` (a profile) for what it leaves open."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(defaults, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation:
    """A canonical transformation: the box asked for, nothing left to default or to chance.

    `rotate` (never AUTO) turns clockwise, then `horizontal_flip` mirrors left to right; both come before the resize, so
    `width` and `height` are of the turned picture. `color_space` is Konifer's word, of `Attributes.color_space`.
    `padding_color` is None without padding. `can_upscale` is not stored: only preprocessing clears it.
    """

    width: int
    height: int
    format: ImageFormat
    fit: Fit = Fit.FIT
    gravity: Gravity = Gravity.CENTER
    rotate: Rotate = Rotate.ZERO
    horizontal_flip: bool = False
    filter: Filter = Filter.NONE
    blur: int = 0
    quality: int = 100
    padding: int = 0
    padding_color: Color | None = None
    strip: frozenset[Metadata] = frozenset()
    color_space: str = "srgb"
    can_upscale: bool = True

    def to_json(self) -> Json:
        """Give the value of `asset_variant.transformation`: keys with default values are left out."""
        value: Json = {"width": self.width, "height": self.height, "format": self.format.value}
        optional: dict[str, tuple[object, object]] = {
            "fit": (self.fit.value, Fit.FIT.value),
            "gravity": (self.gravity.value, Gravity.CENTER.value),
            "rotate": (self.rotate.value, Rotate.ZERO.value),
            "horizontalFlip": (self.horizontal_flip, False),
            "filter": (self.filter.value, Filter.NONE.value),
            "blur": (self.blur, 0),
            "quality": (self.quality, self.format.default_quality),
            "padding": ({"amount": self.padding, "color": list(self.padding_color or ())}, {"amount": 0, "color": []}),
            "metadata": ({"strip": sorted(kind.value for kind in self.strip)}, {"strip": []}),
            "colorSpace": (self.color_space, "srgb"),
        }
        return value | {key: given for key, (given, default) in optional.items() if given != default}


def transformation_from_json(value: Mapping[str, Any]) -> Transformation | None:
    """Read `asset_variant.transformation`; None for what dialect C does not write, such as a default spelled out."""
    try:
        padding = value.get("padding", {"amount": 0, "color": []})
        image_format = ImageFormat(value["format"])
        read = Transformation(
            width=_whole(value["width"]),
            height=_whole(value["height"]),
            format=image_format,
            fit=Fit(value.get("fit", "fit")),
            gravity=Gravity(value.get("gravity", "center")),
            rotate=Rotate(value.get("rotate", "0")),
            horizontal_flip=value.get("horizontalFlip", False) is True,
            filter=Filter(value.get("filter", "none")),
            blur=_whole(value.get("blur", 0)),
            quality=_whole(value.get("quality", image_format.default_quality)),
            padding=_whole(padding["amount"]),
            padding_color=_color(padding["color"]) if padding["amount"] else None,
            strip=frozenset(Metadata(kind) for kind in value.get("metadata", {"strip": []})["strip"]),
            color_space=str(value.get("colorSpace", "srgb")),
        )
    except (KeyError, TypeError, ValueError):
        return None
    is_canonical = min(read.width, read.height) >= 1 and read.rotate is not Rotate.AUTO and read.to_json() == value
    return read if is_canonical else None


def _whole(value: object) -> int:
    """Refuse booleans and floats, which compare equal to whole numbers."""
    if type(value) is not int:
        raise TypeError(value)
    return value


def _color(value: Iterable[object]) -> Color:
    red, green, blue, alpha = (_whole(level) for level in value)
    return (red, green, blue, alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Konifer's bounds of a picture, in pixels; `max_pixels_per_page` holds for pictures of several pages."""

    max_width: int = 8192
    max_height: int = 8192
    max_pixels: int = 20_000_000
    max_pages: int = 20
    max_pixels_per_page: int = 1_000_000

    def check(self, width: int, height: int, page_count: int = 1) -> None:
        """Raise ContentTooLarge, with the bound in words, when a picture is over one."""
        if width > self.max_width:
            raise ContentTooLarge(f"{width} pixels wide, and the limit is {self.max_width}")
        if height > self.max_height:
            raise ContentTooLarge(f"{height} pixels high, and the limit is {self.max_height}")
        if page_count > self.max_pages:
            raise ContentTooLarge(f"{page_count} pages, and the limit is {self.max_pages}")
        if width * height > self.max_pixels:
            raise ContentTooLarge(f"{width * height} pixels, and the limit is {self.max_pixels}")
        if page_count > 1 and width * height > self.max_pixels_per_page:
            raise ContentTooLarge(f"{width * height} pixels a page, and the limit is {self.max_pixels_per_page}")

    def and_also(self, other: "Limits") -> "Limits":
        """Give the bounds that hold where both do."""
        return Limits(
            **{bound.name: min(getattr(self, bound.name), getattr(other, bound.name)) for bound in fields(self)}
        )


_NO_BOUND: Final = (1 << 63) - 1
UNLIMITED: Final = Limits(
    max_width=_NO_BOUND,
    max_height=_NO_BOUND,
    max_pixels=_NO_BOUND,
    max_pages=_NO_BOUND,
    max_pixels_per_page=_NO_BOUND,
)
# Of what is worth starting to decode: a worker's memory and time are the bounds that count.
DECODABLE: Final = Limits(
    max_width=1 << 20, max_height=1 << 20, max_pixels=1 << 28, max_pages=10_000, max_pixels_per_page=1 << 28
)


class Placeholder(Enum):
    """A low-quality image placeholder (LQIP); the value is its key in Konifer's JSON."""

    BLURHASH = "blurhash"
    THUMBHASH = "thumbhash"
