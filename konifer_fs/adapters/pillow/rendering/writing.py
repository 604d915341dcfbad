"""Encoding: pages and what is carried along, as a file of one of the seven formats, with the settings of Konifer's.

What a format cannot hold is left out: IPTC but in JPEG, all metadata in GIF, profiles and XMP in JPEG XL; and in JPEG,
what is larger than a segment. What EXIF says of the orientation holds on: Pillow makes AVIF's and HEIC's own of it, and
a JPEG XL, whose readers heed only its own and whose encoder takes none, gets pixels that are turned.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from konifer_fs.adapters.pillow.exif import PREFIX
from konifer_fs.adapters.pillow.rendering.codecs import load_codec
from konifer_fs.adapters.pillow.rendering.effects import on_black
from konifer_fs.adapters.pillow.rendering.reading import Carried, Page, turned_by_exif
from konifer_fs.domain.formats import ImageFormat

_FULL_COLOUR_FROM: Final = 90
_LOSSLESS: Final = 100
_MAX_SEGMENT: Final = 65000
_IPTC_MARKER: Final = b"\xff\xed"
_SETTINGS: Final[dict[ImageFormat, dict[str, Any]]] = {
    ImageFormat.PNG: {"compress_level": 6},
    ImageFormat.WEBP: {"method": 4},
    ImageFormat.AVIF: {"speed": 6},
    # x265's own choice takes three times as long for 3 % fewer bytes.
    ImageFormat.HEIC: {"enc_params": {"preset": "veryfast"}},
    ImageFormat.JPEG_XL: {"effort": 7, "lossless_jpeg": False},
}
_OPAQUE_FROM: Final = 128
_WEBP_FLAGS_AT: Final = 20
_WEBP_ALPHA: Final = 0x10
_GIF_COLOURS: Final = 255


def write(
    target: int, pages: Sequence[Page], carried: Carried, image_format: ImageFormat, quality: int, loop: int
) -> None:
    """Encode pages of one size into the empty file `target`; `loop` is how often they are played, 0 for ever."""
    name = load_codec(image_format)
    if image_format is ImageFormat.JPEG_XL and carried.exif:
        pages = [replace(page, image=turned_by_exif(page.image, carried.exif)) for page in pages]
        carried = carried.upright()
    options = {**_SETTINGS.get(image_format, {}), **_spell_carried(carried, image_format)}
    if image_format.has_quality:
        options["quality"] = quality
    if image_format is ImageFormat.JPEG:
        options["subsampling"] = "4:4:4" if quality >= _FULL_COLOUR_FROM else "4:2:0"
    if image_format is ImageFormat.JPEG_XL:
        # libjxl refuses a lossy picture of no loss.
        options["lossless"] = quality == _LOSSLESS
    images = [_fit_for(page.image, image_format) for page in pages]
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:], "duration": [page.duration for page in pages]}
        options |= _spell_loop(loop, image_format)
        if image_format is ImageFormat.GIF and any("transparency" in image.info for image in images):
            options["disposal"] = 2
    is_translucent = len(images) > 1 and any(image.mode == "RGBA" for image in images)
    with os.fdopen(target, "w+b", closefd=False) as file:
        images[0].save(file, name, **options)
        if image_format is ImageFormat.WEBP and is_translucent:
            _mark_transparent(file)


def _fit_for(image: Image.Image, image_format: ImageFormat) -> Image.Image:
    """Give a page as a format takes it: JPEG shows black behind what is transparent, as Konifer has it."""
    if image_format is ImageFormat.GIF:
        return _quantised(image)
    return on_black(image) if image_format is ImageFormat.JPEG else image


def _quantised(image: Image.Image) -> Image.Image:
    """Give a page in up to 255 colours of its own, dithered, and one that is transparent where it needs one."""
    if image.mode == "L":
        return image
    colours = image.convert("RGB")
    palette = colours.quantize(_GIF_COLOURS, Image.Quantize.MEDIANCUT)
    reduced = colours.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    if image.mode in {"LA", "RGBA"}:
        hidden = image.getchannel("A").point([255 if level < _OPAQUE_FROM else 0 for level in range(256)])
        if hidden.getbbox():
            reduced.paste(_GIF_COLOURS, mask=hidden)
            reduced.info["transparency"] = _GIF_COLOURS
    return reduced


def _mark_transparent(file: BinaryIO) -> None:
    """Say in an animated WebP's header that it has alpha: libwebp does not where each page is an opaque rectangle."""
    file.seek(_WEBP_FLAGS_AT)
    flags = file.read(1)[0]
    file.seek(_WEBP_FLAGS_AT)
    file.write(bytes([flags | _WEBP_ALPHA]))


def _spell_loop(loop: int, image_format: ImageFormat) -> dict[str, Any]:
    """Give the option of so many plays: GIF counts those after the first, and leaves out to play once."""
    if image_format is ImageFormat.WEBP or not loop:
        return {"loop": loop}
    return {"loop": loop - 1} if loop > 1 else {}


def _spell_carried(carried: Carried, image_format: ImageFormat) -> dict[str, Any]:
    """Give what is carried along as options of a format's encoder."""
    options: dict[str, Any] = {}
    if image_format is ImageFormat.GIF:
        return options
    most = _MAX_SEGMENT if image_format is ImageFormat.JPEG else 1 << 30
    if carried.exif and len(carried.exif) <= most:
        options["exif"] = carried.exif.removeprefix(PREFIX) if image_format is ImageFormat.WEBP else carried.exif
    if carried.xmp and len(carried.xmp) <= most and image_format is not ImageFormat.JPEG_XL:
        options["xmp"] = carried.xmp
    if carried.profile:
        options["icc_profile"] = carried.profile
    if carried.iptc and len(carried.iptc) <= most and image_format is ImageFormat.JPEG:
        options["extra"] = _IPTC_MARKER + (2 + len(carried.iptc)).to_bytes(2, "big") + carried.iptc
    if image_format is ImageFormat.PNG and "xmp" in options:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode("utf-8", "replace"))
    return options
