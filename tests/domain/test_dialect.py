"""Konifer's dialects: the contract's worked examples, and that what one writes is read as what it was."""

from typing import Any, Final

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from konifer_fs.domain.dialect import Dialect, has_names, read_attributes, read_transformation
from konifer_fs.domain.errors import ExpressionMalformed
from konifer_fs.domain.expression import parse_expression
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.normalise import normalised
from konifer_fs.domain.parameters import parse_parameters
from konifer_fs.domain.spelling import spell
from konifer_fs.domain.transformation import Request, Transformation, transformation_from_json
from konifer_fs.domain.variant import Attributes
from tests.domain.requests import calm, orientations, originals, requests
from tests.mount import dialect as oracle

PNG: Final = Attributes(format=ImageFormat.PNG, width=1280, height=642)
WHOLE: Final = {"width": 1280, "height": 642, "format": "PNG"}
EXAMPLES: Final[list[tuple[str, dict[str, Any]]]] = [
    ("w=200", {"width": 200, "height": 100, "format": "PNG"}),
    ("h=100", {"width": 199, "height": 100, "format": "PNG"}),
    ("w=640 format=jpg", {"width": 640, "height": 321, "format": "JPEG"}),
    ("w=300 h=300", {"width": 300, "height": 300, "format": "PNG"}),
    (
        "w=300 h=300 fit=fill g=attention",
        {"width": 300, "height": 300, "format": "PNG", "fit": "FILL", "gravity": "ATTENTION"},
    ),
    ("r=270 f=v", {**WHOLE, "rotate": "NINETY", "horizontalFlip": True}),
    ("f=v", {**WHOLE, "rotate": "ONE_HUNDRED_EIGHTY", "horizontalFlip": True}),
    ("r=180 f=h", {**WHOLE, "rotate": "ONE_HUNDRED_EIGHTY", "horizontalFlip": True}),
    ("pad=20 pad-c=#FF0000", {**WHOLE, "padding": {"amount": 20, "color": [255, 0, 0, 255]}}),
    ("pad=10 format=jpg", {**WHOLE, "format": "JPEG", "padding": {"amount": 10, "color": [255, 255, 255, 255]}}),
    ("q=40", WHOLE),
    ("q=80 format=webp", {**WHOLE, "format": "WEBP"}),
    ("q=60 format=webp", {**WHOLE, "format": "WEBP", "quality": 60}),
    ("blur=0", WHOLE),
    ("w=1280 h=642", WHOLE),
    (
        "filter=grayscale blur=5 w=100 format=avif",
        {"width": 100, "height": 50, "format": "AVIF", "filter": "GREYSCALE", "blur": 5},
    ),
    ("g=entropy", {**WHOLE, "gravity": "ENTROPY"}),
    ("w=2000", {"width": 2000, "height": 1003, "format": "PNG"}),
    ("r=90 w=200", {"width": 200, "height": 100, "format": "PNG", "rotate": "NINETY"}),
    (
        "w=100 h=100 fit=stretch r=90 q=30 format=jxl",
        {"width": 100, "height": 100, "format": "JPEG_XL", "fit": "STRETCH", "rotate": "NINETY", "quality": 30},
    ),
    ("q=100 format=avif", {**WHOLE, "format": "AVIF", "quality": 100}),
]
dialects = st.sampled_from(Dialect)


def request(text: str) -> Request:
    return parse_parameters(dict(item.split("=", 1) for item in text.split()))


@pytest.mark.parametrize(("asked", "stored"), EXAMPLES, ids=[asked for asked, _ in EXAMPLES])
def test_the_first_konifer_would_find_what_was_stored_for_a_request(asked: str, stored: dict[str, Any]) -> None:
    wanted = normalised(request(asked), PNG, dialect=Dialect.A)
    assert Dialect.A.spell_transformation(wanted.to_json()) == stored
    assert transformation_from_json(read_transformation(stored)) == wanted


@pytest.mark.parametrize(
    ("dialect", "asked", "stored"),
    [
        (Dialect.B, "strip=xmp,exif", {**WHOLE, "metadata": {"strip": ["EXIF", "XMP"]}, "colorSpace": "unknown"}),
        (Dialect.B, "cs=p3 w=200 r=90", {**WHOLE, "width": 200, "height": 100, "rotate": "NINETY", "colorSpace": "p3"}),
        (Dialect.B, "cs=grayscale filter=grayscale", {**WHOLE, "filter": "GRAYSCALE", "colorSpace": "grayscale"}),
        (Dialect.C, "cs=srgb w=200 r=90", {"width": 200, "height": 399, "format": "png", "rotate": "90"}),
        (Dialect.C, "q=100 format=avif cs=srgb", {"width": 1280, "height": 642, "format": "avif", "quality": 99}),
    ],
)  # fmt: skip
def test_later_ones_have_rules_of_their_own(dialect: Dialect, asked: str, stored: dict[str, Any]) -> None:
    assert dialect.spell_transformation(normalised(request(asked), PNG, dialect=dialect).to_json()) == stored


@pytest.mark.parametrize(
    ("dialect", "asked"),
    [(Dialect.A, "strip=exif"), (Dialect.A, "cs=p3"), (Dialect.A, "cs=grayscale"), (Dialect.B, "strip=icc")],
)
def test_what_a_konifer_does_not_know_is_not_stored_in_its_database(dialect: Dialect, asked: str) -> None:
    with pytest.raises(ExpressionMalformed, match="does not know"):
        normalised(request(asked), PNG, dialect=dialect)


def canonical(asked: Request, original: Attributes, orientation: int, dialect: Dialect) -> Transformation:
    """Give what a request comes to; one that comes to nothing is no example."""
    try:
        return normalised(asked, original, orientation, dialect)
    except ExpressionMalformed:
        reject()


@calm
@given(requests, originals, orientations, dialects)
def test_what_is_stored_is_decodable_and_read_as_what_it_was(
    asked: Request, original: Attributes, orientation: int, dialect: Dialect
) -> None:
    wanted = canonical(asked, original, orientation, dialect)
    stored = dialect.spell_transformation(wanted.to_json())
    oracle.read_transformation(stored, dialect.name)
    assert has_names(stored) is (dialect is not Dialect.C)
    assert transformation_from_json(read_transformation(stored)) == wanted


@calm
@given(requests, originals, orientations, dialects)
def test_the_name_of_a_variant_asks_for_it(
    asked: Request, original: Attributes, orientation: int, dialect: Dialect
) -> None:
    wanted = canonical(asked, original, orientation, dialect)
    name = spell(wanted, original, {}, orientation, dialect)
    assume(name is not None)
    read = parse_expression(str(name), {}).request
    assert normalised(read, original, orientation, dialect) == wanted


@calm
@given(originals, dialects, st.integers(1, 30))
def test_attributes_are_read_as_what_they_were(original: Attributes, dialect: Dialect, pages: int) -> None:
    is_paged = original.format.is_paged
    whole = Attributes(
        format=original.format, width=original.width, height=original.height, page_count=pages if is_paged else 1,
        loop=0 if is_paged else None, color_space=original.color_space,
    )  # fmt: skip
    stored = dialect.spell_attributes(whole.to_json())
    oracle.read_attributes(stored, dialect.name)
    read = Attributes.from_json(read_attributes(stored))
    assert (read.format, read.width, read.height) == (whole.format, whole.width, whole.height)
    assert dialect is Dialect.A or read == whole


def test_what_is_unknown_stays_as_it_is() -> None:
    values: list[dict[str, object]] = [{"format": "TIFF", "width": 1}, {"format": 7, "width": 1}, {"width": 1}]
    for value in values:
        assert read_attributes(value) == read_transformation(value) == value
    strange: dict[str, object] = {"format": "PNG", "rotate": "AUTO", "fit": 3, "metadata": {"strip": None}}
    assert read_transformation(strange) == {**strange, "format": "png", "rotate": "auto"}
