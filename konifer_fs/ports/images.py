"""The image engine, and what it tells of a rendering."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from konifer_fs.domain.transformation import Limits, Placeholder, Transformation
from konifer_fs.domain.variant import Attributes, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a rendering has become; `lqip` holds what was asked for."""

    attributes: Attributes
    lqip: Json


class ImageEngine(Protocol):
    """Looks into images, outside this process, within a time and memory limit."""

    def probe(self, source: Path) -> Attributes:
        """Read the header of a whole image and check that its container is complete; decodes no pixels.

        Raises:
            WrongMediumType: its bytes are none of the seven formats (an empty file too).
            NotWhole: the container is cut short, or its header cannot be read.
            ContentTooLarge: more pixels or pages than the limits.
            ContentUnreadable: the codec crashed, hung or ran out of memory.
        """
        ...

    def orientation(self, source: Path) -> int:
        """Read the EXIF orientation of an image, 1 to 8; 1 where it has none. Raises as `probe`."""
        ...

    def render(
        self, source: Path, target: Path, wanted: Transformation, limits: Limits, placeholders: frozenset[Placeholder]
    ) -> Rendered:
        """Make `target`, which must not be there yet, from the image `source`; on failure nothing is left of it.

        `limits` bound the source; the caller has checked the result's. `placeholders` are computed of the result.

        Raises:
            ContentUnreadable: the source cannot be decoded, a step is impossible (a crop larger than the picture),
                or the worker crashed, hung or ran out of memory.
            ContentTooLarge: the source is over the limits.
            WrongMediumType: the source is none of the seven formats.
            SpoolFull: the disk of `target` is.
        """
        ...

    def find_placeholders(self, source: Path, kinds: frozenset[Placeholder]) -> Json:
        """Compute placeholders of an image: Konifer's `lqip` JSON. Raises as `render`."""
        ...

    def draw_placeholder(self, kind: Placeholder, text: str, target: Path) -> None:
        """Make `target`, a PNG of at most 32x32 pixels, of a placeholder's text; on failure nothing is left of it.

        Raises ContentUnreadable for a text that is no such placeholder, SpoolFull.
        """
        ...

    def close(self) -> None:
        """End the worker processes."""
        ...
