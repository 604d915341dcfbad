"""Objects and what Konifer records about them: references, attributes, and an original's transformation.

The JSON is Konifer's dialect C: keys with default values are omitted, and no key of ours is ever added,
because Konifer decodes strictly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.domain.formats import ImageFormat

Json = dict[str, object]


class ObjectRef(NamedTuple):
    """Where an object lies: its bucket, and its key within (`<uuid4><extension>`)."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells bytes from others: how many they are, and their SHA-256."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What the stored object is: sizes in pixels; `page_count` 1 for still images; `loop` 0 is endless.

    `loop` is None for formats without pages. `color_space` is Konifer's word: `srgb p3 adobe_rgb cymk
    grayscale unknown`, or a profile's lower-cased description of up to 50 characters.
    """

    format: ImageFormat
    width: int
    height: int
    page_count: int = 1
    loop: int | None = None
    color_space: str = "unknown"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Attributes":
        """Read `asset_variant.attributes`; raises ContentUnreadable for what no Konifer of dialect C writes."""
        try:
            return cls(
                format=ImageFormat(value["format"]),
                width=int(value["width"]),
                height=int(value["height"]),
                page_count=int(value.get("pageCount", 1)),
                loop=value.get("loop"),
                color_space=str(value.get("colorSpace", "unknown")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ContentUnreadable(f"its attributes are {value}") from error

    def to_json(self) -> Json:
        """Give the value of `asset_variant.attributes`."""
        value: Json = {
            "width": self.width, "height": self.height, "format": self.format.value, "pageCount": self.page_count,
        }  # fmt: skip
        if self.loop is not None:
            value["loop"] = self.loop
        if self.color_space != "unknown":
            value["colorSpace"] = self.color_space
        return value


def original_transformation(attributes: Attributes) -> Json:
    """Give the value of `asset_variant.transformation` of an original: its size, format and colour space."""
    value: Json = {"width": attributes.width, "height": attributes.height, "format": attributes.format.value}
    if attributes.color_space != "srgb":
        value["colorSpace"] = attributes.color_space
    return value
