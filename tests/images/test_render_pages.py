"""Animations stay animations: every step is done to each page, and they play as before."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Filter, Fit, Gravity, Rotate
from tests.images.rendering import BLUE, GREEN, RED, WHITE, Renderer, Result, corners, encode, quarters

PAGED = [ImageFormat.GIF, ImageFormat.WEBP]
DURATIONS = [50, 200, 120, 80]
SOLID: Any = {"lossless": True}


def make_animation(
    image_format: ImageFormat, *, size: tuple[int, int] = (80, 40), loop: int | None = 0, mode: str = "RGB"
) -> bytes:
    """Four pages, each the quarters and a bar of another length below them, so that no two are alike."""
    pages = []
    for number in range(4):
        page = quarters(size).convert(mode)
        page.paste((0, 0, 0, 255)[: len(mode)], (0, size[1] // 2 - 2, size[0] * (number + 1) // 5, size[1] // 2 + 2))
        pages.append(page)
    options: dict[str, Any] = {} if loop is None else {"loop": loop}
    if image_format is ImageFormat.WEBP:
        options |= SOLID
    return encode(pages[0], image_format.name, save_all=True, append_images=pages[1:], duration=DURATIONS, **options)


def pages_of(result: Result) -> list[Image.Image]:
    return [page.convert("RGBA") for page in ImageSequence.Iterator(result.image)]


def durations_of(result: Result) -> list[int]:
    durations = []
    for page in ImageSequence.Iterator(result.image):
        page.load()
        durations.append(page.info["duration"])
    return durations


@pytest.mark.parametrize("target", PAGED)
@pytest.mark.parametrize("source", PAGED)
@pytest.mark.parametrize(
    ("wanted", "size", "names"),
    [
        ({}, (80, 40), "RGBW"),
        ({"width": 40, "height": 20}, (40, 20), "RGBW"),
        ({"width": 40, "height": 40}, (40, 20), "RGBW"),
        ({"width": 40, "height": 40, "fit": Fit.STRETCH}, (40, 40), "RGBW"),
        ({"width": 30, "height": 30, "fit": Fit.FILL}, (30, 30), "RGBW"),
        ({"width": 60, "height": 30, "fit": Fit.CROP}, (60, 30), "RGBW"),
        ({"width": 30, "height": 30, "fit": Fit.CROP, "gravity": Gravity.ATTENTION}, (30, 30), None),
        ({"width": 40, "height": 80, "rotate": Rotate.NINETY}, (40, 80), "WRGB"),
        ({"rotate": Rotate.ONE_HUNDRED_EIGHTY}, (80, 40), "BWRG"),
        ({"width": 20, "height": 40, "rotate": Rotate.TWO_HUNDRED_SEVENTY}, (20, 40), "GBWR"),
        ({"horizontal_flip": True}, (80, 40), "GRWB"),
        ({"padding": 5, "padding_color": (*RED, 255)}, (90, 50), "RRRR"),
        ({"filter": Filter.GRAYSCALE, "blur": 2}, (80, 40), None),
    ],
)
def test_each_page_is_done_by_itself(
    render: Renderer,
    source: ImageFormat,
    target: ImageFormat,
    wanted: dict[str, Any],
    size: tuple[int, int],
    names: str | None,
) -> None:
    result = render(make_animation(source), format=target, quality=90, **wanted)
    found = result.attributes
    assert (found.width, found.height, found.page_count) == (*size, 4)
    assert durations_of(result) == DURATIONS
    for page in pages_of(result):
        assert page.size == size
        assert names is None or corners(page) == names


@pytest.mark.parametrize("target", PAGED)
@pytest.mark.parametrize("source", PAGED)
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_an_animation_plays_as_often_as_before(
    render: Renderer, source: ImageFormat, target: ImageFormat, plays: int
) -> None:
    loop = {0: 0, 1: None, 3: 2}[plays] if source is ImageFormat.GIF else plays
    assert render(make_animation(source, loop=loop), format=target).attributes.loop == plays


@pytest.mark.parametrize("target", [image_format for image_format in ImageFormat if not image_format.is_paged])
@pytest.mark.parametrize("source", PAGED)
def test_formats_without_pages_get_the_first(render: Renderer, source: ImageFormat, target: ImageFormat) -> None:
    result = render(make_animation(source), format=target, quality=90)
    assert (result.attributes.page_count, result.size, corners(result.image)) == (1, (80, 40), "RGBW")


@pytest.mark.parametrize("target", PAGED)
@pytest.mark.parametrize("source", PAGED)
def test_pages_do_not_show_through_one_another(render: Renderer, source: ImageFormat, target: ImageFormat) -> None:
    pages = []
    for number in range(3):
        page = Image.new("RGBA", (30, 10), (0, 0, 0, 0))
        page.paste((*(RED, GREEN, BLUE)[number], 255), (10 * number, 0, 10 * number + 10, 10))
        pages.append(page)
    options: dict[str, Any] = {**SOLID, "kmax": 1} if source is ImageFormat.WEBP else {"disposal": 2}
    made = encode(pages[0], source.name, save_all=True, append_images=pages[1:], duration=100, **options)
    result = render(made, format=target, quality=100)
    shown = [[page.getpixel((x, 5))[3] for x in (5, 15, 25)] for page in pages_of(result)]  # type: ignore[index]
    assert shown == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_a_still_gif_becomes_a_still_webp(render: Renderer) -> None:
    result = render(encode(quarters(), "GIF"), format=ImageFormat.WEBP)
    assert (result.attributes.page_count, result.attributes.loop) == (1, 0)


def test_a_gif_in_its_own_colours_stays_as_it_is(render: Renderer) -> None:
    source = make_animation(ImageFormat.GIF)
    result = render(source)
    with Image.open(render.store(source)) as original:
        before = [page.convert("RGB").tobytes() for page in ImageSequence.Iterator(original)]
    assert [page.convert("RGB").tobytes() for page in pages_of(result)] == before


@pytest.mark.parametrize("target", PAGED)
@pytest.mark.parametrize("name", ["kermit.gif", "kermit.webp"])
def test_a_real_animation_is_shrunk_page_by_page(
    render: Renderer, images: Path, name: str, target: ImageFormat
) -> None:
    result = render(images / name, width=100, height=100, fit=Fit.FILL, format=target)
    found = result.attributes
    assert (found.width, found.height, found.page_count, found.loop) == (100, 100, 19, 0)
    assert durations_of(result) == [30] * 19


def test_a_screen_that_only_tells_the_encoders_does_not_count(render: Renderer) -> None:
    picture = bytearray(encode(quarters(), "GIF"))
    picture[6:10] = (640).to_bytes(2, "little") + (480).to_bytes(2, "little")
    result = render(bytes(picture), format=ImageFormat.PNG)
    assert (result.size, corners(result.image)) == ((40, 20), "RGBW")
    assert WHITE in {color for _, color in result.image.convert("RGB").getcolors() or ()}
