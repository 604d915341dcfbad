"""Colour encodings that a JPEG XL codestream names instead of carrying a profile (ISO/IEC 18181-1, annex E).

libjxl makes an ICC profile of them, which Konifer then judges; the same word is found here without the profile.
"""

from collections.abc import Sequence
from typing import Final

from konifer_fs.adapters.pillow.colors import color_space_of_colourants
from konifer_fs.adapters.pillow.containers.jxl.bits import ENUM, U32, Bits, signed

Point = tuple[float, float]

_COORDINATE: Final[U32] = ((19, 0), (19, 524288), (20, 1048576), (21, 2097152))
_GREY, _XYB = 1, 2
_CUSTOM: Final = 2
_WHITES: Final[dict[int, tuple[str, Point]]] = {
    1: ("d65", (0.3127, 0.3290)), 10: ("eer", (1 / 3, 1 / 3)), 11: ("dci", (0.314, 0.351)),
}  # fmt: skip
_PRIMARIES: Final[dict[int, tuple[str, tuple[Point, Point, Point]]]] = {
    1: ("srg", ((0.639998686, 0.330010138), (0.300003784, 0.600003357), (0.150002046, 0.059997204))),
    9: ("202", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    11: ("dci", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
}
_TRANSFERS: Final = {1: "709", 2: "tf?", 8: "lin", 13: "srg", 16: "peq", 17: "dci", 18: "hlg"}
_INTENTS: Final = ("per", "rel", "sat", "abs")
_BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D50: Final = (0.96422, 1.0, 0.82521)


def read_color_encoding(bits: Bits) -> tuple[str, bool]:
    """Give Konifer's word, and whether an ICC profile follows; raises NotWhole.

    With a profile the word is for pictures kept in XYB, which libjxl decodes to sRGB and not to the profile.
    """
    if bits.flag():
        return "srgb", False
    has_profile = bits.flag()
    model = bits.u32(ENUM)
    if has_profile:
        return "grayscale" if model == _GREY else "srgb", True
    return _read_named(bits, model), False


def _read_named(bits: Bits, model: int) -> str:
    white_name, white = ("", (0.0, 0.0)) if model == _XYB else _read_white(bits)
    primaries_name, primaries = ("", None) if model in {_GREY, _XYB} else _read_primaries(bits)
    transfer = "" if model == _XYB else _read_transfer(bits)
    intent = bits.u32(ENUM)
    if model == _GREY:
        return "grayscale"
    if model == _XYB or primaries is None:
        return "xyb"
    red_x, green_x = _adapted_x(white, primaries)
    named = f"rgb_{white_name}_{primaries_name}_{_INTENTS[intent & 3]}_{transfer}"
    return color_space_of_colourants(red_x, green_x) or named[:50]


def _read_point(bits: Bits) -> Point:
    x, y = (bits.u32(_COORDINATE) for _ in range(2))
    return signed(x) / 1e6, signed(y) / 1e6


def _spelled(*points: Point) -> str:
    return ";".join(f"{value:g}" for point in points for value in point)


def _read_white(bits: Bits) -> tuple[str, Point]:
    if (white := bits.u32(ENUM)) != _CUSTOM:
        return _WHITES.get(white, _WHITES[1])
    point = _read_point(bits)
    return _spelled(point), point


def _read_primaries(bits: Bits) -> tuple[str, tuple[Point, Point, Point]]:
    if (primaries := bits.u32(ENUM)) != _CUSTOM:
        return _PRIMARIES.get(primaries, _PRIMARIES[1])
    points = _read_point(bits), _read_point(bits), _read_point(bits)
    return _spelled(*points), points


def _read_transfer(bits: Bits) -> str:
    if bits.flag():
        return f"g{bits.take(24) / 1e7:g}"
    return _TRANSFERS.get(bits.u32(ENUM), "tf?")


def _adapted_x(white: Point, primaries: tuple[Point, Point, Point]) -> tuple[float, float]:
    """Give X of red and green as a profile has them: scaled to the white point, and adapted to D50 (Bradford)."""
    try:
        target = _xyz(white)
        columns = [_xyz(point) for point in primaries]
        scales = [_determinant([target if n == k else c for n, c in enumerate(columns)]) for k in range(3)]
        whole = _determinant(columns)
        cones, cones_d50 = _cones(target), _cones(_D50)
        adapted = [
            [b / a * cone * scale / whole for a, b, cone in zip(cones, cones_d50, _cones(column), strict=True)]
            for column, scale in zip(columns, scales, strict=True)
        ]
        # Back from the cones' responses: the X among them is a quotient of determinants (Cramer's rule).
        bradford = [tuple(row[n] for row in _BRADFORD) for n in range(3)]
        back = [_determinant([tuple(response), *bradford[1:]]) / _determinant(bradford) for response in adapted]
    except ZeroDivisionError:
        return -1.0, -1.0
    return back[0], back[1]


def _xyz(point: Point) -> tuple[float, float, float]:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


def _cones(xyz: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sum(a * b for a, b in zip(row, xyz, strict=True)) for row in _BRADFORD)


def _determinant(columns: Sequence[tuple[float, ...]]) -> float:
    (a, d, g), (b, e, h), (c, f, i) = columns
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
