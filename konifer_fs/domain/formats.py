"""The seven image formats: Konifer's spellings, and what their first bytes look like.

Only the first bytes are judged here, for the write that must fail early; whether a file is a whole image is
the image engine's to say.
"""

from enum import Enum
from typing import Final

_HEIF_BRANDS: Final = {
    b"avif": "avif", b"avis": "avif",
    b"heic": "heic", b"heix": "heic", b"heim": "heic", b"heis": "heic", b"hevc": "heic", b"hevx": "heic",
}  # fmt: skip
_GENERIC_BRANDS: Final = (b"mif1", b"msf1", b"miaf")


class ImageFormat(Enum):
    """One of Konifer's formats; the value is its spelling in dialect C's JSON and in requests.

    `extension` is that of object keys and default names, with its dot: `.jpeg`.
    """

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    JPEG_XL = "jxl"
    HEIC = "heic"
    GIF = "gif"

    def __init__(self, word: str) -> None:
        self.extension: Final = ".jpeg" if word == "jpg" else f".{word}"

    @property
    def content_type(self) -> str:
        """The media type, `image/jpeg`."""
        return "image/jpeg" if self is ImageFormat.JPEG else f"image/{self.value}"

    @property
    def is_paged(self) -> bool:
        """Whether Konifer counts this format's pages."""
        return self in {ImageFormat.GIF, ImageFormat.WEBP}

    @property
    def is_translucent(self) -> bool:
        """Whether Konifer lets variants of this format have an alpha channel; it does not count GIF's."""
        return self not in {ImageFormat.JPEG, ImageFormat.GIF}

    @property
    def default_quality(self) -> int:
        """The quality of a variant that asks for none, 1 to 100; its key is left out of the JSON then."""
        return _DEFAULT_QUALITIES.get(self, 100)

    @property
    def max_quality(self) -> int:
        """The highest quality that Konifer stores of this format."""
        return 99 if self is ImageFormat.AVIF else 100

    @property
    def has_quality(self) -> bool:
        """Whether a quality can be asked for; without, it counts as 100."""
        return self in _DEFAULT_QUALITIES


_DEFAULT_QUALITIES: Final = {
    ImageFormat.JPEG: 80,
    ImageFormat.WEBP: 80,
    ImageFormat.AVIF: 50,
    ImageFormat.JPEG_XL: 90,
    ImageFormat.HEIC: 50,
}

_MAGICS: Final = {
    b"\xff\xd8\xff": ImageFormat.JPEG,
    b"\x89PNG\r\n\x1a\n": ImageFormat.PNG,
    b"GIF87a": ImageFormat.GIF,
    b"GIF89a": ImageFormat.GIF,
    b"\xff\x0a": ImageFormat.JPEG_XL,
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": ImageFormat.JPEG_XL,
}


def can_begin_image(prefix: bytes) -> bool:
    """Whether `prefix`, the first bytes of a file (any number), can still become one of the seven formats.

    Leading zeros are "not yet": encoders that seek back to write their header begin so.
    """
    if not prefix[:4].strip(b"\0"):
        return True
    if any(prefix.startswith(magic) or magic.startswith(prefix) for magic in _MAGICS):
        return True
    if prefix[:4] == b"RIFF"[: len(prefix)]:
        return prefix[8:12] == b"WEBP"[: len(prefix[8:12])]
    if prefix[4:8] == b"ftyp"[: len(prefix[4:8])] and prefix[:1] == b"\0":
        brand = prefix[8:12]
        return any(known[: len(brand)] == brand for known in (*_HEIF_BRANDS, *_GENERIC_BRANDS))
    return False


def detect_format(prefix: bytes) -> ImageFormat | None:
    """Tell the format of a file from its first bytes (64 or more; fewer only when the file is shorter)."""
    for magic, image_format in _MAGICS.items():
        if prefix.startswith(magic):
            return image_format
    if prefix[:4] == b"RIFF" and prefix[8:12] == b"WEBP":
        return ImageFormat.WEBP
    return _detect_heif(prefix) if prefix[4:8] == b"ftyp" else None


def _detect_heif(prefix: bytes) -> ImageFormat | None:
    """Tell AVIF from HEIC by the major brand, or by the first compatible one when that is generic."""
    end = min(int.from_bytes(prefix[:4], "big"), len(prefix))
    brands = [prefix[8:12], *(prefix[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] not in _HEIF_BRANDS and brands[0] not in _GENERIC_BRANDS:
        return None
    return next((ImageFormat(_HEIF_BRANDS[brand]) for brand in brands if brand in _HEIF_BRANDS), None)
