"""Filters, blur and padding of one page: `L`, `LA`, `RGB` or `RGBA`.

Filters work on linear light, as Konifer's do, and leave alpha alone; blur counts transparent pixels for nothing.
"""

import math
from functools import cache
from typing import Final

from PIL import Image, ImageFilter

from konifer_fs.domain.transformation import Color, Filter

Matrix = tuple[tuple[float, float, float], ...]

_LUMINANCE: Final = (0.2126, 0.7152, 0.0722)
_MATRICES: Final[dict[Filter, Matrix]] = {
    Filter.GRAYSCALE: (_LUMINANCE, _LUMINANCE, _LUMINANCE),
    Filter.SEPIA: ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131)),
}
_BLACK_UP_TO: Final = 128
# Levels that are told apart along each axis of a filter's table; between them it is straight.
_NODES: Final = 33


def apply_filter(image: Image.Image, wanted: Filter) -> Image.Image:
    """Give a picture in other colours."""
    if wanted is Filter.BLACK_WHITE:
        bands = to_grey(image).split()
        light = bands[0].point([0 if level <= _BLACK_UP_TO else 255 for level in range(256)])
        return Image.merge(("L", "LA")[len(bands) - 1], (light, *bands[1:]))
    if wanted is Filter.SEPIA:
        return image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode)).filter(_table_of(wanted))
    if wanted is Filter.GRAYSCALE and image.mode in {"RGB", "RGBA"}:
        return image.filter(_table_of(wanted))
    return image


def to_grey(image: Image.Image) -> Image.Image:
    """Give a picture's luminance, as `L` or `LA`."""
    if image.mode in {"L", "LA"}:
        return image
    bands = image.filter(_table_of(Filter.GRAYSCALE)).split()
    return Image.merge("LA", (bands[0], bands[3])) if len(bands) == 4 else bands[0]


def on_black(image: Image.Image) -> Image.Image:
    """Give a picture with black behind what is transparent, and no alpha."""
    if image.mode not in {"LA", "RGBA"}:
        return image
    opaque = Image.new(image.mode.removesuffix("A"), image.size)
    opaque.paste(image.convert(opaque.mode), mask=image.getchannel("A"))
    return opaque


def blur(image: Image.Image, sigma: float) -> Image.Image:
    """Blur by a Gaussian of `sigma` pixels."""
    weighed = {"LA": "La", "RGBA": "RGBa"}.get(image.mode, image.mode)
    return image.convert(weighed).filter(ImageFilter.GaussianBlur(sigma)).convert(image.mode)


def pad(image: Image.Image, amount: int, color: Color) -> Image.Image:
    """Put `amount` pixels of a colour around a picture; it keeps its own alpha."""
    mode = "RGB" if image.mode in {"RGB", "RGBA"} or len({*color[:3]}) > 1 else "L"
    has_alpha = color[3] < 255 or image.mode in {"LA", "RGBA"}
    shade = color[:3] if mode == "RGB" else color[:1]
    canvas = Image.new(
        mode + "A" * has_alpha,
        (image.width + 2 * amount, image.height + 2 * amount),
        (*shade, color[3])[: len(shade) + has_alpha] if has_alpha or mode == "RGB" else shade[0],
    )
    canvas.paste(image.convert(canvas.mode), (amount, amount))
    return canvas


def to_linear(value: float) -> float:
    """Give the linear light, 0 to 1, of a level of sRGB."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@cache
def _table_of(wanted: Filter) -> ImageFilter.Color3DLUT:
    """Give the table of a filter: a matrix on linear light."""
    linear = [to_linear(node / (_NODES - 1)) for node in range(_NODES)]
    rows = [[[weight * level for level in linear] for weight in row] for row in _MATRICES[wanted]]
    table = [
        _to_srgb(reds[red] + greens[green] + blues[blue])
        for blue in range(_NODES)
        for green in range(_NODES)
        for red in range(_NODES)
        for reds, greens, blues in rows
    ]
    return ImageFilter.Color3DLUT(_NODES, table)


def _to_srgb(value: float) -> float:
    if value <= 0.0031308:
        return value * 12.92
    return min(1.0, 1.055 * math.pow(value, 1 / 2.4) - 0.055)
