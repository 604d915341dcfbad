"""What thumbnails are called, and what they tell of their picture."""

import io

import pytest
from PIL import Image

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.thumbnails import (
    PNG_HEAD_BYTES,
    file_uri,
    personal_texts,
    retold,
    shared_digests,
    shared_texts,
    thumbnail_name,
    thumbnail_request,
)
from konifer_fs.domain.variant import Attributes
from tests.pictures import make_picture

PNG = make_picture(ImageFormat.PNG)
NS = 1_795_761_583_592_626_658


def test_the_standards_own_example_has_its_name() -> None:
    assert thumbnail_name(file_uri("/home/jens/photos/me.png")) == "c6ee772d9e49320e97ec29a7eb5b1697.png"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("/a b", "file:///a%20b"),
        ("/é#?%", "file:///%C3%A9%23%3F%25"),
        ("/(a)!$&'*+,=:@~_-.", "file:///(a)!$&'*+,=:@~_-."),
        ('/[a]{b}|^`"<>\\;', "file:///%5Ba%5D%7Bb%7D%7C%5E%60%22%3C%3E%5C%3B"),
    ],
)
def test_a_uri_is_spelled_as_glib_does(path: str, uri: str) -> None:
    assert file_uri(path) == uri


def test_a_name_is_asked_for_in_three_ways_and_a_plain_one_in_two() -> None:
    assert [f"{digest}.png" for digest in shared_digests("a.jpg")] == [
        thumbnail_name("a.jpg"),
        thumbnail_name("./a.jpg"),
    ]
    assert [f"{digest}.png" for digest in shared_digests("a b")] == [
        thumbnail_name("a b"), thumbnail_name("a%20b"), thumbnail_name("./a%20b"),
    ]  # fmt: skip


def told(png: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert isinstance(image.info, dict)
        return {str(key): str(value) for key, value in image.info.items() if str(key).startswith("Thumb::")}


def test_the_texts_are_a_pngs_and_can_be_told_anew() -> None:
    shared = PNG[:PNG_HEAD_BYTES] + shared_texts("é.png", NS) + PNG[PNG_HEAD_BYTES:]
    assert told(shared) == {"Thumb::URI": "./%C3%A9.png", "Thumb::MTime": "1795761583.592626"}
    personal = retold(shared, personal_texts("file:///x/%C3%A9.png", NS))
    assert told(personal) == {"Thumb::URI": "file:///x/%C3%A9.png", "Thumb::MTime": "1795761583"}
    assert retold(personal, b"") == PNG


@pytest.mark.parametrize(
    ("ns", "text"), [(-1, "-0.000001"), (-5_500_000_000, "-5.500000"), (-6 * 10**9, "-6.000000"), (0, "0.000000")]
)
def test_times_before_1970_are_numbers_below_zero(ns: int, text: str) -> None:
    png = PNG[:PNG_HEAD_BYTES] + shared_texts("a", ns) + PNG[PNG_HEAD_BYTES:]
    assert told(png)["Thumb::MTime"] == text


@pytest.mark.parametrize(("size", "box"), [(128, 128), (256, 256), (512, None)])
def test_a_thumbnail_is_never_larger_than_its_picture(size: int, box: int | None) -> None:
    original = Attributes(format=ImageFormat.JPEG, width=300, height=200, page_count=1, loop=0, color_space="srgb")
    request = thumbnail_request(size, original)
    assert (request.width, request.height, request.format) == (box, box, ImageFormat.PNG)
