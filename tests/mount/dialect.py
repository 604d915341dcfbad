"""Reads the JSON of Konifer's rows as strictly as Konifer does, in each of its dialects; written from its contract.

A key that is not known, a default that is spelled out, a word or a type that does not fit: each raises NotDecodable.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from tests.mount.elsewhere import query
from tests.mount.mounting import Mount

FORMATS: Final = {
    "jpg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF", "jxl": "JXL", "heic": "HEIF", "gif": "GIF",
}  # fmt: skip
FORMAT_NAMES: Final = {
    "jpg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF", "jxl": "JPEG_XL", "heic": "HEIC", "gif": "GIF",
}  # fmt: skip
QUALITIES: Final = {"jpg": 80, "png": 100, "webp": 80, "avif": 50, "jxl": 90, "heic": 50, "gif": 100}
COLOR_SPACES: Final = frozenset({"srgb", "p3", "adobe_rgb", "cymk", "grayscale", "unknown"})
# Of each key the words that are not its default, as dialect C has them and as A and B do.
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "format": FORMAT_NAMES,
    "fit": {"fill": "FILL", "stretch": "STRETCH", "crop": "CROP"},
    "gravity": {"entropy": "ENTROPY", "attention": "ATTENTION"},
    "rotate": {"90": "NINETY", "180": "ONE_HUNDRED_EIGHTY", "270": "TWO_HUNDRED_SEVENTY"},
    "filter": {"black_white": "BLACK_WHITE", "grayscale": "GRAYSCALE", "sepia": "SEPIA"},
}

_ROWS: Final = "SELECT original_variant, attributes, transformation, lqip FROM asset_variant"

Rule = Callable[[Any], bool]


class NotDecodable(Exception):
    """Konifer would answer 500 for this row, or not find its variant."""


def read_attributes(value: object, dialect: str = "C") -> Mapping[str, Any]:
    """Give `asset_variant.attributes`; what it leaves out has Konifer's default."""
    rules: dict[str, Rule] = {"width": _is_positive, "height": _is_positive, "format": _word("format", dialect)}
    if dialect == "A":
        return {"pageCount": 1, "colorSpace": "unknown", **_read(value, rules, rules)}
    decoded = _read(value, {"width", "height", "format", "pageCount"}, {
        **rules, "pageCount": _is_positive, "loop": _is_count,
        "colorSpace": lambda word: _is_color_space(word) and word != "unknown",
    })  # fmt: skip
    if ("loop" in decoded) != (decoded["format"].lower() in {"webp", "gif"}):
        raise NotDecodable(f"loop is for what has pages, and always there: {decoded}")
    return {"colorSpace": "unknown", **decoded}


def read_original_transformation(value: object, dialect: str = "C") -> Mapping[str, Any]:
    """Give `asset_variant.transformation` of an original, which names its size, format and colour space alone."""
    return read_transformation(value, dialect, {"width", "height", "format", "colorSpace"})


def read_transformation(value: object, dialect: str = "C", most: Collection[str] | None = None) -> Mapping[str, Any]:
    """Give `asset_variant.transformation`, of no more keys than `most`; what it leaves out has Konifer's default."""
    rules: dict[str, Rule] = {
        "width": _is_positive, "height": _is_positive, "horizontalFlip": lambda flip: flip is True,
        "blur": lambda blur: _is_positive(blur) and blur <= 150, "padding": _is_padding, "quality": _is_positive,
        **{key: _word(key, dialect) for key in _WORDS},
    }  # fmt: skip
    if dialect != "A":
        rules["metadata"] = lambda metadata: _is_metadata(metadata, dialect)
        rules["colorSpace"] = lambda word: _is_color_space(word) and word != "srgb"
    kept = {key: rule for key, rule in rules.items() if most is None or key in most}
    decoded = _read(value, {"width", "height", "format"}, kept)
    word = next(word for word, name in FORMAT_NAMES.items() if decoded["format"] in {word, name})
    highest = 99 if dialect == "C" and word == "avif" else 100
    if decoded.get("quality") == QUALITIES[word] or decoded.get("quality", 1) > highest:
        raise NotDecodable(f"a quality that is the default, or too high: {decoded}")
    return {"colorSpace": "srgb", **decoded}


def read_lqip(value: object) -> Mapping[str, Any]:
    """Give `asset_variant.lqip`: nothing, or hashes."""
    return _read(value, set(), {"blurhash": _is_text, "thumbhash": _is_text})


def hold_rows(mount: Mount, dialect: str) -> None:
    """Hold that a Konifer of that dialect decodes all rows of variants."""
    for is_original, attributes, transformation, lqip in query(mount, _ROWS):
        read_attributes(attributes, dialect)
        read_lqip(lqip)
        (read_original_transformation if is_original else read_transformation)(transformation, dialect)


def _read(value: object, required: Collection[str], rules: Mapping[str, Rule]) -> dict[str, Any]:
    if not isinstance(value, dict) or not set(required) <= set(value) <= set(rules):
        raise NotDecodable(f"other keys than known: {value}")
    if wrong := {key: found for key, found in value.items() if not rules[key](found)}:
        raise NotDecodable(f"other values than known: {wrong}")
    return value


def _word(key: str, dialect: str) -> Rule:
    words = set(_WORDS[key]) if dialect == "C" else set(_WORDS[key].values())
    if dialect == "A" and key == "filter":
        words = words - {"GRAYSCALE"} | {"GREYSCALE"}
    return lambda word: isinstance(word, str) and word in words


def _is_padding(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"amount", "color"} or not isinstance(value["color"], list):
        return False
    levels = value["color"]
    return (
        _is_positive(value["amount"])
        and len(levels) == 4
        and all(_is_count(level) and level <= 255 for level in levels)
    )


def _is_metadata(value: object, dialect: str) -> bool:
    if not isinstance(value, dict) or set(value) != {"strip"} or not isinstance(value["strip"], list):
        return False
    known = {"exif", "icc", "iptc", "xmp"} if dialect == "C" else {"EXIF", "IPTC", "XMP"}
    kinds = value["strip"]
    return bool(kinds) and set(kinds) <= known and kinds == sorted(set(kinds))


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_positive(value: object) -> bool:
    return _is_count(value) and value != 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_color_space(value: object) -> bool:
    """Either one of Konifer's words, or the lower-cased description of a profile."""
    return isinstance(value, str) and (value in COLOR_SPACES or (0 < len(value) <= 50 and value == value.lower()))
