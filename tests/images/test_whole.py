"""A container is whole or it is not: cut anywhere it is not, and bytes after its end change nothing."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.adapters.pillow.probe import read_attributes
from konifer_fs.domain.errors import KoniferFsError, NotWhole, WrongMediumType
from konifer_fs.domain.formats import ImageFormat
from tests.images.heif import box, ispe, make_heif
from tests.images.samples import NAMES, load_sample
from tests.pictures import make_chunk, make_picture, make_png

Store = Callable[[bytes], Path]

GARBAGE = (b"\n", b"\0", b"\xff\xd9", b"bytes after the end", bytes(100), random.Random(0).randbytes(1000))


def cuts_of(content: bytes) -> list[int]:
    """Every length of a short file; of a longer one 200 at random, and the last 1, 2, ... 8 bytes gone."""
    size = len(content)
    if size < 600:
        return list(range(1, size))
    return [*random.Random(size).sample(range(1, size), 200), *range(1, 40), *range(size - 8, size)]


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_picture_is_never_whole(name: str) -> None:
    content = load_sample(name)
    read_attributes(content)
    for size in cuts_of(content):
        with pytest.raises((NotWhole, WrongMediumType)):
            read_attributes(content[:size])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: f"{len(garbage)} bytes")
def test_bytes_after_the_end_are_kept_and_not_judged(name: str, garbage: bytes) -> None:
    content = load_sample(name)
    assert read_attributes(content + garbage) == read_attributes(content)


@pytest.mark.parametrize("image_format", ImageFormat)
def test_a_picture_cut_after_its_signature_is_incomplete_and_no_wrong_medium(image_format: ImageFormat) -> None:
    content = make_picture(image_format)
    with pytest.raises(NotWhole):
        read_attributes(content[: len(content) // 2])
    with pytest.raises(NotWhole):
        read_attributes(content[:6])


@pytest.mark.parametrize("image_format", ImageFormat)
def test_the_engine_tells_whole_from_cut(engine: PillowEngine, stored: Store, image_format: ImageFormat) -> None:
    content = make_picture(image_format, (30, 20))
    found = engine.probe(stored(content))
    assert (found.format, found.width, found.height) == (image_format, 30, 20)
    with pytest.raises(NotWhole, match="not complete: "):
        engine.probe(stored(content[:-1]))


@pytest.mark.parametrize(
    "name",
    ["small.jpg", "small.png", "small.webp", "small.avif", "small.jxl", "small.heic", "small.gif", "kermit.webp"],
)
def test_a_real_picture_that_is_cut_is_never_whole(images: Path, name: str) -> None:
    content = (images / name).read_bytes()
    for size in cuts_of(content):
        with pytest.raises((NotWhole, WrongMediumType)):
            read_attributes(content[:size])


@pytest.mark.parametrize(
    "content",
    [
        make_png(0, 10),
        make_png(10, 0),
        make_png(2**31, 10),
        make_png(10, 10, depth=3),
        make_png(10, 10, depth=16, kind=3),
        make_png(10, 10, kind=5),
        make_png(10, 10).replace(b"\0\0\0\x0a\0\0\0\x0a", b"\0\0\0\x0b\0\0\0\x0a"),
        make_png(10, 10)[:33] + make_chunk(b"IEND", b""),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x0a\x00\x0a\x01\x01\x11\x00\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x0a\x01\x01\x11\x00\xff\xda\x00\x03\x00\x01\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x01\x08\xff\xd9",
        b"GIF89a\x05\0\x05\0\0\0\0;",
        b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0\2\0;",
        b"GIF89a\x05\0\x05\0\0\0\0\x99;",
        b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0",
        b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0\x10\0\0\x9d\x01\x2a\0\0\0\0",
        make_heif([ispe(0, 10)]),
        make_heif([]),
        b"\xff\x0a" + bytes(200),
    ],
)
def test_a_header_that_makes_no_sense_is_not_whole(content: bytes) -> None:
    with pytest.raises(NotWhole):
        read_attributes(content)


def test_a_huge_picture_is_read_without_its_pixels(engine: PillowEngine, stored: Store) -> None:
    found = engine.probe(stored(make_png(50_000, 50_000, body=bytes(1_000_000))))
    assert (found.width, found.height) == (50_000, 50_000)


def test_a_file_larger_than_a_workers_memory_is_read(engine: PillowEngine, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    size = 400 << 20
    with path.open("wb") as file:
        file.write(make_png(10, 10)[:33] + size.to_bytes(4, "big") + b"IDAT")
        file.seek(size + 4, 1)
        file.write(make_chunk(b"IEND", b""))
    assert engine.probe(path).width == 10


class TestHeif:
    def test_items_may_lie_within_the_meta_box(self) -> None:
        assert read_attributes(make_heif([ispe(10, 20)], held=b"held")).height == 20

    @pytest.mark.parametrize("extent", [(0, 5), (5, 0), (3, 2), (2**32 - 1, 4)])
    def test_an_item_beyond_the_meta_boxs_data_is_missing(self, extent: tuple[int, int]) -> None:
        with pytest.raises(NotWhole):
            read_attributes(make_heif([ispe(10, 20)], held=b"held", extent=extent))

    def test_an_item_beyond_the_end_is_missing(self) -> None:
        with pytest.raises(NotWhole):
            read_attributes(make_heif([ispe(10, 20)], extent=(100, 10_000)))

    def test_a_box_of_another_kind_may_follow(self) -> None:
        assert read_attributes(make_heif([ispe(10, 20)], after=box(b"mpvd", bytes(100)))).width == 10

    @pytest.mark.parametrize("size", range(1, 30))
    def test_a_cut_box_after_the_pixels_is_noticed_once_it_can_be(self, size: int) -> None:
        content = make_heif([ispe(10, 20)], after=box(b"free", bytes(100))[:size])
        if size > 3:
            with pytest.raises(NotWhole):
                read_attributes(content)
        else:
            assert read_attributes(content).width == 10

    def test_a_sequence_without_a_still_picture_is_of_the_wrong_type(self) -> None:
        with pytest.raises(WrongMediumType):
            read_attributes(box(b"ftyp", b"hevc", bytes(4), b"heic") + box(b"moov", bytes(50)))


def test_what_no_one_can_read_is_a_declared_error(stored: Store, engine: PillowEngine, tmp_path: Path) -> None:
    for gone in (tmp_path / "never was", tmp_path):
        with pytest.raises(KoniferFsError, match="cannot be read"):
            engine.probe(gone)
