"""The name under which a stored variant is listed: the shortest that `expression` reads back as the same one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import ExpressionMalformed, NoSuchName
from konifer_fs.domain.expression import parse_expression
from konifer_fs.domain.normalise import asked_box, canonical_turn, normalised
from konifer_fs.domain.parameters import parse_parameters, spell_parameters
from konifer_fs.domain.transformation import ColorSpace, Flip, Request, Rotate, Transformation
from konifer_fs.domain.variant import Attributes

# What may be left open where nothing changes by it, tried in this order.
_OMISSIBLE: Final = (
    "fit", "gravity", "rotate", "flip", "filter", "blur", "quality", "pad_color", "pad", "strip", "color_space",
    "height", "width",
)  # fmt: skip
_SHORTEST_OVERRIDE: Final = len(",q=1")


def spell(
    wanted: Transformation,
    original: Attributes,
    profiles: Mapping[str, Request],
    orientation: int | None = None,
    dialect: Dialect = Dialect.C,
) -> str | None:
    """Give the name of a variant of an original, its extension included; None where no name asks for it.

    A profile that is just this variant names it; else the shortest expression does, with a profile or without, saying
    the width rather than the height, and the width where nothing need be said. `profiles` are by lower-cased name;
    those with `r=auto` are passed over while `orientation`, the original's by EXIF, is not known.
    """
    speller = _Speller(wanted, original, orientation, dialect)
    extension = f".{wanted.format.value}"
    names = sorted(name for name in profiles if _is_read(name + extension, profiles))
    names.sort(key=len)
    for name in names:
        if speller.matches(Request(format=wanted.format).over(profiles[name])):
            return name + extension
    whole = speller.list_whole_requests()
    if not whole:
        return None
    shortest = min((speller.reduce(request, Request()) for request in whole), key=len)
    for name in names:
        if len(name) + _SHORTEST_OVERRIDE >= len(shortest):
            break
        overridden = [f"{name},{speller.reduce(request, profiles[name])}" for request in whole]
        shortest = min([shortest, *overridden], key=len)
    return shortest + extension


def _is_read(name: str, profiles: Mapping[str, Request]) -> bool:
    """Whether `name` is not that of another file beside the variants."""
    try:
        return bool(parse_expression(name, profiles))
    except NoSuchName:
        return False


def _is_spelled(request: Request) -> bool:
    """Whether every value is one that a parameter can have."""
    try:
        return parse_parameters(spell_parameters(request)) == request
    except ExpressionMalformed:
        return False


@dataclass(frozen=True, slots=True)
class _Speller:
    """Finds the requests that come to `wanted`."""

    wanted: Transformation
    original: Attributes
    orientation: int | None
    dialect: Dialect

    def matches(self, request: Request) -> bool:
        """Whether a request is one for the variant, as far as is known."""
        if request.rotate is Rotate.AUTO and self.orientation is None:
            return False
        try:
            return normalised(request, self.original, self.orientation or 1, self.dialect) == self.wanted
        except ExpressionMalformed:
            return False

    def reduce(self, request: Request, profile: Request) -> str:
        """Leave out what a whole request need not say over a profile, but not the last parameter; spell the rest."""
        nothing = Request(format=request.format)
        for field in _OMISSIBLE:
            shorter = replace(request, **{field: None})
            if shorter != nothing and self.matches(shorter.over(profile)):
                request = shorter
        items = spell_parameters(replace(request, format=None))
        return ",".join(f"{name}={text}" for name, text in items.items())

    def list_whole_requests(self) -> list[Request]:
        """Give the requests that leave nothing open, one for each way to say the turn; none for what has no request."""
        wanted = self.wanted
        is_kept = wanted.color_space == self.original.color_space
        spaces = [space for space in ColorSpace if space.value == wanted.color_space]
        turn = (wanted.rotate, wanted.horizontal_flip)
        width, height = asked_box(wanted, self.dialect)
        requests = (
            Request(
                width=width,
                height=height,
                fit=wanted.fit,
                format=wanted.format,
                gravity=wanted.gravity,
                rotate=rotate,
                flip=flip,
                filter=wanted.filter,
                blur=wanted.blur,
                quality=wanted.quality,
                pad=wanted.padding,
                pad_color=wanted.padding_color,
                strip=wanted.strip,
                color_space=space,
            )
            for rotate in Rotate
            for flip in Flip
            for space in ([ColorSpace.ORIGIN] if is_kept else spaces)
            if rotate is not Rotate.AUTO and canonical_turn(rotate, flip) == turn
        )
        return [request for request in requests if _is_spelled(request) and self.matches(request)]
