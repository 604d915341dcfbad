"""What is none of the seven formats is told apart by its bytes alone, as early as it can be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.adapters.pillow.probe import read_attributes
from konifer_fs.domain.errors import NotWhole, WrongMediumType
from konifer_fs.domain.formats import ImageFormat, can_begin_image, detect_format
from tests.pictures import make_picture

STRANGERS = {
    "text": b"Dear diary,\n",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "html": b"<!DOCTYPE html><title>Not found</title>",
    "tiff": b"II*\0\x08\0\0\0" + bytes(40),
    "big-endian tiff": b"MM\0*\0\0\0\x08" + bytes(40),
    "bmp": b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0" + bytes(60),
    "pdf": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(60),
    "quicktime": b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(60),
    "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(60),
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
    "png with lines translated": b"\x89PNG\n\x1a\n" + bytes(60),
    "ico": b"\0\0\1\0\1\0" + bytes(60),
}


@pytest.mark.parametrize("content", [*STRANGERS.values(), b""], ids=[*STRANGERS, "nothing"])
def test_what_is_no_image_is_of_the_wrong_type(
    engine: PillowEngine, stored: Callable[[bytes], Path], content: bytes
) -> None:
    with pytest.raises(WrongMediumType):
        engine.probe(stored(content))


@pytest.mark.parametrize("content", STRANGERS.values(), ids=STRANGERS)
def test_what_is_no_image_is_refused_at_its_first_write(content: bytes) -> None:
    assert not can_begin_image(content)
    assert not can_begin_image(content[:12])


@pytest.mark.parametrize("image_format", ImageFormat)
def test_every_image_may_be_written_in_pieces_of_any_size(image_format: ImageFormat) -> None:
    content = make_picture(image_format)
    assert all(can_begin_image(content[:size]) for size in range(100))
    assert detect_format(content[:64]) is image_format


def test_a_header_that_is_written_last_is_no_wrong_type_before() -> None:
    for size in (1, 4, 4096):
        assert can_begin_image(bytes(size))
    assert can_begin_image(bytes(30) + b"pixels")
    with pytest.raises(NotWhole):
        read_attributes(bytes(30) + b"pixels" * 100)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", ImageFormat.HEIC),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", ImageFormat.AVIF),
        (b"\0\0\0\x18ftypavis\0\0\0\0avismsf1", ImageFormat.AVIF),
        (b"\0\0\0\x14ftypheix\0\0\0\0mif1", ImageFormat.HEIC),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1" + b"heicheic", None),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42heic", None),
        (b"\0\0\0\x0cJXL \r\n\x87\n", ImageFormat.JPEG_XL),
        (b"\xff\x0a", ImageFormat.JPEG_XL),
        (b"GIF87a", ImageFormat.GIF),
    ],
)
def test_brands_tell_avif_from_heic(head: bytes, found: ImageFormat | None) -> None:
    assert detect_format(head) is found


def test_konifers_spellings_are_exact() -> None:
    assert {f.value: (f.content_type, f.extension) for f in ImageFormat} == {
        "jpg": ("image/jpeg", ".jpeg"),
        "png": ("image/png", ".png"),
        "webp": ("image/webp", ".webp"),
        "avif": ("image/avif", ".avif"),
        "jxl": ("image/jxl", ".jxl"),
        "heic": ("image/heic", ".heic"),
        "gif": ("image/gif", ".gif"),
    }
