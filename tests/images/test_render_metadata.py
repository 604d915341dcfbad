"""What goes with the pixels: kept by default, stripped by kind, and true of the result."""

from io import BytesIO
from typing import Any, Literal

import pytest
from PIL import Image

from konifer_fs.adapters.pillow.exif import drop_thumbnail, find_orientation, set_upright
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Metadata, Rotate
from tests.images.rendering import Renderer, encode
from tests.pictures import P3, make_chunk, make_picture, make_png

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
IPTC = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x08\x1c\x02\x78\x00\x03Sea\x00"
IPTC_SEGMENT = b"\xff\xed" + (len(IPTC) + 2).to_bytes(2, "big") + IPTC
ORIENTATION, CAMERA = 0x0112, 0x0110
HOLD_ALL = [ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF, ImageFormat.HEIC]


def make_exif(orientation: int = 6, *, thumbnail: bytes = b"") -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[CAMERA] = "A camera"
    block = exif.tobytes()
    if not thumbnail:
        return block
    # Link a second directory, of the thumbnail's place and length, behind the first.
    tiff = bytearray(block.removeprefix(b"Exif\0\0"))
    order = "little" if tiff[:2] == b"II" else "big"
    link = int.from_bytes(tiff[4:8], order) + 2 + 12 * 2  # type: ignore[arg-type]
    second, start = len(tiff), len(tiff) + 2 + 12 * 2 + 4
    tiff[link : link + 4] = second.to_bytes(4, order)  # type: ignore[arg-type]
    fields = ((0x0201, start), (0x0202, len(thumbnail)))
    entries = b"".join(
        tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) + value.to_bytes(4, order)  # type: ignore[arg-type]
        for tag, value in fields
    )
    return b"Exif\0\0" + tiff + (2).to_bytes(2, order) + entries + bytes(4) + thumbnail  # type: ignore[arg-type]


def make_jpeg(exif: bytes | None = None, *, xmp: bytes = XMP) -> bytes:
    picture = Image.open(BytesIO(make_picture(ImageFormat.JPEG)))
    return encode(picture, "JPEG", exif=exif or make_exif(), xmp=xmp, icc_profile=P3, extra=IPTC_SEGMENT)


def orientation_of(image: Image.Image) -> int:
    return find_orientation(image.info.get("exif", b""))


@pytest.mark.parametrize("target", HOLD_ALL)
def test_exif_xmp_and_profile_are_kept(render: Renderer, target: ImageFormat) -> None:
    result = render(make_jpeg(), width=24, height=16, format=target)
    assert result.image.getexif()[CAMERA] == "A camera"
    assert b"xmpmeta" in result.content
    assert result.image.info["icc_profile"] == P3


def test_iptc_is_kept_in_jpeg(render: Renderer) -> None:
    assert IPTC in render(make_jpeg(), width=24, height=16).content


def test_exif_is_kept_in_jpeg_xl(render: Renderer) -> None:
    assert render(make_jpeg(), format=ImageFormat.JPEG_XL).image.getexif()[CAMERA] == "A camera"


@pytest.mark.parametrize("target", HOLD_ALL)
@pytest.mark.parametrize("kind", list(Metadata))
def test_each_kind_is_stripped_alone(render: Renderer, kind: Metadata, target: ImageFormat) -> None:
    content = render(make_jpeg(), width=24, height=16, format=target, strip=frozenset({kind}))
    marks = {
        Metadata.EXIF: b"A camera",
        Metadata.XMP: b"xmpmeta",
        Metadata.IPTC: IPTC,
    }
    held = {name for name, mark in marks.items() if mark in content.content}
    held |= {Metadata.ICC} if content.image.info.get("icc_profile") else set()
    possible = set(Metadata) if target is ImageFormat.JPEG else set(Metadata) - {Metadata.IPTC}
    assert held == possible - {kind}


@pytest.mark.parametrize("target", [ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP])
def test_a_picture_that_is_not_turned_keeps_its_orientation(render: Renderer, target: ImageFormat) -> None:
    result = render(make_jpeg(), width=24, height=16, format=target)
    assert (result.size, orientation_of(result.image)) == ((24, 16), 6)


@pytest.mark.parametrize("target", [ImageFormat.AVIF, ImageFormat.HEIC, ImageFormat.JPEG_XL])
def test_formats_that_turn_by_themselves_show_it_as_the_orientation_says(render: Renderer, target: ImageFormat) -> None:
    result = render(make_jpeg(), width=24, height=16, format=target)
    assert (result.attributes.width, result.attributes.height) == (16, 24)


@pytest.mark.parametrize("target", ImageFormat)
@pytest.mark.parametrize("turn", [{"rotate": Rotate.NINETY}, {"horizontal_flip": True}])
def test_a_turned_picture_is_upright_in_every_format(
    render: Renderer, target: ImageFormat, turn: dict[str, Any]
) -> None:
    size = (32, 48) if "rotate" in turn else (48, 32)
    result = render(make_jpeg(), width=size[0], height=size[1], format=target, **turn)
    assert (result.attributes.width, result.attributes.height) == size
    assert result.image.size == size
    assert orientation_of(result.image) == 1
    assert b'tiff:Orientation="6"' not in result.content


def test_exif_after_a_pngs_picture_is_kept(render: Renderer) -> None:
    whole = make_png(8, 8, body=(b"\0" + bytes(24)) * 8)
    late = make_chunk(b"eXIf", make_exif().removeprefix(b"Exif\0\0"))
    source = whole[:-12] + late + whole[-12:]
    assert render._engine.orientation(render.store(source)) == 6
    assert orientation_of(render(source, width=4, height=4).image) == 6


def test_what_is_too_large_for_a_jpeg_is_left_out(render: Renderer) -> None:
    picture = Image.open(BytesIO(make_picture(ImageFormat.PNG)))
    source = encode(picture, "WEBP", exif=make_exif(), xmp=XMP + bytes(70_000))
    result = render(source, format=ImageFormat.JPEG)
    assert result.image.getexif()[CAMERA] == "A camera"
    assert b"xmpmeta" not in result.content


def test_the_thumbnail_within_exif_goes(render: Renderer) -> None:
    source = make_jpeg(make_exif(thumbnail=b"\xff\xd8 the picture as it was \xff\xd9"))
    result = render(source, width=24, height=16)
    assert b"as it was" in source
    assert b"as it was" not in result.content
    assert result.image.getexif()[CAMERA] == "A camera"


def test_comments_are_not_carried_over(render: Renderer) -> None:
    source = encode(Image.open(BytesIO(make_picture(ImageFormat.JPEG))), "JPEG", comment=b"a remark")
    assert b"a remark" not in render(source).content


@pytest.mark.parametrize("image_format", [ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_engine_reads_orientations(render: Renderer, image_format: ImageFormat, orientation: int) -> None:
    path = render.store(make_picture(image_format, orientation=orientation))
    assert render._engine.orientation(path) == orientation


@pytest.mark.parametrize("image_format", ImageFormat)
def test_pictures_without_orientation_are_upright(render: Renderer, image_format: ImageFormat) -> None:
    assert render._engine.orientation(render.store(make_picture(image_format))) == 1


@pytest.mark.parametrize("image_format", [ImageFormat.AVIF, ImageFormat.HEIC, ImageFormat.JPEG_XL])
def test_formats_that_turn_by_themselves_need_no_orientation(render: Renderer, image_format: ImageFormat) -> None:
    assert render._engine.orientation(render.store(make_picture(image_format, orientation=6))) == 1


@pytest.mark.parametrize("order", ["little", "big"])
def test_blocks_of_both_byte_orders_are_changed(order: Literal["little", "big"]) -> None:
    start = b"II*\0" if order == "little" else b"MM\0*"
    entry = b"".join(number.to_bytes(size, order) for number, size in ((0x0112, 2), (3, 2), (1, 4), (8, 2), (0, 2)))
    block = start + (8).to_bytes(4, order) + (1).to_bytes(2, order) + entry + bytes(4)
    assert find_orientation(block) == 8
    assert find_orientation(set_upright(block)) == 1
    assert drop_thumbnail(block) == block


@pytest.mark.parametrize("length", range(40))
def test_damaged_blocks_are_left_alone(length: int) -> None:
    block = make_exif(thumbnail=b"small")[:length]
    assert find_orientation(block) in {1, 6}
    assert drop_thumbnail(block) == block
    assert len(set_upright(block)) in {len(block), len(block.removeprefix(b"Exif\0\0")) + 6}
