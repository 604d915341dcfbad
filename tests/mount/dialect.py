"""Reads the JSON of Konifer's rows as strictly as Konifer does: dialect C, written from its contract and not from ours.

A key that is not known, a default that is spelled out, a word or a type that does not fit: each raises NotDialectC.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

FORMATS: Final = {
    "jpg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF", "jxl": "JXL", "heic": "HEIF", "gif": "GIF",
}  # fmt: skip
COLOR_SPACES: Final = frozenset({"srgb", "p3", "adobe_rgb", "cymk", "grayscale", "unknown"})

Rule = Callable[[Any], bool]


class NotDialectC(Exception):
    """Konifer would answer 500 for this row, or not find its variant."""


def read_attributes(value: object) -> Mapping[str, Any]:
    """Give `asset_variant.attributes`; what it leaves out has Konifer's default."""
    decoded = _read(value, {"width", "height", "format"}, {
        "width": _is_positive, "height": _is_positive, "format": FORMATS.__contains__, "pageCount": _is_positive,
        "loop": _is_count, "colorSpace": lambda word: _is_color_space(word) and word != "unknown",
    })  # fmt: skip
    if ("loop" in decoded) != (decoded["format"] in {"webp", "gif"}):
        raise NotDialectC(f"loop is for what has pages, and always there: {decoded}")
    return {"pageCount": 1, "colorSpace": "unknown", **decoded}


def read_original_transformation(value: object) -> Mapping[str, Any]:
    """Give `asset_variant.transformation` of an original, which names its size, format and colour space alone."""
    decoded = _read(value, {"width", "height", "format"}, {
        "width": _is_positive, "height": _is_positive, "format": FORMATS.__contains__,
        "colorSpace": lambda word: _is_color_space(word) and word != "srgb",
    })  # fmt: skip
    return {"colorSpace": "srgb", **decoded}


def read_lqip(value: object) -> Mapping[str, Any]:
    """Give `asset_variant.lqip`: nothing, or hashes."""
    return _read(value, set(), {"blurhash": _is_text, "thumbhash": _is_text})


def _read(value: object, required: Collection[str], rules: Mapping[str, Rule]) -> dict[str, Any]:
    if not isinstance(value, dict) or not set(required) <= set(value) <= set(rules):
        raise NotDialectC(f"other keys than known: {value}")
    if wrong := {key: found for key, found in value.items() if not rules[key](found)}:
        raise NotDialectC(f"other values than known: {wrong}")
    return value


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: object) -> bool:
    return _is_count(value) and value != 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_color_space(value: object) -> bool:
    """Either one of Konifer's words, or the lower-cased description of a profile."""
    return isinstance(value, str) and (value in COLOR_SPACES or (0 < len(value) <= 50 and value == value.lower()))
