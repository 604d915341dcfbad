"""What is stored of one asset at a moment, and under which names; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import ExpressionMalformed
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.normalise import normalised
from konifer_fs.domain.spelling import spell
from konifer_fs.domain.transformation import Request, Rotate, Transformation, transformation_from_json
from konifer_fs.domain.variant import Attributes
from konifer_fs.ports import StoredVariant


class OrientationUnknown(Exception):
    """A request depends on the EXIF orientation of the original, which has not been read yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """An original, which has the attributes `source`, and all that is stored with it, newest first.

    `profiles` are by lower-cased name; `orientation` is None while nobody has read it. `dialect` is the stored one,
    by whose rules requests become canonical.
    """

    original: StoredVariant
    source: Attributes
    stored: Sequence[StoredVariant]
    profiles: Mapping[str, Request]
    orientation: int | None
    dialect: Dialect

    @property
    def original_names(self) -> tuple[str, ...]:
        """The names of the original, the one that is listed first."""
        image_format = self.source.format
        return f"original{image_format.extension}", f"original.{image_format.value}"

    def normalise(self, request: Request) -> Transformation:
        """Give the canonical form of a request; raises OrientationUnknown, ExpressionMalformed."""
        if request.rotate is Rotate.AUTO and self.orientation is None:
            raise OrientationUnknown
        return normalised(request, self.source, self.orientation or 1, self.dialect)

    def find(self, wanted: Transformation) -> StoredVariant | None:
        """Give what is stored under a canonical form, which may be the original."""
        value = wanted.to_json()
        return next((variant for variant in self.stored if variant.transformation == value), None)

    def list_named(self) -> Iterator[tuple[str, StoredVariant]]:
        """Give all that is stored and has a name, under the shortest."""
        for variant in self.stored:
            name = self._name_of(variant)
            if name is not None:
                yield name, variant

    def _name_of(self, variant: StoredVariant) -> str | None:
        if variant.is_original:
            return self.original_names[0]
        wanted = transformation_from_json(variant.transformation)
        if wanted is None:
            return None
        return spell(wanted, self.source, self.profiles, self.orientation, self.dialect)

    def list_missing(self) -> Iterator[tuple[str, ImageFormat]]:
        """Give the profiles that have not been rendered, as far as is known, and the format they give."""
        for profile, request in sorted(self.profiles.items()):
            try:
                is_stored = self.find(self.normalise(request)) is not None
            except OrientationUnknown:
                is_stored = False
            except ExpressionMalformed:
                continue
            if not is_stored:
                yield profile, request.format or self.source.format
