"""Konifer's parameters as text: `w h fit g format r f filter blur q pad pad-c strip cs`.

File names (`expression`) and the profiles and preprocessing of a configuration spell them alike.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from konifer_fs.domain.errors import ExpressionMalformed
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import (
    Color,
    ColorSpace,
    Filter,
    Fit,
    Flip,
    Gravity,
    Metadata,
    Request,
    Rotate,
)

EnumT = TypeVar("EnumT", bound=Enum)

# Konifer reads numbers as 32-bit integers.
_MAX_NUMBER: Final = 2**31 - 1
_ALSO: Final = {"greyscale": "grayscale", "jpeg": "jpg"}


def parse_parameters(values: Mapping[str, str]) -> Request:
    """Read parameters by name; whether they go together is `normalise`'s to say.

    Raises:
        ExpressionMalformed: with a detail that goes on from the parameter's name, `w must be a whole number ...`.
    """
    fields: dict[str, Any] = {}
    for name, text in values.items():
        if name not in _PARAMETERS:
            raise ExpressionMalformed(f"{_shown(name)} is not a parameter; there are {', '.join(_PARAMETERS)}")
        field, read, _ = _PARAMETERS[name]
        try:
            fields[field] = read(text)
        except ValueError as error:
            raise ExpressionMalformed(f"{name} must be {error}, not {_shown(text)}") from None
    return Request(**fields)


def spell_parameters(request: Request) -> dict[str, str]:
    """Give the shortest text of each parameter that `request` has; parse_parameters reads it back."""
    given = {name: (getattr(request, field), write) for name, (field, _, write) in _PARAMETERS.items()}
    return {name: write(value) for name, (value, write) in given.items() if value is not None}


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,10}", text) and lowest <= int(text) <= highest:
            return int(text)
        raise ValueError(f"a whole number from {lowest} to {highest}")

    return read


def _word(kind: type[EnumT]) -> Callable[[str], EnumT]:
    def read(text: str) -> EnumT:
        word = text.lower()
        try:
            return kind(_ALSO.get(word, word))
        except ValueError:
            raise ValueError(f"one of {', '.join(member.value for member in kind)}") from None

    return read


def _read_color(text: str) -> Color:
    digits = text.removeprefix("#")
    if len(digits) in {3, 4}:
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8}", digits):
        raise ValueError("a colour such as #fff, #ffff, #ffffff or #ffffffff")
    red, green, blue, alpha = bytes.fromhex(digits.ljust(8, "f"))
    return (red, green, blue, alpha)


def _write_color(color: Color) -> str:
    digits = bytes(color).hex().removesuffix("ff") if color[3] == 0xFF else bytes(color).hex()
    return digits[::2] if digits[::2] == digits[1::2] else digits


def _read_strip(text: str) -> frozenset[Metadata]:
    kinds = [kind.strip().lower() for kind in text.split(",")]
    try:
        return frozenset(Metadata(kind) for kind in kinds if kind)
    except ValueError:
        raise ValueError(f"a list of {', '.join(kind.value for kind in Metadata)}") from None


def _write_strip(kinds: frozenset[Metadata]) -> str:
    return ",".join(sorted(kind.value for kind in kinds))


def _write_word(member: Enum) -> str:
    return str(member.value)


def _shown(text: str) -> str:
    quoted = ascii(text)
    return quoted if len(quoted) <= 60 else f"{quoted[:57]}..."


# By name: the field of Request, and how its value is read and written.
_PARAMETERS: Final[Mapping[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]]] = {
    "w": ("width", _number(1, _MAX_NUMBER), str),
    "h": ("height", _number(1, _MAX_NUMBER), str),
    "fit": ("fit", _word(Fit), _write_word),
    "g": ("gravity", _word(Gravity), _write_word),
    "format": ("format", _word(ImageFormat), _write_word),
    "r": ("rotate", _word(Rotate), _write_word),
    "f": ("flip", _word(Flip), _write_word),
    "filter": ("filter", _word(Filter), _write_word),
    "blur": ("blur", _number(0, 150), str),
    "q": ("quality", _number(1, 100), str),
    "pad": ("pad", _number(0, _MAX_NUMBER), str),
    "pad-c": ("pad_color", _read_color, _write_color),
    "strip": ("strip", _read_strip, _write_strip),
    "cs": ("color_space", _word(ColorSpace), _write_word),
}

PARAMETERS: Final = tuple(_PARAMETERS)
