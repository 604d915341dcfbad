"""BlurHash and ThumbHash are Konifer's to the digit or nearly, and can be drawn."""

from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Fit, Placeholder
from tests.images.rendering import RED, Renderer, encode
from tests.pictures import make_picture

BOTH = frozenset(Placeholder)
BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

# Of Konifer's own pictures, by libvips and the reference encoders.
VECTORS = {
    "joshua-tree.png": ("UHFO.F?G8^NL1moLrUXAafM|V?SjnMoI%1oz", "2xgKLIYKp5aEhopoh4aYgIgKiA=="),
    "joshua-tree.jpeg": ("UHFO.F?G8^NL1moLrUXAafM|V?SjnMoI%1oz", "2xgKLIYKp5aEhopoh4aYgIgKiA=="),
    "joshua-tree.webp": ("UHFO.F?G8^NL1moLrUXAafM|V?SjnMoI%1oz", None),
    "kermit.gif": ("U79Q]D%:xdDSMg$,ICWG8zVgR$thtQIU%fNF", None),
}


def components_of(blurhash: str) -> Sequence[int]:
    """The quantised parts: sizes, the largest one, the mean's red, green and blue, and 15 times three of 19 steps."""
    mean = number_of(blurhash[2:6])
    parts = [number_of(blurhash[at : at + 2]) for at in range(6, len(blurhash), 2)]
    steps = [step for part in parts for step in (part // 361, part // 19 % 19, part % 19)]
    return [number_of(blurhash[0]), number_of(blurhash[1]), mean >> 16, mean >> 8 & 255, mean & 255, *steps]


def number_of(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 83 + BASE83.index(digit)
    return number


def nibbles_of(thumbhash: str) -> Sequence[int]:
    return [nibble for byte in b64decode(thumbhash)[5:] for nibble in (byte & 15, byte >> 4)]


@pytest.mark.parametrize(("name", "expected"), VECTORS.items())
def test_placeholders_are_konifers_within_a_digit(
    engine: PillowEngine, images: Path, name: str, expected: tuple[str, str | None]
) -> None:
    found = engine.find_placeholders(images / name, BOTH)
    pairs = zip(components_of(str(found["blurhash"])), components_of(expected[0]), strict=True)
    assert all(abs(one - other) <= 1 for one, other in pairs)
    if expected[1]:
        nibbles = zip(nibbles_of(str(found["thumbhash"])), nibbles_of(expected[1]), strict=True)
        assert all(abs(one - other) <= 1 for one, other in nibbles)


@pytest.mark.parametrize("image_format", ImageFormat)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (3000, 2)])
def test_pictures_of_every_format_and_shape_have_placeholders(
    render: Renderer, engine: PillowEngine, image_format: ImageFormat, size: tuple[int, int]
) -> None:
    path = render.store(make_picture(image_format, size))
    found = engine.find_placeholders(path, BOTH)
    assert len(str(found["blurhash"])) == 36
    assert b64decode(str(found["thumbhash"]), validate=True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pictures_of_every_mode_have_placeholders(render: Renderer, engine: PillowEngine, mode: str) -> None:
    assert set(engine.find_placeholders(render.store(make_picture(ImageFormat.PNG, mode=mode)), BOTH)) == {
        "blurhash",
        "thumbhash",
    }


@pytest.mark.parametrize("kind", Placeholder)
def test_only_what_is_asked_for_is_computed(render: Renderer, kind: Placeholder) -> None:
    result = render(make_picture(ImageFormat.JPEG), width=24, height=16, placeholders=frozenset({kind}))
    assert list(result.lqip) == [kind.value]
    assert render(make_picture(ImageFormat.JPEG)).lqip == {}


def test_a_rendering_has_the_placeholders_of_its_result(render: Renderer, engine: PillowEngine) -> None:
    source = make_picture(ImageFormat.PNG, (90, 60))
    result = render(source, width=30, height=40, fit=Fit.FILL, padding=3, padding_color=(*RED, 255), placeholders=BOTH)
    assert result.lqip == engine.find_placeholders(render.store(result.content), BOTH)


def test_a_blurhash_is_drawn(engine: PillowEngine, tmp_path: Path) -> None:
    target = tmp_path / "blurhash.png"
    engine.draw_placeholder(Placeholder.BLURHASH, VECTORS["joshua-tree.png"][0], target)
    with Image.open(target) as picture:
        assert (picture.format, picture.size) == ("PNG", (32, 32))
        left, right = picture.resize((2, 1), Image.Resampling.BOX).tobytes()[::3]
        assert left != right


def test_a_thumbhash_is_drawn_in_its_proportions_and_colours(
    render: Renderer, engine: PillowEngine, tmp_path: Path
) -> None:
    source = render.store(encode(Image.new("RGB", (64, 32), RED)))
    text = str(engine.find_placeholders(source, BOTH)["thumbhash"])
    target = tmp_path / "thumbhash.png"
    engine.draw_placeholder(Placeholder.THUMBHASH, text, target)
    with Image.open(target) as picture:
        assert picture.size[0] == 32
        assert 14 <= picture.size[1] <= 18
        red, green, blue, alpha = picture.convert("RGBA").tobytes()[:4]
    assert red > 230
    assert max(green, blue) < 25
    assert alpha == 255


@pytest.mark.parametrize("kind", Placeholder)
@pytest.mark.parametrize("text", ["", "?", "not one at all, by far", "U" * 36, "é", "AAAA"])
def test_a_text_that_is_no_placeholder_draws_nothing(
    engine: PillowEngine, tmp_path: Path, kind: Placeholder, text: str
) -> None:
    target = tmp_path / "none.png"
    try:
        engine.draw_placeholder(kind, text, target)
    except ContentUnreadable:
        assert not target.exists()
    else:
        assert text in {"U" * 36, "AAAA"}
        target.unlink()
