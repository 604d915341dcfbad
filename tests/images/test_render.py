"""Pictures of any format become pictures of any other: the right size, the right part of them, the right way up."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from konifer_fs.domain.errors import ContentTooLarge, ContentUnreadable, WrongMediumType
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Fit, Gravity, Limits, Rotate, Transformation
from tests.images import jxl_samples
from tests.images.rendering import BLUE, RED, WHITE, Renderer, corners, encode, paint, quarters
from tests.images.samples import load_sample
from tests.pictures import P3, make_picture, make_png

ORIGINAL = (1280, 642)


def difference(one: Image.Image, other: Image.Image) -> float:
    """The root mean square of how pictures differ, in levels, of the channel that differs most."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).rms)


@pytest.mark.parametrize("target", ImageFormat)
@pytest.mark.parametrize("source", ImageFormat)
def test_every_format_becomes_every_other(render: Renderer, source: ImageFormat, target: ImageFormat) -> None:
    result = render(make_picture(source, (60, 40)), width=30, height=20, format=target, quality=90)
    found = result.attributes
    assert (found.format, found.width, found.height, found.page_count) == (target, 30, 20, 1)
    assert result.size == (30, 20)
    assert found.loop == (None if not target.is_paged else 1 if target is ImageFormat.GIF else 0)


@pytest.mark.parametrize("target", ImageFormat)
def test_the_same_picture_comes_out(render: Renderer, images: Path, target: ImageFormat) -> None:
    result = render(images / "small.png", width=113, height=150, format=target, quality=90)
    with Image.open(images / "small.png") as original:
        expected = original.convert("RGB").resize((113, 150), Image.Resampling.LANCZOS)
    assert difference(result.image, expected) < 12


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((10, 5), (10, 5)),
        ((15, 8), (15, 8)),
        ((30, 15), (30, 15)),
        ((110, 55), (110, 55)),
        ((199, 100), (199, 100)),
        ((200, 100), (199, 100)),
        ((399, 200), (399, 200)),
        ((997, 500), (997, 500)),
        ((1270, 637), (1270, 637)),
        ((1260, 632), (1260, 632)),
        ((2000, 1003), (2000, 1003)),
        ((300, 300), (299, 150)),
        ((1180, 542), (1081, 542)),
        ((50, 50), (50, 25)),
        ((2000, 2000), (2000, 1003)),
        ((1, 1), (1, 1)),
        ((2, 1), (2, 1)),
    ],
)
def test_a_fitted_picture_is_as_large_as_konifers(
    render: Renderer, images: Path, box: tuple[int, int], size: tuple[int, int]
) -> None:
    result = render(images / "joshua-tree.jpeg", width=box[0], height=box[1])
    assert result.size == size
    assert (result.attributes.width, result.attributes.height) == size


@pytest.mark.parametrize(
    ("fit", "box", "size"),
    [
        (Fit.FIT, (10000, 3000), (1280, 642)),
        (Fit.FIT, (300, 300), (299, 150)),
        (Fit.FIT, (1024, 1024), (1024, 514)),
        (Fit.FILL, (2000, 2000), (1280, 642)),
        (Fit.FILL, (2000, 300), (1280, 300)),
        (Fit.FILL, (300, 2000), (300, 642)),
        (Fit.STRETCH, (2000, 2000), (1280, 642)),
        (Fit.STRETCH, (200, 200), (200, 200)),
        (Fit.CROP, (2000, 200), (1280, 200)),
    ],
)
def test_nothing_is_enlarged_where_that_is_not_wanted(
    render: Renderer, images: Path, fit: Fit, box: tuple[int, int], size: tuple[int, int]
) -> None:
    result = render(images / "joshua-tree.jpeg", width=box[0], height=box[1], fit=fit, can_upscale=False)
    assert result.size == size


@pytest.mark.parametrize("fit", [Fit.FILL, Fit.STRETCH])
@pytest.mark.parametrize("box", [(300, 200), (10, 300), (90, 7), (61, 41)])
def test_other_fits_give_the_very_box(render: Renderer, fit: Fit, box: tuple[int, int]) -> None:
    assert render(make_picture(ImageFormat.JPEG, (60, 40)), width=box[0], height=box[1], fit=fit).size == box


def test_a_fill_keeps_the_proportions_and_the_middle(render: Renderer) -> None:
    ring = paint((90, 30), lambda x, _: RED if 30 <= x < 60 else BLUE)
    result = render(encode(ring), width=15, height=15, fit=Fit.FILL)
    assert difference(result.image, Image.new("RGB", (15, 15), RED)) < 20


@pytest.mark.parametrize(
    ("gravity", "window"),
    [(Gravity.CENTER, (390, 71)), (Gravity.ENTROPY, (0, 142)), (Gravity.ATTENTION, (0, 50))],
)
def test_a_crop_keeps_the_window_that_konifers_keeps(
    render: Renderer, images: Path, gravity: Gravity, window: tuple[int, int]
) -> None:
    result = render(images / "joshua-tree.png", width=500, height=500, fit=Fit.CROP, gravity=gravity)
    with Image.open(images / "joshua-tree.png") as original:
        expected = original.crop((*window, window[0] + 500, window[1] + 500))
    assert difference(result.image, expected) == 0


@pytest.mark.parametrize("gravity", [Gravity.ENTROPY, Gravity.ATTENTION])
def test_gravity_finds_what_there_is_to_see(render: Renderer, gravity: Gravity) -> None:
    noise = Image.open(render.store(make_picture(ImageFormat.PNG, (40, 40))))
    wall = Image.new("RGB", (200, 40), (90, 90, 90))
    wall.paste(noise, (150, 0))
    result = render(encode(wall), width=20, height=20, fit=Fit.FILL, gravity=gravity)
    assert max(ImageStat.Stat(result.image).stddev) > 15


def test_a_crop_larger_than_the_picture_fails(render: Renderer) -> None:
    with pytest.raises(ContentUnreadable, match="larger than the picture"):
        render(make_picture(ImageFormat.PNG, (60, 40)), width=61, height=40, fit=Fit.CROP)


@pytest.mark.parametrize(
    ("rotate", "flip", "expected"),
    [
        (Rotate.ZERO, False, "RGBW"),
        (Rotate.NINETY, False, "WRGB"),
        (Rotate.ONE_HUNDRED_EIGHTY, False, "BWRG"),
        (Rotate.TWO_HUNDRED_SEVENTY, False, "GBWR"),
        (Rotate.ZERO, True, "GRWB"),
        (Rotate.NINETY, True, "RWBG"),
        (Rotate.ONE_HUNDRED_EIGHTY, True, "WBGR"),
        (Rotate.TWO_HUNDRED_SEVENTY, True, "BGRW"),
    ],
)
@pytest.mark.parametrize("image_format", [ImageFormat.JPEG, ImageFormat.PNG])
def test_a_picture_is_turned_clockwise_and_then_mirrored(
    render: Renderer, rotate: Rotate, flip: bool, expected: str, image_format: ImageFormat
) -> None:
    name = "JPEG" if image_format is ImageFormat.JPEG else "PNG"
    source = encode(quarters((320, 160)), name)
    size = (160, 320) if rotate in {Rotate.NINETY, Rotate.TWO_HUNDRED_SEVENTY} else (320, 160)
    whole = render(source, width=size[0], height=size[1], rotate=rotate, horizontal_flip=flip)
    assert (whole.size, corners(whole.image)) == (size, expected)
    small = render(source, width=size[0] // 8, height=size[1] // 8, rotate=rotate, horizontal_flip=flip)
    assert (small.size, corners(small.image)) == ((size[0] // 8, size[1] // 8), expected)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotate", [rotate for rotate in Rotate if rotate is not Rotate.AUTO])
@pytest.mark.parametrize("fit", [Fit.CROP, Fit.FILL])
def test_a_turned_picture_is_cut_as_one_that_was_turned_before(
    render: Renderer, rotate: Rotate, flip: bool, fit: Fit
) -> None:
    source = make_picture(ImageFormat.PNG, (90, 60))
    size = (60, 90) if rotate in {Rotate.NINETY, Rotate.TWO_HUNDRED_SEVENTY} else (90, 60)
    turned = render(source, width=size[0], height=size[1], rotate=rotate, horizontal_flip=flip)
    cut: dict[str, Any] = {"width": 40, "height": 30, "fit": fit, "gravity": Gravity.ENTROPY}
    assert difference(
        render(source, rotate=rotate, horizontal_flip=flip, **cut).image, render(turned.content, **cut).image
    ) < (1 if fit is Fit.CROP else 4)


@pytest.mark.parametrize("image_format", ImageFormat)
def test_a_single_pixel_goes_through_everything(render: Renderer, image_format: ImageFormat) -> None:
    source = make_picture(image_format, (1, 1))
    assert render(source, width=1, height=1, rotate=Rotate.NINETY, blur=20).size == (1, 1)
    assert render(source, width=7, height=3, fit=Fit.FILL, padding=2, padding_color=(*WHITE, 255)).size == (11, 7)


def test_the_longest_sides_are_shrunk(render: Renderer) -> None:
    wide = encode(Image.new("RGB", (8192, 16), RED))
    assert render(wide, width=1024, height=2, format=ImageFormat.JPEG).size == (1024, 2)
    assert render(wide, width=8, height=8, fit=Fit.STRETCH).size == (8, 8)


@pytest.mark.parametrize(
    "name",
    [
        "jpeg progressive",
        "jpeg restarting",
        "webp lossless",
        "webp extended",
        "jxl lossless",
        "jxl centre first",
        "jxl boxed",
        "jxl upsampled",
        "jxl animated",
        "avif animated",
        "png of 16 bits",
    ],
)
def test_pictures_of_unusual_making_are_rendered(render: Renderer, name: str) -> None:
    assert render(load_sample(name), width=16, height=16, fit=Fit.STRETCH, format=ImageFormat.PNG).size == (16, 16)


def test_a_jpeg_of_several_pictures_is_its_first(render: Renderer) -> None:
    source = encode(quarters((160, 80)), "MPO", save_all=True, append_images=[Image.new("RGB", (160, 80))])
    result = render(source, width=40, height=20)
    assert (result.attributes.format, corners(result.image)) == (ImageFormat.JPEG, "RGBW")


def test_bytes_after_the_end_do_no_harm(render: Renderer) -> None:
    for image_format in (ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.GIF, ImageFormat.WEBP):
        assert render(make_picture(image_format) + b"after" * 100, width=24, height=16).size == (24, 16)


@pytest.mark.parametrize("image_format", [ImageFormat.AVIF, ImageFormat.HEIC])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_its_format_turns_comes_turned(
    render: Renderer, image_format: ImageFormat, orientation: int
) -> None:
    name = "AVIF" if image_format is ImageFormat.AVIF else "HEIF"
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = encode(quarters((80, 40)), name, exif=exif.tobytes(), quality=95)
    result = render(source, format=ImageFormat.PNG)
    upright = ["RGBW", "GRWB", "BWRG", "WBGR", "RWBG", "WRGB", "BGRW", "GBWR"][orientation - 1]
    assert corners(result.image) == upright
    assert result.size == ((80, 40) if orientation < 5 else (40, 80))


def test_a_jpeg_within_a_jxl_comes_as_that_is_shown(render: Renderer, tmp_path: Path) -> None:
    assert render(jxl_samples.ROTATED, format=ImageFormat.PNG).size == (40, 60)
    inner = tmp_path / "inner.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    inner.write_bytes(encode(quarters((80, 40)), "JPEG", exif=exif.tobytes(), icc_profile=P3))
    with Image.open(inner) as picture:
        result = render(encode(picture, "JXL", lossless_jpeg=True), format=ImageFormat.PNG)
    assert (result.size, corners(result.image)) == ((40, 80), "WRGB")


@pytest.mark.parametrize("image_format", ImageFormat)
def test_a_picture_cut_short_is_unreadable(render: Renderer, tmp_path: Path, image_format: ImageFormat) -> None:
    path = tmp_path / "cut"
    content = make_picture(image_format, (200, 100))
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ContentUnreadable):
        render.run(path, Transformation(width=10, height=5, format=ImageFormat.PNG))


def test_a_whole_container_of_damaged_pixels_is_unreadable(render: Renderer) -> None:
    with pytest.raises(ContentUnreadable):
        render(make_png(100, 100, body=b"far too little"), width=10, height=10)


def test_what_is_no_picture_is_of_the_wrong_type(render: Renderer, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"text")
    with pytest.raises(WrongMediumType):
        render.run(path, Transformation(width=10, height=5, format=ImageFormat.PNG))


def test_a_bomb_is_refused_by_its_header(render: Renderer) -> None:
    with pytest.raises(ContentTooLarge, match="50000 pixels wide, and the limit is 8192"):
        render(make_png(50_000, 50_000), width=10, height=10)
    wide = Limits(max_width=60_000, max_height=60_000)
    with pytest.raises(ContentTooLarge, match="2500000000 pixels"):
        render(make_png(50_000, 50_000), width=10, height=10, limits=wide)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_width=59),
        Limits(max_height=39),
        Limits(max_pixels=2399),
        Limits(max_pages=2),
        Limits(max_pixels_per_page=2399),
    ],
)
def test_each_limit_of_the_source_counts(render: Renderer, limits: Limits) -> None:
    animation = make_picture(ImageFormat.GIF, (60, 40), pages=3)
    with pytest.raises(ContentTooLarge):
        render(animation, width=10, height=5, limits=limits)
    just = Limits(max_width=60, max_height=40, max_pixels=2400, max_pages=3, max_pixels_per_page=2400)
    assert render(animation, width=9, height=6, limits=just).size == (9, 6)
