"""Where the interesting part of a picture is, found as libvips' smartcrop finds it.

Entropy cuts slices off the sides that hold less information. Attention weighs edges, skin and reddish colours of a
picture of 32x32, and centres the window on the brightest spot of that, blurred by about the window's size.
"""

import math
from collections.abc import Sequence
from typing import Final

from PIL import Image

from konifer_fs.adapters.pillow.rendering.effects import to_linear
from konifer_fs.domain.geometry import Size
from konifer_fs.domain.transformation import Gravity

Rows = list[list[float]]

_SLICES: Final = 8
_GRID: Final = 32
_SKIN: Final = (0.78, 0.57, 0.44)
_DARK: Final = 5.0
_EDGE_WEIGHT: Final = 5.0
_WHITE_X: Final = 95.047
_LINEAR: Final = tuple(to_linear(level / 255) for level in range(256))
_TO_XYZ: Final = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def find_window(seen: Image.Image, size: Size, window: Size, gravity: Gravity) -> tuple[int, int]:
    """Give left and top of the best `window` in a picture of `size`, of which `seen` is an RGB copy of any size."""
    if gravity is Gravity.ENTROPY:
        return _by_entropy(seen.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), window)
    x, y = _find_spot(seen, (window[0] / size[0], window[1] / size[1]))
    centre = (x * size[0], y * size[1])
    left, top = (
        int(min(max(0, at - part / 2), whole - part)) for at, part, whole in zip(centre, window, size, strict=True)
    )
    return left, top


def _by_entropy(seen: Image.Image, window: Size) -> tuple[int, int]:
    def score(left: int, top: int, width: int, height: int) -> float:
        return seen.crop((left, top, left + width, top + height)).entropy()

    left, top, width, height = 0, 0, *seen.size
    longest = max(math.ceil((width - window[0]) / _SLICES), math.ceil((height - window[1]) / _SLICES))
    while width > window[0] or height > window[1]:
        if cut := min(width - window[0], longest):
            is_right_better = score(left, top, cut, height) < score(left + width - cut, top, cut, height)
            left += cut if is_right_better else 0
            width -= cut
        if cut := min(height - window[1], longest):
            is_bottom_better = score(left, top, width, cut) < score(left, top + height - cut, width, cut)
            top += cut if is_bottom_better else 0
            height -= cut
    return left, top


def _find_spot(seen: Image.Image, window: tuple[float, float]) -> tuple[float, float]:
    """Give the position, 0 to 1 each way, that draws the eye; `window` is the window's part of the picture."""
    small = seen.resize((_GRID, _GRID), Image.Resampling.LANCZOS, reducing_gap=3.0)
    levels = small.tobytes()
    colours = [_xyz_of(levels[at : at + 3]) for at in range(0, len(levels), 3)]
    edges = _find_edges([colour[1] for colour in colours])
    interest = [edge + _weigh(colour) for edge, colour in zip(edges, colours, strict=True)]
    sigma = max(math.hypot(window[0] * _GRID, window[1] * _GRID) / 10, 1.0)
    blurred = _blur([interest[at : at + _GRID] for at in range(0, len(interest), _GRID)], sigma)
    flat = [level for row in blurred for level in row]
    best = flat.index(max(flat))
    return best % _GRID / _GRID, best // _GRID / _GRID


def _xyz_of(levels: bytes) -> tuple[float, float, float]:
    """Give the XYZ, of white 100, of an sRGB colour."""
    red, green, blue = (_LINEAR[level] for level in levels)
    x, y, z = (100 * (r * red + g * green + b * blue) for r, g, b in _TO_XYZ)
    return x, y, z


def _weigh(colour: tuple[float, float, float]) -> float:
    """Give how much a colour draws the eye by itself: as skin, and by its redness (CIELAB's a). Dark ones do not."""
    if colour[1] <= _DARK:
        return 0.0
    length = math.hypot(*colour)
    skin = 100 - 100 * math.dist([part / length for part in colour], _SKIN)
    return skin + 500 * (_cube_root(colour[0] / _WHITE_X) - _cube_root(colour[1] / 100))


def _cube_root(value: float) -> float:
    """Give CIELAB's cube root, which is straight near black."""
    return math.cbrt(value) if value > 0.008856 else 7.787 * value + 16 / 116


def _find_edges(light: Sequence[float]) -> list[float]:
    """Give how much each cell differs from its four neighbours; those beyond the border are like it."""

    def at(x: int, y: int) -> float:
        return light[min(max(y, 0), _GRID - 1) * _GRID + min(max(x, 0), _GRID - 1)]

    return [
        _EDGE_WEIGHT * abs(4 * at(x, y) - at(x - 1, y) - at(x + 1, y) - at(x, y - 1) - at(x, y + 1))
        for y in range(_GRID)
        for x in range(_GRID)
    ]


def _blur(rows: Rows, sigma: float) -> Rows:
    """Blur both ways by a Gaussian; the border goes on beyond the edge."""
    for _ in range(2):
        rows = [_blur_row(row, sigma) for row in zip(*rows, strict=True)]
    return rows


def _blur_row(row: Sequence[float], sigma: float) -> list[float]:
    reach = math.ceil(sigma * 2)
    weights = [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(-reach, reach + 1)]
    wide = [row[0]] * reach + [*row] + [row[-1]] * reach
    return [sum(map(float.__mul__, wide[at : at + len(weights)], weights)) for at in range(len(row))]
