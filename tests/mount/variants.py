"""What the tests of variants share: a mount with profiles, what is stored of a picture, and what a file is."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import ltree, query
from tests.mount.mounting import Mount
from tests.pictures import make_picture

ROBOTS: Final = "user.xdg.robots.backup"
# 48x32 pixels.
PICTURE: Final = make_picture(ImageFormat.PNG)
OTHER: Final = make_picture(ImageFormat.PNG, (32, 48), seed=1)
PROFILES: Final = """
variant-profiles {
  thumbnail { w = 16, format = webp }
  square { w = 8, h = 8, fit = fill }
  upright { r = auto }
  huge { w = 9000 }
}
"""


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """What Konifer's table says of one generated variant, and the file that holds its object."""

    transformation: dict[str, Any]
    attributes: dict[str, Any]
    object: Path
    is_uploaded: bool


_ROWS: Final = """
SELECT v.transformation, v.attributes, v.object_store_bucket, v.object_store_key, v.uploaded_at IS NOT NULL
  FROM asset_variant v JOIN asset_tree a ON a.id = v.asset_id
 WHERE a.path = %s::text::ltree AND NOT v.original_variant ORDER BY v.created_at
"""


def stored_variants(mount: Mount, place: Path) -> list[StoredVariant]:
    """Give the generated variants of all entries of a directory, the oldest first."""
    return [
        StoredVariant(transformation, attributes, mount.objects.parent / bucket / key, is_uploaded)
        for transformation, attributes, bucket, key, is_uploaded in query(mount, _ROWS, ltree(mount, place))
    ]


def of(photo: Path, name: str) -> Path:
    """Give what `name` is below `photo.jpg@`."""
    return photo.with_name(f"{photo.name}@") / name


def described(content: bytes) -> tuple[str | None, tuple[int, int]]:
    """Give the format and the size of a picture."""
    with Image.open(io.BytesIO(content)) as picture:
        return picture.format, picture.size


def renderings(mount: Mount) -> int:
    """Give how many variants a mount has rendered so far."""
    return int(mount.status()["renderings"])
