"""The file names of variants: `thumbnail.webp`, `w=256,h=256,fit=fill.webp`, `thumbnail,w=512.avif`.

A name is an expression and an extension. What follows the last dot is the extension when it is that of one of the
formats, in either case, and else belongs to the expression; so a profile called `my.webp` is `my.webp.png` as a PNG.
An expression is comma-separated: a profile's name first, if any, then `parameter=value`; an item without `=`, also a
blank one, goes on with the list of the `strip` before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from konifer_fs.domain.errors import ExpressionMalformed, NoSuchName
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.parameters import parse_parameters
from konifer_fs.domain.transformation import Request

_EXTENSIONS: Final = {image_format.value: image_format for image_format in ImageFormat} | {"jpeg": ImageFormat.JPEG}
_ORIGINAL: Final = "original"
_OTHER_FILES: Final = frozenset({"info.json", "blurhash.png", "thumbhash.png"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """What a name asks for: `request` has the profile's values under its own.

    `is_free` tells whether it has parameters beyond the profile and the extension.
    """

    request: Request
    profile: str | None
    is_free: bool


def parse_expression(name: str, profiles: Mapping[str, Request]) -> Expression:
    """Read the name of a variant's file; `profiles` are by lower-cased name.

    Raises:
        NoSuchName: it begins with a profile that is not known, or is the name of another file beside the variants.
        ExpressionMalformed: its parameters are no parameters, or its extension is that of no format.
    """
    stem, image_format = _split(name)
    first, *rest = stem.split(",")
    profile = None if "=" in first else first.lower()
    if name in _OTHER_FILES or profile == _ORIGINAL or (profile is not None and profile not in profiles):
        raise NoSuchName(name)
    items = rest if profile is not None else [first, *rest]
    if image_format is None and items:
        _check_no_extension(items[-1])
    values = _read_items(items)
    given = parse_parameters(values)
    if image_format is not None and given.format not in {None, image_format}:
        raise ExpressionMalformed(f"format={values['format']} contradicts the extension")
    own = replace(given, format=image_format) if image_format else given
    defaults = profiles[profile] if profile is not None else Request()
    return Expression(request=own.over(defaults), profile=profile, is_free=bool(values))


def _split(name: str) -> tuple[str, ImageFormat | None]:
    stem, dot, extension = name.rpartition(".")
    image_format = _EXTENSIONS.get(extension.lower()) if dot else None
    return (stem, image_format) if image_format else (name, None)


def _check_no_extension(item: str) -> None:
    """Raise where a parameter goes on with what is meant as an extension, for no value has a dot."""
    _, dot, extension = item.rpartition(".")
    if dot and extension and not extension.isdecimal():
        formats = ", ".join(image_format.value for image_format in ImageFormat)
        raise ExpressionMalformed(f"{extension!a} is not a format of Konifer's; there are {formats}")


def _read_items(items: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    last = ""
    for item in items:
        key, equals, value = item.partition("=")
        if equals and key not in values:
            values[key] = value
            last = key
        elif not equals and last == "strip":
            values[last] += f",{item}"
        else:
            raise ExpressionMalformed(f"{item!a} is not of the form parameter=value, or repeated")
    return values
