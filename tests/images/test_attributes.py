"""What is read of a whole picture is what Konifer, that is libvips, would say of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from konifer_fs.adapters.pillow.probe import read_attributes
from konifer_fs.domain.formats import ImageFormat
from tests import pictures
from tests.images import jxl_samples
from tests.images.heif import clap, colr, irot, ispe, make_heif
from tests.images.samples import load_sample
from tests.pictures import make_chunk, make_picture, make_png, make_profile

ALL_BUT_GIF = [image_format for image_format in ImageFormat if image_format is not ImageFormat.GIF]


def size_of(content: bytes) -> tuple[int, int]:
    found = read_attributes(content)
    return found.width, found.height


def color_space_of(content: bytes) -> str:
    return read_attributes(content).color_space


@pytest.mark.parametrize("image_format", ImageFormat)
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (7, 300), (300, 7), (257, 256), (1000, 600)])
def test_sizes_are_the_pictures(image_format: ImageFormat, size: tuple[int, int]) -> None:
    found = read_attributes(make_picture(image_format, size))
    assert (found.format, found.width, found.height, found.page_count) == (image_format, *size, 1)


@pytest.mark.parametrize(
    ("name", "size"),
    [(f"joshua-tree.{end}", (1280, 642)) for end in ("jpeg", "png", "webp", "avif", "jxl", "heic", "gif")]
    + [(f"small.{end}", (226, 300)) for end in ("jpg", "png", "webp", "avif", "jxl", "heic", "gif")],
)
def test_real_pictures_are_read(images: Path, name: str, size: tuple[int, int]) -> None:
    found = read_attributes((images / name).read_bytes())
    assert (found.width, found.height, found.page_count, found.color_space) == (*size, 1, "srgb")


@pytest.mark.parametrize("name", ["kermit.gif", "kermit.webp"])
def test_real_animations_are_counted_by_page(images: Path, name: str) -> None:
    found = read_attributes((images / name).read_bytes())
    assert (found.width, found.height, found.page_count, found.loop) == (500, 280, 19, 0)


@pytest.mark.parametrize("image_format", [ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_orientation_does_not_turn_the_size(image_format: ImageFormat, orientation: int) -> None:
    assert size_of(make_picture(image_format, (30, 20), orientation=orientation)) == (30, 20)


def test_the_formats_own_rotation_turns_the_size() -> None:
    assert size_of(make_picture(ImageFormat.AVIF, (30, 20), orientation=6)) == (20, 30)
    assert size_of(make_heif([ispe(30, 20), irot(1)])) == (20, 30)
    assert size_of(make_heif([ispe(30, 20), irot(2)])) == (30, 20)
    assert size_of(make_heif([ispe(300, 200), clap(200, 100), irot(3)])) == (100, 200)
    assert size_of(jxl_samples.ROTATED) == (40, 60)


@pytest.mark.parametrize("image_format", [ImageFormat.GIF, ImageFormat.WEBP])
@pytest.mark.parametrize("pages", [2, 5])
def test_pages_of_animations_are_counted(image_format: ImageFormat, pages: int) -> None:
    assert read_attributes(make_picture(image_format, (30, 20), pages=pages)).page_count == pages


@pytest.mark.parametrize("image_format", [f for f in ImageFormat if not f.is_paged])
def test_formats_without_pages_have_one_and_no_loop(image_format: ImageFormat) -> None:
    found = read_attributes(make_picture(image_format))
    assert (found.page_count, found.loop) == (1, None)


def test_animations_of_formats_without_pages_have_one() -> None:
    assert read_attributes(load_sample("avif animated")).page_count == 1
    assert read_attributes(jxl_samples.ANIMATED).page_count == 1


@pytest.mark.parametrize(("asked", "loop"), [(None, 1), (0, 0), (1, 2), (3, 4)])
def test_the_loop_of_a_gif_is_how_often_it_plays(asked: int | None, loop: int) -> None:
    options: dict[str, Any] = {} if asked is None else {"loop": asked}
    assert read_attributes(make_picture(ImageFormat.GIF, pages=2, **options)).loop == loop


@pytest.mark.parametrize("loop", [0, 1, 3])
def test_the_loop_of_a_webp_is_its_own(loop: int) -> None:
    assert read_attributes(make_picture(ImageFormat.WEBP, pages=2, loop=loop)).loop == loop


def test_the_loop_of_a_still_webp_is_0() -> None:
    assert read_attributes(make_picture(ImageFormat.WEBP)).loop == 0


def make_gif(screen: tuple[int, int], frames: Sequence[tuple[int, int, int, int]]) -> bytes:
    def short(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(2, "little") for number in numbers)

    pages = (b"," + short(*frame) + b"\0\x02\x02\x4c\x01\0" for frame in frames)
    return b"GIF89a" + short(*screen) + b"\x80\0\0\0\0\0\xff\xff\xff" + b"".join(pages) + b";"


@pytest.mark.parametrize(
    ("screen", "frames", "size"),
    [
        ((20, 10), [(0, 0, 20, 10)], (20, 10)),
        ((2000, 2000), [(0, 0, 2, 2)], (2000, 2000)),
        ((5, 5), [(3, 3, 20, 10)], (23, 13)),
        ((20, 10), [(0, 0, 20, 10), (5, 5, 30, 40)], (20, 10)),
        ((0, 0), [(2, 2, 5, 5)], (7, 7)),
        ((640, 480), [(0, 0, 20, 10), (0, 0, 640, 480)], (20, 10)),
        ((640, 480), [(0, 0, 640, 480)], (640, 480)),
        ((2049, 10), [(0, 0, 20, 10)], (20, 10)),
    ],
)
def test_a_gifs_screen_is_judged_as_libvips_does(
    screen: tuple[int, int], frames: list[tuple[int, int, int, int]], size: tuple[int, int]
) -> None:
    found = read_attributes(make_gif(screen, frames))
    assert (found.width, found.height, found.page_count) == (*size, len(frames))


@pytest.mark.parametrize("image_format", ALL_BUT_GIF)
def test_color_is_srgb_without_a_profile(image_format: ImageFormat) -> None:
    assert color_space_of(make_picture(image_format)) == "srgb"
    assert color_space_of(make_picture(ImageFormat.GIF)) == "srgb"


@pytest.mark.parametrize(
    ("image_format", "mode", "word"),
    [
        (ImageFormat.JPEG, "L", "grayscale"),
        (ImageFormat.JPEG, "CMYK", "cymk"),
        (ImageFormat.PNG, "L", "grayscale"),
        (ImageFormat.PNG, "LA", "grayscale"),
        (ImageFormat.PNG, "1", "grayscale"),
        (ImageFormat.PNG, "P", "srgb"),
        (ImageFormat.PNG, "RGBA", "srgb"),
        (ImageFormat.PNG, "I;16", "unknown"),
        (ImageFormat.GIF, "L", "srgb"),
        (ImageFormat.WEBP, "L", "srgb"),
        (ImageFormat.AVIF, "L", "srgb"),
        (ImageFormat.JPEG_XL, "L", "grayscale"),
        (ImageFormat.JPEG_XL, "LA", "grayscale"),
        (ImageFormat.JPEG_XL, "RGBA", "srgb"),
    ],
)
def test_color_without_a_profile_goes_by_the_samples(image_format: ImageFormat, mode: str, word: str) -> None:
    assert color_space_of(make_picture(image_format, mode=mode)) == word


def test_16_bits_of_rgb_are_not_srgb() -> None:
    assert color_space_of(make_png(10, 10, depth=16, kind=2)) == "unknown"


PROFILED = [ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF, ImageFormat.HEIC]


@pytest.mark.parametrize("image_format", PROFILED)
@pytest.mark.parametrize(
    ("profile", "word"),
    [
        (pictures.P3, "p3"),
        (pictures.ADOBE_RGB, "adobe_rgb"),
        (pictures.SRGB, "srgb"),
        (pictures.PROPHOTO, "prophoto rgb"),
        (make_profile("  Wide Gamut ", (0.7, 0.3, 0.0), (0.1, 0.6, 0.1), is_version_4=True), "wide gamut"),
        (make_profile("Über " * 20, (0.7, 0.3, 0.0), (0.1, 0.6, 0.1), is_version_4=True), ("über " * 10).strip()),
        (make_profile("P3 in name only", (0.505, 0.3, 0.0), (0.303, 0.6, 0.1)), "p3 in name only"),
        (make_profile("Nearly P3", (0.507, 0.3, 0.0), (0.284, 0.6, 0.1)), "p3"),
        (make_profile("\0\n", (0.7, 0.3, 0.0), (0.1, 0.6, 0.1)), "unknown"),
    ],
)
def test_color_goes_by_the_profile(image_format: ImageFormat, profile: bytes, word: str) -> None:
    assert color_space_of(make_picture(image_format, profile=profile)) == word


def test_a_grey_profile_is_grayscale() -> None:
    assert color_space_of(make_picture(ImageFormat.JPEG, mode="L", profile=pictures.GREY)) == "grayscale"


def test_a_cmyk_profile_is_cymk() -> None:
    assert color_space_of(make_picture(ImageFormat.JPEG, mode="CMYK", profile=pictures.CMYK)) == "cymk"


def test_a_large_profile_is_put_together_from_its_segments() -> None:
    profile = pictures.P3 + bytes(200_000)
    assert color_space_of(make_picture(ImageFormat.JPEG, profile=profile)) == "p3"


@pytest.mark.parametrize("chunk", [b"name\0\0not deflated", b"name", b"", b"\0" * 400])
def test_a_damaged_profile_is_unknown(chunk: bytes) -> None:
    assert color_space_of(make_png(10, 10, chunks=[make_chunk(b"iCCP", chunk)])) == "unknown"
    assert color_space_of(make_heif([ispe(10, 10), colr(chunk)])) == "unknown"


def test_a_grid_without_a_profile_has_its_first_tiles() -> None:
    tile = [ispe(10, 10), colr(pictures.P3)]
    assert color_space_of(make_heif([ispe(20, 10)], tile_properties=tile)) == "p3"
    assert color_space_of(make_heif([ispe(20, 10), colr(pictures.SRGB)], tile_properties=tile)) == "srgb"


@pytest.mark.parametrize("profile", [pictures.P3, pictures.ADOBE_RGB, pictures.PROPHOTO, pictures.SRGB, pictures.GREY])
def test_a_profile_within_a_jxl_codestream_is_decoded(tmp_path: Path, profile: bytes) -> None:
    mode = "L" if profile is pictures.GREY else "RGB"
    source, transcoded = tmp_path / "source.jpg", tmp_path / "transcoded.jxl"
    source.write_bytes(make_picture(ImageFormat.JPEG, (100, 80), mode=mode, profile=profile))
    make_picture(ImageFormat.JPEG_XL)
    with Image.open(source) as picture:
        picture.save(transcoded, "JXL", lossless_jpeg=True, num_threads=0)
    with Image.open(transcoded) as picture:
        assert picture.info["icc_profile"] == profile
    found = read_attributes(transcoded.read_bytes())
    assert (found.width, found.height) == (100, 80)
    assert found.color_space == color_space_of(source.read_bytes())


@pytest.mark.parametrize(
    "content",
    [
        jxl_samples.CENTRE_FIRST,
        jxl_samples.MODULAR_CENTRE_FIRST,
        jxl_samples.LOW_FREQUENCY_FRAME,
        jxl_samples.UPSAMPLED,
    ],
)
def test_jxl_frames_of_all_kinds_are_walked(content: bytes) -> None:
    assert size_of(content) == (600, 400)
