"""Low-quality image placeholders: BlurHash of 4x4 components, and ThumbHash, of a picture fitted into 32x32."""

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Final

from PIL import Image

from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.domain.geometry import shrunk_into
from konifer_fs.domain.transformation import Placeholder
from konifer_fs.domain.variant import Json

BOX: Final = (32, 32)
_COMPONENTS: Final = 4


def compute_placeholders(image: Image.Image, kinds: frozenset[Placeholder]) -> Json:
    """Give the placeholders of a picture: Konifer's `lqip` JSON."""
    if not kinds:
        return {}
    image = image.convert("RGBA" if image.mode in {"LA", "RGBA"} else "RGB")
    small = image.resize(shrunk_into(image.size, BOX), Image.Resampling.LANCZOS, reducing_gap=3.0)
    makers = {Placeholder.BLURHASH: _make_blurhash, Placeholder.THUMBHASH: _make_thumbhash}
    return {kind.value: make(small) for kind, make in makers.items() if kind in kinds}


def draw_placeholder(target: int, kind: Placeholder, text: str) -> Json:
    """Write a PNG of at most 32x32 of a placeholder; raises ContentUnreadable for a text that is none."""
    try:
        picture = _draw_blurhash(text) if kind is Placeholder.BLURHASH else _draw_thumbhash(text)
    except (ValueError, NotBase64) as error:
        raise ContentUnreadable(f"this is no {kind.value}") from error
    with os.fdopen(target, "wb", closefd=False) as file:
        picture.save(file, "PNG")
    return {}


def _make_blurhash(image: Image.Image) -> str:
    from blurhash_rs import blurhash_encode

    return blurhash_encode(image, _COMPONENTS, _COMPONENTS)


def _make_thumbhash(image: Image.Image) -> str:
    from thumbhash import rgba_to_thumb_hash

    return b64encode(rgba_to_thumb_hash(*image.size, image.convert("RGBA").tobytes())).decode()


def _draw_blurhash(text: str) -> Image.Image:
    from blurhash_rs import blurhash_decode

    return blurhash_decode(text, *BOX)


def _draw_thumbhash(text: str) -> Image.Image:
    from thumbhash import thumb_hash_to_rgba

    width, height, pixels = thumb_hash_to_rgba(b64decode(text, validate=True))
    return Image.frombytes("RGBA", (width, height), pixels)
