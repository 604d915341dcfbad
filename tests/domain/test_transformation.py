"""Canonical transformations: what Konifer stores for a request, to the last key."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konifer_fs.domain.errors import ContentTooLarge, ExpressionMalformed
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.normalise import check_consistent, normalised, preprocessed
from konifer_fs.domain.outcome import check_limits, is_verbatim, output_size, renews_placeholder
from konifer_fs.domain.parameters import parse_parameters
from konifer_fs.domain.transformation import Limits, Request, Rotate, Transformation, transformation_from_json
from konifer_fs.domain.variant import Attributes, Json, original_transformation
from tests.domain.requests import calm, orientations, originals, requests

PNG = Attributes(format=ImageFormat.PNG, width=1280, height=642, color_space="srgb")


def read(query: str) -> Request:
    """Read `w=200&h=100`."""
    return parse_parameters(dict(item.split("=") for item in query.split("&") if item))


def canonical(query: str, original: Attributes = PNG, orientation: int = 1) -> Json:
    return normalised(read(query), original, orientation).to_json()


def sized(width: int, height: int, image_format: ImageFormat = ImageFormat.PNG, page_count: int = 1) -> Attributes:
    return Attributes(format=image_format, width=width, height=height, color_space="srgb", page_count=page_count)


WHOLE: Json = {"width": 1280, "height": 642, "format": "png"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("w=200", {"width": 200, "height": 100, "format": "png"}),
        ("h=100", {"width": 199, "height": 100, "format": "png"}),
        ("w=640&format=jpg", {"width": 640, "height": 321, "format": "jpg"}),
        ("w=300&h=300", {"width": 300, "height": 300, "format": "png"}),
        (
            "w=300&h=300&fit=fill&g=attention",
            {"width": 300, "height": 300, "format": "png", "fit": "fill", "gravity": "attention"},
        ),
        ("r=270&f=v", {"width": 642, "height": 1280, "format": "png", "rotate": "90", "horizontalFlip": True}),
        ("f=v", WHOLE | {"rotate": "180", "horizontalFlip": True}),
        ("r=180&f=h", WHOLE | {"rotate": "180", "horizontalFlip": True}),
        ("pad=20&pad-c=#FF0000", WHOLE | {"padding": {"amount": 20, "color": [255, 0, 0, 255]}}),
        ("pad=10&format=jpg", WHOLE | {"format": "jpg", "padding": {"amount": 10, "color": [255, 255, 255, 255]}}),
        ("q=40", WHOLE),
        ("q=80&format=webp", WHOLE | {"format": "webp"}),
        ("format=webp", WHOLE | {"format": "webp"}),
        ("q=60&format=webp", WHOLE | {"format": "webp", "quality": 60}),
        ("blur=0", WHOLE),
        ("pad=0&pad-c=#fff", WHOLE),
        ("f=none", WHOLE),
        ("w=1280", WHOLE),
        ("w=1280&h=642", WHOLE),
        ("fit=fit", WHOLE),
        ("r=0", WHOLE),
        (
            "filter=greyscale&blur=5&w=100&format=avif",
            {"width": 100, "height": 50, "format": "avif", "filter": "grayscale", "blur": 5},
        ),
        ("g=entropy", WHOLE | {"gravity": "entropy"}),
        ("w=2000", {"width": 2000, "height": 1003, "format": "png"}),
        ("strip=xmp,exif&cs=p3", WHOLE | {"metadata": {"strip": ["exif", "xmp"]}, "colorSpace": "p3"}),
        (
            "w=100&h=100&fit=stretch&r=90&q=30&format=jxl",
            {"width": 100, "height": 100, "format": "jxl", "fit": "stretch", "rotate": "90", "quality": 30},
        ),
        ("r=90&w=200", {"width": 200, "height": 399, "format": "png", "rotate": "90"}),
        ("q=100&format=avif", WHOLE | {"format": "avif", "quality": 99}),
        ("cs=grayscale&filter=sepia", WHOLE | {"colorSpace": "grayscale"}),
        ("cs=grayscale&filter=black_white", WHOLE | {"colorSpace": "grayscale", "filter": "black_white"}),
        ("strip=IPTC,icc", WHOLE | {"metadata": {"strip": ["icc", "iptc"]}}),
    ],
)
def test_a_request_is_stored_as_konifer_stores_it(query: str, expected: Json) -> None:
    assert canonical(query) == expected


def test_what_changes_nothing_is_the_original() -> None:
    assert canonical("w=1280&q=40&pad=0") == original_transformation(PNG)
    unknown = Attributes(format=ImageFormat.AVIF, width=7, height=5)
    assert canonical("cs=origin", unknown) == original_transformation(unknown)
    assert canonical("cs=srgb", unknown) != original_transformation(unknown)


@pytest.mark.parametrize(
    ("query", "box", "made"),
    [
        ("w=10", (10, 5), (10, 5)),
        ("w=15", (15, 8), (15, 8)),
        ("h=15", (30, 15), (30, 15)),
        ("w=50", (50, 25), (50, 25)),
        ("h=50", (100, 50), (100, 50)),
        ("h=55", (110, 55), (110, 55)),
        ("w=100", (100, 50), (100, 50)),
        ("h=100", (199, 100), (199, 100)),
        ("w=200", (200, 100), (199, 100)),
        ("h=200", (399, 200), (399, 200)),
        ("w=500", (500, 251), (500, 251)),
        ("h=500", (997, 500), (997, 500)),
        ("w=640", (640, 321), (640, 321)),
        ("w=1000", (1000, 502), (1000, 502)),
        ("w=1270", (1270, 637), (1270, 637)),
        ("h=632", (1260, 632), (1260, 632)),
        ("w=2000", (2000, 1003), (2000, 1003)),
        ("w=300&h=300", (300, 300), (299, 150)),
        ("w=1180&h=542", (1180, 542), (1081, 542)),
        ("w=50&h=50", (50, 50), (50, 25)),
        ("w=2000&h=2000", (2000, 2000), (2000, 1003)),
        ("w=32&h=32", (32, 32), (32, 16)),
        ("w=1", (1, 1), (1, 1)),
        ("h=1", (2, 1), (2, 1)),
        ("pad=20", (1280, 642), (1320, 682)),
        ("r=90&w=200&pad=1", (200, 399), (202, 401)),
        ("w=300&h=300&fit=fill", (300, 300), (300, 300)),
        ("w=3000&h=20&fit=stretch", (3000, 20), (3000, 20)),
        ("w=500&h=500&fit=crop", (500, 500), (500, 500)),
    ],
)
def test_a_size_is_that_of_konifer(query: str, box: tuple[int, int], made: tuple[int, int]) -> None:
    wanted = normalised(read(query), PNG)
    assert (wanted.width, wanted.height) == box
    assert output_size(wanted, PNG) == made


@pytest.mark.parametrize(
    ("original", "query", "box"),
    [
        ((500, 281), "w=200", (200, 112)),
        ((226, 300), "w=100", (100, 133)),
        ((974, 1294), "w=256", (256, 340)),
        ((1221, 1296), "w=128", (128, 136)),
        ((1000, 333), "w=100", (100, 33)),
        ((2, 5), "w=1", (1, 3)),
        ((3, 2), "h=1", (2, 1)),
        ((7, 5), "h=3", (4, 3)),
        ((1920, 1080), "w=854", (854, 480)),
        ((4032, 3024), "w=1000", (1000, 750)),
    ],
)
def test_an_open_side_follows_the_proportions_with_halves_up(
    original: tuple[int, int], query: str, box: tuple[int, int]
) -> None:
    wanted = normalised(read(query), sized(*original))
    assert (wanted.width, wanted.height) == box


TURNS = [
    ("r=0", "0", False), ("f=h", "0", True), ("r=180&f=v", "0", True),
    ("r=180", "180", False), ("f=v", "180", True), ("r=180&f=h", "180", True),
    ("r=90", "90", False), ("r=90&f=h", "90", True), ("r=270&f=v", "90", True),
    ("r=270", "270", False), ("r=270&f=h", "270", True), ("r=90&f=v", "270", True),
]  # fmt: skip


@pytest.mark.parametrize(("query", "rotate", "mirrored"), TURNS)
def test_a_rotation_and_a_flip_are_one_turn(query: str, rotate: str, mirrored: bool) -> None:
    wanted = normalised(read(query), PNG)
    assert (wanted.rotate.value, wanted.horizontal_flip) == (rotate, mirrored)
    assert (wanted.width, wanted.height) == ((642, 1280) if rotate in {"90", "270"} else (1280, 642))


@pytest.mark.parametrize(
    ("orientation", "query"),
    [(1, "r=0"), (2, "f=h"), (3, "r=180"), (4, "f=v"), (5, "r=90&f=h"), (6, "r=90"), (7, "r=270&f=h"), (8, "r=270")],
)
def test_auto_is_the_turn_that_exif_asks_for(orientation: int, query: str) -> None:
    assert canonical("r=auto&w=300", PNG, orientation) == canonical(f"{query}&w=300", PNG)
    assert canonical("w=300", PNG, orientation) == canonical("w=300")


def test_an_orientation_that_exif_does_not_know_is_upright() -> None:
    assert canonical("r=auto", PNG, 9) == canonical("r=auto", PNG, 0) == WHOLE


@pytest.mark.parametrize("query", ["fit=fill&w=5", "fit=stretch&h=5", "fit=crop", "r=auto&f=h", "r=auto&f=v&w=5"])
def test_parameters_that_do_not_go_together_are_malformed(query: str) -> None:
    with pytest.raises(ExpressionMalformed):
        check_consistent(read(query))
    with pytest.raises(ExpressionMalformed):
        normalised(read(query), PNG)


def test_auto_goes_with_no_flip() -> None:
    assert canonical("r=auto&f=none", PNG, 6)["rotate"] == "90"


def test_a_result_without_height_is_malformed() -> None:
    with pytest.raises(ExpressionMalformed, match="1x0"):
        normalised(read("w=1"), sized(5, 2))


@pytest.mark.parametrize("image_format", ImageFormat)
def test_padding_is_transparent_where_the_format_can_be(image_format: ImageFormat) -> None:
    color = normalised(read("pad=1"), sized(9, 9, image_format)).padding_color
    opaque = {ImageFormat.JPEG, ImageFormat.GIF}
    assert color == ((255, 255, 255, 255) if image_format in opaque else (0, 0, 0, 0))


def test_each_format_has_its_quality() -> None:
    assert {image_format.value: image_format.default_quality for image_format in ImageFormat} == {
        "jpg": 80, "png": 100, "webp": 80, "avif": 50, "jxl": 90, "heic": 50, "gif": 100,
    }  # fmt: skip
    for image_format in ImageFormat:
        told = normalised(read("q=30"), sized(9, 9, image_format)).quality
        assert told == (100 if image_format in {ImageFormat.PNG, ImageFormat.GIF} else 30)


@calm
@given(requests, originals, orientations)
def test_what_is_stored_is_read_back(request: Request, original: Attributes, orientation: int) -> None:
    try:
        wanted = normalised(request, original, orientation)
    except ExpressionMalformed:
        return
    stored = json.loads(json.dumps(wanted.to_json()))
    assert transformation_from_json(stored) == wanted
    assert wanted.rotate is not Rotate.AUTO


@pytest.mark.parametrize(
    "change",
    [
        {"blur": 0}, {"fit": "fit"}, {"quality": 100}, {"horizontalFlip": False}, {"rotate": "0"}, {"rotate": "auto"},
        {"colorSpace": "srgb"}, {"metadata": {"strip": []}}, {"metadata": {"strip": ["xmp", "exif"]}},
        {"metadata": {}}, {"metadata": None}, {"padding": {"amount": 0, "color": []}},
        {"padding": {"amount": 5, "color": []}}, {"padding": {"amount": 5, "color": [1, 2, 3]}},
        {"padding": {"amount": 5, "color": [1, 2, 3, 4.0]}}, {"padding": 5}, {"format": "PNG"}, {"fit": "FILL"},
        {"padding": {"amount": 0, "color": [1, 2, 3, 4]}}, {"padding": {"amount": 5, "color": [1, 2, 3, 4], "x": 1}},
        {"width": 200.0}, {"width": True}, {"width": 0}, {"height": "642"}, {"pixels": {"channels": "RGB"}},
        {"filter": "greyscale"}, {"gravity": None}, {"horizontalFlip": 1}, {"colorSpace": 5},
    ],
)  # fmt: skip
def test_what_dialect_c_does_not_write_is_not_read(change: Json) -> None:
    assert transformation_from_json(WHOLE) is not None
    assert transformation_from_json(WHOLE | change) is None


def test_a_transformation_has_width_height_and_format() -> None:
    for key in WHOLE:
        assert transformation_from_json({name: value for name, value in WHOLE.items() if name != key}) is None


@pytest.mark.parametrize(
    ("query", "bounds", "made"),
    [
        ("w=10000&h=3000", (10000, None), (1280, 642)),
        ("w=2000&h=2000&fit=fill", (1, 1), (1280, 642)),
        ("w=2000&h=300&fit=fill", (1, None), (1280, 300)),
        ("w=300&h=2000&fit=fill", (None, 1), (300, 642)),
        ("w=2000&h=2000&fit=stretch", (1, 1), (1280, 642)),
        ("w=200&h=200&fit=stretch", (1, 1), (200, 200)),
        ("w=2000&h=200&fit=stretch", (1, 1), (1280, 200)),
        ("w=2000&h=200&fit=crop", (1, 1), (1280, 200)),
        ("fit=fill", (300, 300), (300, 300)),
        ("", (100, None), (100, 50)),
        ("", (None, 50), (100, 50)),
        ("", (300, 300), (299, 150)),
        ("", (1024, 1024), (1024, 514)),
        ("", (5000, None), (1280, 642)),
        ("", (None, 5000), (1280, 642)),
        ("", (5000, 5000), (1280, 642)),
        ("r=90", (300, None), (300, 598)),
        ("w=2000", (None, None), (2000, 1003)),
    ],
)
def test_a_bound_only_shrinks(query: str, bounds: tuple[int | None, int | None], made: tuple[int, int]) -> None:
    wanted = preprocessed(read(query), *bounds, PNG, 1)
    assert output_size(wanted, PNG) == made
    assert wanted.can_upscale == (bounds == (None, None))


def test_the_bounds_are_of_the_picture_as_it_is_seen() -> None:
    wanted = preprocessed(read("r=auto"), 300, None, PNG, 6)
    assert (wanted.rotate, output_size(wanted, PNG)) == (Rotate.NINETY, (300, 598))


def test_preprocessing_keeps_a_line_of_pixels_of_a_thin_picture() -> None:
    thin = sized(3000, 4)
    assert output_size(preprocessed(Request(), 300, None, thin, 1), thin) == (300, 1)


@calm
@given(originals, st.none() | st.integers(1, 4000), st.none() | st.integers(1, 4000), orientations)
def test_no_result_is_over_the_bounds_or_larger_than_its_source(
    original: Attributes, max_width: int | None, max_height: int | None, orientation: int
) -> None:
    width, height = output_size(preprocessed(Request(), max_width, max_height, original, orientation), original)
    assert 1 <= width <= min(max_width or width, original.width)
    assert 1 <= height <= min(max_height or height, original.height)


@pytest.mark.parametrize(
    "query", ["", "w=1280", "w=1280&h=642&fit=fill", "format=png", "g=entropy", "q=30", "cs=srgb", "r=auto", "pad=0"]
)
def test_what_needs_no_step_is_stored_as_it_came(query: str) -> None:
    assert is_verbatim(preprocessed(read(query), None, None, PNG, 1), PNG)
    assert is_verbatim(preprocessed(read(""), 2000, 642, PNG, 1), PNG)


@pytest.mark.parametrize(
    "query",
    ["w=1279", "format=webp", "r=90", "r=180", "f=h", "filter=sepia", "blur=1", "pad=1", "strip=exif", "cs=p3"],
)
def test_what_needs_a_step_is_made_anew(query: str) -> None:
    assert not is_verbatim(preprocessed(read(query), None, None, PNG, 1), PNG)


def test_a_picture_that_lies_is_made_anew_by_auto() -> None:
    assert not is_verbatim(preprocessed(read("r=auto"), None, None, PNG, 6), PNG)


@pytest.mark.parametrize(
    ("query", "renewed"),
    [
        ("r=90", True), ("f=h", True), ("filter=sepia", True), ("pad=1", True), ("w=9&h=9&fit=fill", True),
        ("w=9&h=9&fit=stretch", True), ("w=1280&h=642&fit=fill", False), ("w=9&h=9&fit=crop", False), ("w=9", False),
        ("blur=9", False), ("format=jpg", False), ("strip=exif", False),
    ],
)  # fmt: skip
def test_a_placeholder_is_renewed_by_what_konifer_renews_it_for(query: str, renewed: bool) -> None:
    assert renews_placeholder(normalised(read(query), PNG), PNG) is renewed


def test_a_fill_that_may_not_enlarge_renews_nothing() -> None:
    assert not renews_placeholder(preprocessed(read("w=2000&h=2000&fit=fill"), 9, 9, PNG, 1), PNG)


@pytest.mark.parametrize(
    ("query", "over"),
    [
        ("w=6000", ""),
        ("w=8193&h=1&fit=stretch", "8193 pixels wide, and the limit is 8192"),
        ("w=1&h=8193&fit=stretch", "8193 pixels high, and"),
        ("w=8192&h=1&pad=1&fit=stretch", "8194 pixels wide, and"),
        ("w=5000&h=4001&fit=stretch", "20005000 pixels, and the limit is 20000000"),
        ("w=5000&h=4000&fit=stretch", ""),
        ("w=10000&h=100", ""),
        ("w=2147483647", "2147483647 pixels wide"),
    ],
)
def test_a_result_is_within_the_limits(query: str, over: str) -> None:
    wanted = normalised(read(query), PNG)
    if over:
        with pytest.raises(ContentTooLarge, match=over):
            check_limits(wanted, PNG, Limits())
    else:
        check_limits(wanted, PNG, Limits())


def test_the_limits_are_of_the_turned_picture() -> None:
    limits = Limits(max_width=642, max_height=1280)
    check_limits(normalised(read("r=90"), PNG), PNG, limits)
    with pytest.raises(ContentTooLarge, match="1280 pixels wide, and the limit is 642"):
        check_limits(normalised(read("r=180"), PNG), PNG, limits)


def test_an_animation_has_limits_of_its_own() -> None:
    animation = sized(500, 280, ImageFormat.GIF, page_count=20)
    wanted = normalised(read("w=1000&h=1001&fit=stretch"), animation)
    with pytest.raises(ContentTooLarge, match="1001000 pixels a page, and the limit is 1000000"):
        check_limits(wanted, animation, Limits())
    check_limits(normalised(read("w=1000&h=1001&fit=stretch&format=png"), animation), animation, Limits())
    with pytest.raises(ContentTooLarge, match="20 pages, and the limit is 19"):
        check_limits(normalised(read("w=5&format=webp"), animation), animation, Limits(max_pages=19))
    check_limits(normalised(read("w=1000&h=1000&fit=stretch"), animation), animation, Limits())


def test_only_preprocessing_forbids_to_enlarge_and_it_is_not_stored() -> None:
    wanted = preprocessed(Request(), 100, None, PNG, 1)
    assert wanted.to_json() == {"width": 100, "height": 50, "format": "png"}
    assert wanted == Transformation(width=100, height=50, format=ImageFormat.PNG, can_upscale=False)
