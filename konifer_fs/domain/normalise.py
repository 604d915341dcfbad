"""From what was asked for to the one canonical transformation of an original, by the rules of a release of Konifer.

The rotation comes first, so a canonical box is one of the turned picture; the box that is asked for is one of it in
dialect C only. `r=auto` becomes the rotation and flip that the
original's EXIF orientation asks for, so that equal transformations always mean equal pixels.
"""

from dataclasses import replace
from typing import Final

from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import ExpressionMalformed
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.geometry import Size, turned_size
from konifer_fs.domain.transformation import (
    Color,
    ColorSpace,
    Filter,
    Fit,
    Flip,
    Gravity,
    Request,
    Rotate,
    Transformation,
)
from konifer_fs.domain.variant import Attributes

Turn = tuple[Rotate, bool]

_TRANSPARENT: Final[Color] = (0, 0, 0, 0)
_WHITE: Final[Color] = (255, 255, 255, 255)

# EXIF 2.32, 4.6.4 A: what brings a picture of this orientation upright, clockwise, then left to right mirrored.
_UPRIGHT: Final[dict[int, Turn]] = {
    1: (Rotate.ZERO, False),
    2: (Rotate.ZERO, True),
    3: (Rotate.ONE_HUNDRED_EIGHTY, False),
    4: (Rotate.ONE_HUNDRED_EIGHTY, True),
    5: (Rotate.NINETY, True),
    6: (Rotate.NINETY, False),
    7: (Rotate.TWO_HUNDRED_SEVENTY, True),
    8: (Rotate.TWO_HUNDRED_SEVENTY, False),
}

# To mirror top to bottom is to turn by 180 degrees and to mirror left to right.
_OPPOSITE: Final = {
    Rotate.ZERO: Rotate.ONE_HUNDRED_EIGHTY,
    Rotate.NINETY: Rotate.TWO_HUNDRED_SEVENTY,
    Rotate.ONE_HUNDRED_EIGHTY: Rotate.ZERO,
    Rotate.TWO_HUNDRED_SEVENTY: Rotate.NINETY,
}


def normalised(
    request: Request, original: Attributes, orientation: int = 1, dialect: Dialect = Dialect.C
) -> Transformation:
    """Give the canonical transformation of `request` for an original, by the rules of `dialect`.

    `orientation` is the original's EXIF orientation, 1 to 8, and counts for `r=auto` only.

    Raises:
        ExpressionMalformed: the parameters do not go together, leave the result without width or height, or are not
            known to that Konifer.
    """
    wanted = _transformation(request, original, orientation, dialect)
    if min(wanted.width, wanted.height) < 1:
        raise ExpressionMalformed(f"the result would be {wanted.width}x{wanted.height}")
    return wanted


def preprocessed(
    request: Request, max_width: int | None, max_height: int | None, original: Attributes, orientation: int
) -> Transformation:
    """Give what is made of an upload with the attributes and EXIF orientation `original` before it is stored.

    The bounds hold where `request` leaves a side open. With any, nothing is enlarged: `fit` keeps the proportions, the
    other fits cut their box down to the picture, side by side.

    Raises:
        ExpressionMalformed: the parameters do not go together.
    """
    wanted = _transformation(bounded(request, max_width, max_height), original, orientation)
    return replace(
        wanted,
        width=max(1, wanted.width),
        height=max(1, wanted.height),
        can_upscale=max_width is None and max_height is None,
    )


def bounded(request: Request, max_width: int | None, max_height: int | None) -> Request:
    """Give a request with bounds where it leaves a side open."""
    return replace(request, width=request.width or max_width, height=request.height or max_height)


def asked_box(wanted: Transformation, dialect: Dialect) -> Size:
    """Give the width and height by which a canonical transformation is asked for."""
    box = (wanted.width, wanted.height)
    return box if dialect.turns_first else turned_size(box, wanted.rotate)


def canonical_turn(rotate: Rotate, flip: Flip) -> Turn:
    """Give what a rotation, not AUTO, and then a flip come to: a rotation, and whether to mirror left to right."""
    if flip is Flip.V:
        return _OPPOSITE[rotate], True
    return rotate, flip is Flip.H


def check_consistent(request: Request) -> None:
    """Raise ExpressionMalformed where parameters do not go together, whatever the original."""
    if request.fit not in {None, Fit.FIT} and None in {request.width, request.height}:
        raise ExpressionMalformed("fit=fill, stretch and crop need both w and h")
    if request.rotate is Rotate.AUTO and request.flip not in {None, Flip.NONE}:
        raise ExpressionMalformed("r=auto does not go with f")


def _transformation(
    request: Request, original: Attributes, orientation: int, dialect: Dialect = Dialect.C
) -> Transformation:
    check_consistent(request)
    _check_known(request, dialect)
    image_format = request.format or original.format
    rotate, mirrored = _turn(request, orientation)
    size = (original.width, original.height)
    if dialect.turns_first:
        width, height = _box(request, turned_size(size, rotate))
    else:
        width, height = turned_size(_box(request, size), rotate)
    padding = request.pad or 0
    return Transformation(
        width=width,
        height=height,
        format=image_format,
        fit=request.fit or Fit.FIT,
        gravity=request.gravity or Gravity.CENTER,
        rotate=rotate,
        horizontal_flip=mirrored,
        filter=_filter(request, dialect),
        blur=request.blur or 0,
        quality=_quality(request, image_format, dialect),
        padding=padding,
        padding_color=_padding_color(request, image_format) if padding else None,
        strip=request.strip or frozenset(),
        color_space=_color_space(request, original, dialect),
    )


def _check_known(request: Request, dialect: Dialect) -> None:
    is_srgb = request.color_space in {None, ColorSpace.ORIGIN, ColorSpace.SRGB}
    if not (is_srgb or dialect.knows_color_spaces) or (request.strip or frozenset()) - dialect.strippable:
        raise ExpressionMalformed("the Konifer of this database does not know all of it")


def _turn(request: Request, orientation: int) -> Turn:
    if request.rotate is Rotate.AUTO:
        return _UPRIGHT.get(orientation, _UPRIGHT[1])
    return canonical_turn(request.rotate or Rotate.ZERO, request.flip or Flip.NONE)


def _box(request: Request, size: Size) -> Size:
    """Fill in the side that was left open, by the proportions of the turned picture, halves rounded up."""
    width, height = request.width, request.height
    if width and height:
        return (width, height)
    if width:
        return (width, _divide(size[1] * width, size[0]))
    return (_divide(size[0] * height, size[1]), height) if height else size


def _divide(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)


def _filter(request: Request, dialect: Dialect) -> Filter:
    """A picture that is to be grey has no colours to filter."""
    is_grey = request.color_space is ColorSpace.GRAYSCALE and dialect.drops_vain_filters
    if is_grey and request.filter in {Filter.GRAYSCALE, Filter.SEPIA}:
        return Filter.NONE
    return request.filter or Filter.NONE


def _quality(request: Request, image_format: ImageFormat, dialect: Dialect) -> int:
    if request.quality is None or not image_format.has_quality:
        return image_format.default_quality
    return min(request.quality, image_format.max_quality) if dialect.bounds_quality else request.quality


def _padding_color(request: Request, image_format: ImageFormat) -> Color:
    return request.pad_color or (_TRANSPARENT if image_format.is_translucent else _WHITE)


def _color_space(request: Request, original: Attributes, dialect: Dialect) -> str:
    if not dialect.knows_color_spaces:
        return ColorSpace.SRGB.value
    if request.color_space is None or request.color_space is ColorSpace.ORIGIN:
        return original.color_space
    return str(request.color_space.value)
