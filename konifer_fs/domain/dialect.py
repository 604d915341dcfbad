"""What a release of Konifer writes into its JSON columns, and by which rules it makes a request canonical; pure.

Konifer decodes strictly and converts nothing, so rows must be of the release that reads them. This project's own
values are those of dialect C, and are turned into another one, and back, where they are stored.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Filter, Fit, Gravity, Metadata, Rotate
from konifer_fs.domain.variant import Json


class Dialect(Enum):
    """A way to write: `A` is of Konifer 0.1 and 0.2, `B` of 0.3, `C` of 0.4 and later."""

    A = "a"
    B = "b"
    C = "c"

    @property
    def knows_color_spaces(self) -> bool:
        """Whether colour spaces can be asked for and are written."""
        return self is not Dialect.A

    @property
    def strippable(self) -> frozenset[Metadata]:
        """The kinds of embedded metadata that can be stripped."""
        if self is Dialect.A:
            return frozenset()
        return frozenset(Metadata) - ({Metadata.ICC} if self is Dialect.B else set())

    @property
    def turns_first(self) -> bool:
        """Whether the box of a transformation is of the turned picture, and not of the one before."""
        return self is Dialect.C

    @property
    def bounds_quality(self) -> bool:
        """Whether a quality is kept to the most that its format has."""
        return self is Dialect.C

    @property
    def drops_vain_filters(self) -> bool:
        """Whether a picture that is to be grey loses the filters that would make it so."""
        return self is Dialect.C

    def spell_attributes(self, value: Json) -> Json:
        """Give `asset_variant.attributes`, given in dialect C, in this one."""
        if self is Dialect.C:
            return value
        kept = value if self is Dialect.B else {key: value[key] for key in ("width", "height", "format")}
        return _reworded(kept, self._spell_word)

    def spell_transformation(self, value: Json) -> Json:
        """Give `asset_variant.transformation`, given in dialect C, in this one. What A does not know is left out."""
        if self is Dialect.C:
            return value
        kept = {key: given for key, given in value.items() if self is Dialect.B or key not in _UNKNOWN_TO_A}
        return _stripped(_boxed(_reworded(kept, self._spell_word), value), lambda kind: Metadata(kind).name)

    def _spell_word(self, key: str, word: str) -> str:
        if self is Dialect.A and word == Filter.GRAYSCALE.value:
            return _GREYSCALE
        return str(_WORDS[key](word).name)


_WORDS: Final[Mapping[str, type[Enum]]] = {
    "format": ImageFormat,
    "fit": Fit,
    "gravity": Gravity,
    "rotate": Rotate,
    "filter": Filter,
}
_GREYSCALE: Final = "GREYSCALE"
_UNKNOWN_TO_A: Final = ("metadata", "colorSpace")
_ON_THE_SIDE: Final = (Rotate.NINETY.value, Rotate.TWO_HUNDRED_SEVENTY.value)


def has_names(value: Mapping[str, Any]) -> bool:
    """Whether attributes or a transformation, as they are stored, are of dialect A or B: words in capitals."""
    word = value.get("format")
    return isinstance(word, str) and word.isupper()


def read_attributes(value: Json) -> Json:
    """Give stored attributes of any dialect in dialect C; what is unknown stays as it is."""
    return _reworded(value, _read_word) if has_names(value) else value


def read_transformation(value: Json) -> Json:
    """Give a stored transformation of any dialect in dialect C; what is unknown stays as it is."""
    if not has_names(value):
        return value
    read = _reworded(value, _read_word)
    return _stripped(_boxed(read, read), str.lower)


def _read_word(key: str, word: str) -> str:
    name = Filter.GRAYSCALE.name if (key, word) == ("filter", _GREYSCALE) else word
    members = _WORDS[key].__members__
    return str(members[name].value) if name in members else word


def _reworded(value: Json, reword: Callable[[str, str], str]) -> Json:
    return {
        key: reword(key, given) if key in _WORDS and isinstance(given, str) else given for key, given in value.items()
    }


def _stripped(value: Json, reword: Callable[[str], str]) -> Json:
    """Reword what kinds of metadata are stripped, which stay in the order of their names."""
    metadata = value.get("metadata")
    kinds = metadata.get("strip") if isinstance(metadata, dict) else None
    if not isinstance(kinds, list):
        return value
    return {**value, "metadata": {"strip": sorted(reword(str(kind)) for kind in kinds)}}


def _boxed(value: Json, turned: Json) -> Json:
    """Give the box of the picture before its turn for that of the turned one, or the other way round."""
    if turned.get("rotate") not in _ON_THE_SIDE:
        return value
    return {**value, "width": value.get("height"), "height": value.get("width")}
