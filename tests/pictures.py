"""Makes pictures and colour profiles for tests: small, real, and of every format. Used by any room of tests."""

import io
import os
import random
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from PIL import Image

from konifer_fs.domain.formats import ImageFormat

# Real pictures, which this machine may not have.
IMAGES: Final = Path(os.environ.get("KONIFER_FS_IMAGES") or Path(__file__).parents[2] / "shared" / "images")

_PILLOW_NAMES: Final = {
    ImageFormat.JPEG: "JPEG",
    ImageFormat.PNG: "PNG",
    ImageFormat.WEBP: "WEBP",
    ImageFormat.AVIF: "AVIF",
    ImageFormat.JPEG_XL: "JXL",
    ImageFormat.HEIC: "HEIF",
    ImageFormat.GIF: "GIF",
}
_QUICK: Final[dict[ImageFormat, dict[str, Any]]] = {
    ImageFormat.AVIF: {"speed": 10},
    ImageFormat.JPEG_XL: {"effort": 1, "num_threads": 0},
    ImageFormat.WEBP: {"method": 0},
}
_ORIENTATION: Final = 0x0112


def make_picture(
    image_format: ImageFormat,
    size: tuple[int, int] = (48, 32),
    *,
    mode: str = "RGB",
    pages: int = 1,
    seed: int = 0,
    orientation: int | None = None,
    profile: bytes | None = None,
    **options: Any,  # noqa: ANN401 - Pillow's
) -> bytes:
    """Encode a noisy picture; another `seed` gives another picture.

    `mode` is Pillow's (`RGB RGBA L LA P CMYK I;16`); `pages` over 1 makes an animation (GIF, WebP); `orientation`
    goes into EXIF and `profile` is an ICC profile; `options` are Pillow's for the format, such as `progressive`,
    `lossless` and `loop`.
    """
    _register_plugins()
    frames = [_draw(size, mode, f"{seed}/{page}") for page in range(pages)]
    if pages > 1:
        options |= {"save_all": True, "append_images": frames[1:]}
    if orientation is not None:
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        options["exif"] = exif.tobytes()
    if profile is not None:
        options["icc_profile"] = profile
    encoded = io.BytesIO()
    frames[0].save(encoded, _PILLOW_NAMES[image_format], **{**_QUICK.get(image_format, {}), **options})
    return encoded.getvalue()


@cache
def _register_plugins() -> None:
    import pillow_heif
    import pillow_jxl  # noqa: F401 - registers itself

    pillow_heif.register_heif_opener()


def _draw(size: tuple[int, int], mode: str, seed: str) -> Image.Image:
    """Draw coarse noise, which compresses about as well as a photograph."""
    coarse = (max(1, size[0] // 4), max(1, size[1] // 4))
    noise = Image.frombytes("RGB", coarse, random.Random(seed).randbytes(3 * coarse[0] * coarse[1]))
    if mode == "I;16":
        grey = noise.convert("L").resize(size)
        return Image.frombytes("I;16", size, b"".join(bytes((level, level)) for level in grey.tobytes()))
    picture = noise.resize(size)
    return picture.quantize(16) if mode == "P" else picture.convert(mode)


def make_png(
    width: int, height: int, *, depth: int = 8, kind: int = 2, body: bytes = b"", chunks: Sequence[bytes] = ()
) -> bytes:
    """Put a PNG together whose header says anything at all; `chunks` come before its one IDAT."""
    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    data = make_chunk(b"IDAT", zlib.compress(body))
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *chunks, data, make_chunk(b"IEND", b"")))


def make_chunk(name: bytes, content: bytes) -> bytes:
    """Put a PNG chunk together."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def make_profile(
    description: str,
    red: tuple[float, float, float] | None = None,
    green: tuple[float, float, float] | None = None,
    *,
    model: bytes = b"RGB ",
    is_version_4: bool = False,
) -> bytes:
    """Make an ICC profile with the given colourants (XYZ at D50); blue is what they leave of the white point."""
    tags = {b"desc": _utf16(description) if is_version_4 else _ascii(description), b"wtpt": _xyz(*_WHITE)}
    if red and green:
        blue = tuple(white - r - g for white, r, g in zip(_WHITE, red, green, strict=True))
        tags |= {b"rXYZ": _xyz(*red), b"gXYZ": _xyz(*green), b"bXYZ": _xyz(*blue)}
    for name in (b"rTRC", b"gTRC", b"bTRC") if red else (b"kTRC",):
        tags[name] = b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x233, 0)
    table, contents = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sHH4s4s4s", 0, b"test", 0x0400 if is_version_4 else 0x0210, 0, b"mntr", model, b"XYZ ")
    head += struct.pack(">HHHHHH4s4s", 2026, 1, 1, 0, 0, 0, b"acsp", b"APPL") + bytes(24) + _xyz(*_WHITE)[8:]
    whole = head.ljust(128, b"\0") + table + contents
    return struct.pack(">I", len(whole)) + whole[4:]


_WHITE: Final = (0.9642, 1.0, 0.8249)


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _ascii(text: str) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text.encode("ascii") + bytes(79)


def _utf16(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


P3: Final = make_profile("Display P3", (0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189))
ADOBE_RGB: Final = make_profile("Adobe RGB (1998)", (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087))
SRGB: Final = make_profile("sRGB IEC61966-2.1", (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708))
PROPHOTO: Final = make_profile("ProPhoto RGB", (0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0))
GREY: Final = make_profile("Dot Gain 20%", model=b"GRAY")
CMYK: Final = make_profile("Coated FOGRA39", model=b"CMYK")
