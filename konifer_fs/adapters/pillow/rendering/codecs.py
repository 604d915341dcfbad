"""Pillow's codecs by format, each loaded when it is first needed: together they take a quarter of a second."""

from functools import cache
from importlib import import_module

from konifer_fs.domain.formats import ImageFormat


@cache
def load_codec(image_format: ImageFormat) -> str:
    """Make Pillow able to read and write a format, and give Pillow's name of it."""
    if image_format is ImageFormat.HEIC:
        import_module("pillow_heif").register_heif_opener()
        return "HEIF"
    if image_format is ImageFormat.JPEG_XL:
        import_module("pillow_jxl")
        return "JXL"
    plugins = {ImageFormat.JPEG: "Jpeg", ImageFormat.PNG: "Png", ImageFormat.GIF: "Gif"}
    plugins |= {ImageFormat.WEBP: "WebP", ImageFormat.AVIF: "Avif"}
    import_module(f"PIL.{plugins[image_format]}ImagePlugin")
    return plugins[image_format].upper()
