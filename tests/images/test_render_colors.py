"""Colours: spaces and profiles, sources of every mode, filters, blur and padding."""

import io
from typing import Any

import pytest
from PIL import Image, ImageCms

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Filter
from tests import pictures
from tests.images.rendering import BLUE, GREEN, RED, WHITE, Renderer, encode
from tests.pictures import make_picture, make_png

Pixel = tuple[int, ...]

SEPIA = {
    (255, 255, 255): (255, 255, 248),
    (0, 0, 0): (0, 0, 0),
    RED: (168, 159, 142),
    GREEN: (227, 216, 193),
    BLUE: (120, 114, 101),
    (128, 128, 128): (147, 139, 125),
    (200, 100, 50): (155, 148, 131),
    (10, 200, 90): (181, 173, 154),
    (64, 64, 64): (74, 70, 62),
}
GRAYSCALE = {RED: 127, GREEN: 220, BLUE: 76, (200, 100, 50): 128, (10, 200, 90): 173, (70, 70, 70): 70}
BLACK_WHITE = {
    (128, 128, 128): 0,
    (129, 129, 129): 255,
    RED: 0,
    GREEN: 255,
    BLUE: 0,
}


def plain(color: Pixel, mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> bytes:
    return encode(Image.new(mode, size, color if len(color) > 1 else color[0]))


def near(one: Any, other: Pixel, levels: int = 3) -> bool:  # noqa: ANN401 - Pillow's
    return all(abs(a - b) <= levels for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("color", "expected"), SEPIA.items())
def test_sepia_is_konifers(render: Renderer, color: Pixel, expected: Pixel) -> None:
    assert near(render(plain(color), filter=Filter.SEPIA).pixel(0, 0), expected)


@pytest.mark.parametrize(("color", "level"), GRAYSCALE.items())
def test_grayscale_is_konifers_and_keeps_three_bands(render: Renderer, color: Pixel, level: int) -> None:
    assert near(render(plain(color), filter=Filter.GRAYSCALE).pixel(0, 0), (level,) * 3)


@pytest.mark.parametrize(("color", "level"), BLACK_WHITE.items())
def test_black_and_white_is_parted_above_128(render: Renderer, color: Pixel, level: int) -> None:
    assert render(plain(color), filter=Filter.BLACK_WHITE).pixel(0, 0) == (level,) * 3


@pytest.mark.parametrize("wanted", [Filter.SEPIA, Filter.GRAYSCALE, Filter.BLACK_WHITE])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_filters_leave_alpha_alone(render: Renderer, wanted: Filter, mode: str) -> None:
    color = (200, 100, 50, 99) if mode == "RGBA" else (100, 99)
    assert render(plain(color, mode), filter=wanted).pixel(3, 3)[-1] == 99


@pytest.mark.parametrize("wanted", list(Filter))
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_filters_blur_and_padding_take_sources_of_every_mode(render: Renderer, wanted: Filter, mode: str) -> None:
    source = make_picture(ImageFormat.PNG, (40, 30), mode=mode)
    result = render(source, width=20, height=15, filter=wanted, blur=3, padding=4, padding_color=(200, 10, 10, 128))
    assert result.size == (28, 23)
    assert near(result.image.convert("RGBA").getpixel((0, 0)), (200, 10, 10, 128)) or mode in {"1", "L", "LA", "I;16"}


def test_a_sixteen_bit_picture_keeps_its_levels(render: Renderer) -> None:
    rows = b"".join(b"\0" + b"\x80\x00" * 20 for _ in range(20))
    grey = render(make_png(20, 20, depth=16, kind=0, body=rows), width=10, height=10)
    assert near([grey.pixel(5, 5)], (128,), 1)
    rows = b"".join(b"\0" + b"\xff\xff\x80\x00\x00\x00" * 20 for _ in range(20))
    colour = render(make_png(20, 20, depth=16, kind=2, body=rows), width=10, height=10)
    assert near(colour.pixel(5, 5), (255, 128, 0), 1)


def test_a_palette_is_shrunk_in_its_colours(render: Renderer) -> None:
    stripes = Image.new("RGB", (40, 40), RED)
    stripes.paste(BLUE, (0, 0, 20, 40))
    result = render(encode(stripes.quantize(4)), width=10, height=10)
    assert near(result.pixel(1, 5), BLUE, 12)
    assert near(result.pixel(8, 5), RED, 12)


def test_what_is_transparent_does_not_bleed(render: Renderer) -> None:
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 255))
    half.paste((0, 255, 0, 0), (20, 0, 40, 40))
    given: list[dict[str, Any]] = [{"width": 5, "height": 5}, {"blur": 12}]
    for wanted in given:
        result = render(encode(half), **wanted)
        edge = result.pixel(result.size[0] // 2, result.size[1] // 2)
        assert edge[3] < 255
        assert edge[0] > 240
        assert edge[1] < 15


def test_a_transparent_palette_entry_is_transparent(render: Renderer) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(0, (10, 0, 20, 20))
    result = render(encode(image, transparency=0), width=10, height=10)
    assert result.pixel(1, 1) == (255, 0, 0, 255)
    assert result.pixel(9, 1)[3] == 0


@pytest.mark.parametrize("target", [ImageFormat.JPEG, ImageFormat.GIF, ImageFormat.PNG])
def test_alpha_is_black_in_jpeg_and_kept_elsewhere(render: Renderer, target: ImageFormat) -> None:
    result = render(plain((255, 255, 255, 0), "RGBA"), format=target)
    if target is ImageFormat.JPEG:
        assert near(result.pixel(4, 4), (0, 0, 0))
    else:
        assert result.image.convert("RGBA").getpixel((4, 4))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("blur", [1, 20, 150])
def test_blur_is_a_gaussian_of_half_its_value(render: Renderer, blur: int) -> None:
    side = 4 * blur + 16
    edge = Image.new("L", (side, 8), 0)
    edge.paste(255, (side // 2, 0, side, 8))
    result = render(encode(edge), blur=blur)
    # A deviation off the edge a Gaussian has brought it to 84 %.
    assert abs(result.pixel(side // 2 + blur // 2, 4) - 215) < (40 if blur == 1 else 8)


@pytest.mark.parametrize(
    ("target", "color", "expected"),
    [
        (ImageFormat.PNG, (0, 255, 0, 128), (0, 255, 0, 128)),
        (ImageFormat.PNG, (0, 255, 0, 255), (0, 255, 0, 255)),
        (ImageFormat.JPEG, (0, 255, 0, 128), (0, 255, 0, 255)),
        (ImageFormat.GIF, (255, 255, 255, 0), (255, 255, 255, 255)),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_padding_is_of_the_colour_that_the_format_can_show(
    render: Renderer, target: ImageFormat, color: Pixel, expected: Pixel, mode: str
) -> None:
    source = plain({"RGB": RED, "RGBA": (*RED, 255), "L": (76,)}[mode], mode, (10, 6))
    result = render(source, format=target, padding=8, padding_color=color, quality=95, color_space="srgb")
    picture = result.image.convert("RGBA")
    assert result.size == (26, 22)
    assert near(picture.getpixel((1, 1)), expected, 6)
    assert near(picture.getpixel((13, 11)), (76, 76, 76, 255) if mode == "L" else (*RED, 255), 6)


def test_a_grey_picture_padded_grey_stays_grey(render: Renderer) -> None:
    result = render(plain((76,), "L"), padding=2, padding_color=(*WHITE, 255))
    assert result.attributes.color_space == "grayscale"
    assert (result.pixel(0, 0), result.pixel(5, 5)) == (255, 76)


# Spaces.
def profile_of(image: Image.Image) -> bytes | None:
    return image.info.get("icc_profile")


@pytest.mark.parametrize("target", [ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_a_picture_keeps_the_profile_that_it_has(render: Renderer, target: ImageFormat) -> None:
    for profile, word in ((pictures.P3, "p3"), (pictures.ADOBE_RGB, "adobe_rgb"), (pictures.PROPHOTO, "prophoto rgb")):
        result = render(make_picture(ImageFormat.JPEG, profile=profile), width=24, height=16, format=target)
        assert result.attributes.color_space == word
        assert profile_of(result.image) == profile


@pytest.mark.parametrize("target", [ImageFormat.GIF, ImageFormat.JPEG_XL])
def test_a_space_that_a_format_cannot_hold_becomes_srgb(render: Renderer, target: ImageFormat) -> None:
    green = encode(Image.new("RGB", (16, 16), (100, 200, 100)), icc_profile=pictures.P3)
    result = render(green, format=target, quality=100)
    assert result.attributes.color_space == "srgb"
    assert result.image.convert("RGB").getpixel((8, 8))[0] < 85  # type: ignore[index]


def test_p3_to_srgb_and_back_is_the_same_colour(render: Renderer) -> None:
    wide = encode(Image.new("RGB", (16, 16), (180, 120, 90)), icc_profile=pictures.P3)
    narrow = render(wide, color_space="srgb")
    assert (narrow.attributes.color_space, profile_of(narrow.image)) == ("srgb", None)
    assert narrow.pixel(0, 0)[0] > 184
    again = render(narrow.content, color_space="p3")
    assert again.attributes.color_space == "p3"
    # The test's profile has a plain curve, ours sRGB's.
    assert near(again.pixel(0, 0), (180, 120, 90), 3)


def test_our_p3_profile_is_one_that_littlecms_takes(render: Renderer) -> None:
    result = render(make_picture(ImageFormat.JPEG), color_space="p3")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(result.image) or b"")).profile
    assert profile.profile_description == "Display P3"
    assert profile.is_matrix_shaper
    assert profile.is_intent_supported(ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Direction.OUTPUT)


def test_srgb_takes_the_profile_away(render: Renderer) -> None:
    result = render(make_picture(ImageFormat.PNG, profile=pictures.SRGB), width=24, height=16)
    assert (result.attributes.color_space, profile_of(result.image)) == ("srgb", None)


@pytest.mark.parametrize("profile", [None, pictures.P3])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_grayscale_has_one_band_and_no_profile(render: Renderer, profile: bytes | None, mode: str) -> None:
    source = make_picture(ImageFormat.PNG, mode=mode, profile=profile)
    result = render(source, width=24, height=16, color_space="grayscale")
    assert result.image.mode == {"RGB": "L", "RGBA": "LA"}[mode]
    assert result.attributes.color_space == "grayscale"
    assert profile_of(result.image) is None


def test_a_grey_picture_wanted_in_srgb_has_three_bands(render: Renderer) -> None:
    result = render(make_picture(ImageFormat.PNG, mode="L"), color_space="srgb")
    assert (result.image.mode, result.attributes.color_space) == ("RGB", "srgb")


def test_a_cmyk_jpeg_stays_one(render: Renderer) -> None:
    result = render(make_picture(ImageFormat.JPEG, mode="CMYK", profile=pictures.CMYK), width=24, height=16)
    assert (result.image.mode, result.attributes.color_space) == ("CMYK", "cymk")
    assert profile_of(result.image) == pictures.CMYK


@pytest.mark.parametrize(
    "wanted",
    [
        {"format": ImageFormat.PNG},
        {"format": ImageFormat.WEBP},
        {"filter": Filter.SEPIA},
        {"padding": 2, "padding_color": (*RED, 255)},
        {"color_space": "srgb"},
    ],
)
def test_a_cmyk_picture_is_srgb_elsewhere(render: Renderer, wanted: dict[str, Any]) -> None:
    red = encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95)
    result = render(red, quality=95, **wanted)
    assert result.attributes.color_space == "srgb"
    assert result.pixel(16, 16)[0] > 120
    assert result.pixel(16, 16)[0] > 1.05 * result.pixel(16, 16)[2]


def test_a_damaged_profile_does_no_harm(render: Renderer) -> None:
    damaged = pictures.P3[:200]
    source = make_picture(ImageFormat.JPEG, profile=damaged)
    assert render(source, width=24, height=16, color_space="srgb").attributes.color_space == "srgb"
    assert render(source, width=24, height=16, format=ImageFormat.GIF).size == (24, 16)
