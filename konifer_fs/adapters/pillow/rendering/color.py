"""Colour spaces: from any profile to sRGB, Display P3 or grey, by LittleCMS (relative, black point compensated).

A picture without a profile, or with one that is damaged or of another model, is taken for sRGB.
"""

from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageCms

from konifer_fs.adapters.pillow.rendering.effects import to_grey
from konifer_fs.adapters.pillow.rendering.p3 import make_p3_profile
from konifer_fs.domain.formats import ImageFormat

P3_PROFILE: Final = make_p3_profile()

_MODELS: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# What can hold a profile of each model, as our encoders write it.
_HOLDS_RGB_PROFILE: Final = frozenset(
    {ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF, ImageFormat.HEIC}
)
_HOLDS_GREY_PROFILE: Final = frozenset({ImageFormat.JPEG, ImageFormat.PNG})


def into_space(
    image: Image.Image, profile: bytes | None, *, has: str, wanted: str, target: ImageFormat
) -> tuple[Image.Image, bytes | None]:
    """Bring a picture from the colour space it `has` to the `wanted` one; gives it, and the profile to embed.

    Both are Konifer's words. What is neither `srgb`, `p3` nor `grayscale` is the picture's own space. A space that
    `target` cannot hold becomes sRGB.
    """
    if wanted == "srgb":
        return (_as_rgb(image) if has == "srgb" else as_srgb(image, profile)), None
    if wanted == "grayscale" and has != "grayscale":
        return to_grey(as_srgb(image, profile)), None
    if wanted == "p3" and has != "p3" and target in _HOLDS_RGB_PROFILE:
        return _convert(image, profile, P3_PROFILE), P3_PROFILE
    if _can_hold(image, profile, target):
        return image, profile
    return settle(as_srgb(image, profile), None, wanted), None


def as_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Give a picture with a profile as `RGB`, or `RGBA`, in sRGB."""
    return _convert(image, profile, None)


def settle(image: Image.Image, profile: bytes | None, wanted: str) -> Image.Image:
    """Bring a picture that effects made grey, or coloured, back to the model of its colour space."""
    if wanted == "grayscale":
        return to_grey(image)
    if wanted in {"srgb", "p3"} or (profile and _model_of(profile) == "RGB"):
        return _as_rgb(image)
    return image


def _can_hold(image: Image.Image, profile: bytes | None, target: ImageFormat) -> bool:
    """Whether a picture can be written as it is, with its profile."""
    if image.mode == "CMYK":
        return target is ImageFormat.JPEG
    if profile is None:
        return True
    if image.mode in {"L", "LA"}:
        return _model_of(profile) == "L" and target in _HOLDS_GREY_PROFILE
    return _model_of(profile) == "RGB" and target in _HOLDS_RGB_PROFILE


def _convert(image: Image.Image, profile: bytes | None, target: bytes | None) -> Image.Image:
    """Give a picture as RGB, or RGBA, by the profile `target`, None for sRGB."""
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    colour = _without_alpha(image)
    model = profile and _model_of(profile)
    if model and colour.mode in {model, "L"}:
        colour = _apply(colour.convert(model), profile, target)
    elif target:
        colour = _apply(colour.convert("RGB"), None, target)
    else:
        colour = colour.convert("RGB")
    if alpha:
        colour.putalpha(alpha)
    return colour


def _apply(image: Image.Image, source: bytes | None, target: bytes | None) -> Image.Image:
    try:
        transform = _make_transform(source, target, image.mode)
        return ImageCms.applyTransform(image, transform) or image
    except ImageCms.PyCMSError:
        return image.convert("RGB")


@lru_cache(maxsize=4)
def _make_transform(source: bytes | None, target: bytes | None, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        _open_profile(source),
        _open_profile(target),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _open_profile(profile: bytes | None) -> ImageCms.ImageCmsProfile:
    if profile is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsProfile(BytesIO(profile))


def _model_of(profile: bytes) -> str | None:
    """Give the mode of pictures that a profile is for, None when it is damaged."""
    try:
        return _MODELS.get(_open_profile(profile).profile.xcolor_space)
    except (OSError, ImageCms.PyCMSError):
        return None


def _without_alpha(image: Image.Image) -> Image.Image:
    return image.convert(image.mode.removesuffix("A")) if image.mode in {"LA", "RGBA"} else image


def _as_rgb(image: Image.Image) -> Image.Image:
    """Give a grey picture as a coloured one."""
    return image.convert({"L": "RGB", "LA": "RGBA", "CMYK": "RGB"}.get(image.mode, image.mode))
