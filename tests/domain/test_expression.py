"""The file names of variants, read and written."""

import pytest
from hypothesis import given

from konifer_fs.domain.errors import ExpressionMalformed, NoSuchName
from konifer_fs.domain.expression import parse_expression
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.normalise import normalised
from konifer_fs.domain.parameters import parse_parameters, spell_parameters
from konifer_fs.domain.spelling import spell
from konifer_fs.domain.transformation import Filter, Fit, Gravity, Metadata, Request, Rotate, transformation_from_json
from konifer_fs.domain.variant import Attributes
from tests.domain.requests import calm, orientations, originals, profiles, requests

PNG = Attributes(format=ImageFormat.PNG, width=1280, height=642, color_space="srgb")
THUMBNAIL = Request(width=256, height=256, fit=Fit.FILL, gravity=Gravity.ATTENTION, format=ImageFormat.WEBP)
PROFILES = {
    "thumbnail": THUMBNAIL,
    "v1.2": Request(width=12),
    "my": Request(width=5),
    "my.webp": Request(width=6),
    "gris-é": Request(filter=Filter.GRAYSCALE),
    "upright": Request(width=100, rotate=Rotate.AUTO),
    "original": Request(width=1),
    "blurhash": Request(width=2),
}


def read(name: str) -> Request:
    return parse_expression(name, PROFILES).request


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("thumbnail.webp", THUMBNAIL),
        ("thumbnail", THUMBNAIL),
        ("THUMBNAIL.WebP", THUMBNAIL),
        ("thumbnail.avif", Request(format=ImageFormat.AVIF).over(THUMBNAIL)),
        ("thumbnail,w=512.avif", Request(width=512, format=ImageFormat.AVIF).over(THUMBNAIL)),
        ("thumbnail,format=gif", Request(format=ImageFormat.GIF).over(THUMBNAIL)),
        ("w=256,h=256,fit=fill,g=attention.webp", THUMBNAIL),
        ("w=256", Request(width=256)),
        ("w=256.jpg", Request(width=256, format=ImageFormat.JPEG)),
        ("w=256.jpeg", Request(width=256, format=ImageFormat.JPEG)),
        ("w=256.JPEG", Request(width=256, format=ImageFormat.JPEG)),
        ("format=jpg.jpeg", Request(format=ImageFormat.JPEG)),
        ("format=jpeg", Request(format=ImageFormat.JPEG)),
        ("w=0256.png", Request(width=256, format=ImageFormat.PNG)),
        ("fit=FILL,r=AUTO", Request(fit=Fit.FILL, rotate=Rotate.AUTO)),
        ("filter=black_white.heic", Request(filter=Filter.BLACK_WHITE, format=ImageFormat.HEIC)),
        ("pad-c=#abc", Request(pad_color=(0xAA, 0xBB, 0xCC, 0xFF))),
        ("strip=exif,xmp.jxl", Request(strip=frozenset({Metadata.EXIF, Metadata.XMP}), format=ImageFormat.JPEG_XL)),
        ("strip=exif,xmp,icc,w=5", Request(width=5, strip=frozenset(set(Metadata) - {Metadata.IPTC}))),
        ("strip=exif,, XMP ,,w=5", Request(width=5, strip=frozenset({Metadata.EXIF, Metadata.XMP}))),
        ("strip=.gif", Request(strip=frozenset(), format=ImageFormat.GIF)),
        ("v1.2", Request(width=12)),
        ("v1.2.png", Request(width=12, format=ImageFormat.PNG)),
        ("gris-é.png", Request(filter=Filter.GRAYSCALE, format=ImageFormat.PNG)),
        # what could be an extension is one
        ("my.webp", Request(width=5, format=ImageFormat.WEBP)),
        ("my.webp.webp", Request(width=6, format=ImageFormat.WEBP)),
        ("my.webp,h=5", Request(width=6, height=5)),
    ],
)
def test_a_name_is_a_request(name: str, request_: Request) -> None:
    assert read(name) == request_


@pytest.mark.parametrize(
    "name",
    [
        "other.webp", "other", "thumbnail.tiff", "thumbnail.", ".webp", "", ".hidden", "other,w=5.webp", "Thumbs.db",
        "original.png", "Original.PNG", "original", "original,w=5", "info.json", "blurhash.png", "thumbhash.png",
    ],
)  # fmt: skip
def test_an_unknown_profile_and_the_names_of_other_files_are_nothing(name: str) -> None:
    with pytest.raises(NoSuchName):
        read(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("w=.webp", "w must be a whole number from 1 to 2147483647, not ''"),
        ("w=0.webp", "w must be a whole number"),
        ("w=-5.webp", "w must be a whole number"),
        ("w=1.5.webp", "w must be a whole number"),
        ("w=²", "w must be a whole number"),
        ("w=2147483648", "w must be a whole number"),
        ("w=1.5", "w must be a whole number"),
        ("w=5.", "w must be a whole number"),
        ("w=256.tiff", "'tiff' is not a format of Konifer's; there are jpg, png, webp, avif, jxl, heic, gif"),
        ("thumbnail,w=256.webp.part", "'part' is not a format"),
        ("strip=exif,icc.jp2", "'jp2' is not a format"),
        ("h=0x10", "h must be a whole number"),
        ("blur=151", "blur must be a whole number from 0 to 150, not '151'"),
        ("q=0", "q must be a whole number from 1 to 100, not '0'"),
        ("q=101", "q must be"),
        ("pad=-1", "pad must be a whole number from 0"),
        ("fit=cover", "fit must be one of fit, fill, stretch, crop, not 'cover'"),
        ("g=north", "g must be one of center, entropy, attention"),
        ("r=45", "r must be one of 0, 90, 180, 270, auto"),
        ("f=hv", "f must be one of none, h, v"),
        ("f=", "f must be"),
        ("filter=sepia2", "filter must be one of none, black_white, grayscale, sepia"),
        ("cs=cmyk", "cs must be one of origin, srgb, p3, grayscale"),
        ("format=tiff", "format must be one of jpg, png, webp, avif, jxl, heic, gif"),
        ("strip=exif,all", "strip must be a list of exif, icc, iptc, xmp, not 'exif,all'"),
        ("pad-c=#F", "pad-c must be a colour such as"),
        ("pad-c=#-1", "pad-c must be a colour"),
        ("pad-c=##fff", "pad-c must be a colour"),
        ("pad-c=#fffff", "pad-c must be a colour"),
        ("pad-c=", "pad-c must be a colour"),
        ("size=5", "'size' is not a parameter; there are w, h, fit,"),
        ("W=5", "'W' is not a parameter"),
        ("=5", "'' is not a parameter"),
        ("format=png.webp", "format=png contradicts the extension"),
        ("thumbnail,format=jpg.png", "format=jpg contradicts the extension"),
        ("w=5,w=6", "'w=6' is not of the form"),
        ("w=5,,h=6", "'' is not of the form"),
        ("w=5,", "'' is not of the form"),
        ("w=5,thumbnail", "'thumbnail' is not of the form"),
        ("thumbnail,my", "'my' is not of the form"),
        ("w=5\udcff", r"w must be a whole number .* not '5\\udcff'"),
    ],
)  # fmt: skip
def test_a_malformed_name_says_what_is_wrong(name: str, reason: str) -> None:
    with pytest.raises(ExpressionMalformed, match=reason):
        read(name)


def test_an_expression_tells_whether_it_has_parameters_of_its_own() -> None:
    told = {name: parse_expression(name, PROFILES) for name in ("thumbnail.avif", "thumbnail,q=5", "w=5", "strip=")}
    assert {name: (expression.profile, expression.is_free) for name, expression in told.items()} == {
        "thumbnail.avif": ("thumbnail", False),
        "thumbnail,q=5": ("thumbnail", True),
        "w=5": (None, True),
        "strip=": (None, True),
    }


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("#FA9B1E01", (250, 155, 30, 1)),
        ("#FA9B1E", (250, 155, 30, 255)),
        ("fff", (255, 255, 255, 255)),
        ("#1234", (0x11, 0x22, 0x33, 0x44)),
    ],
)
def test_a_colour_is_hexadecimal(text: str, color: tuple[int, int, int, int]) -> None:
    assert parse_parameters({"pad-c": text}).pad_color == color


@calm
@given(requests)
def test_parameters_are_read_as_they_are_spelled(request: Request) -> None:
    assert parse_parameters(spell_parameters(request)) == request


@pytest.mark.parametrize(
    ("asked", "spelled"),
    [
        ("h=128,w=250,fit=fit,r=0,blur=0.webp", "w=250,h=128.webp"),
        ("w=256", "w=256.png"),
        ("w=200,h=100", "w=200.png"),
        ("h=100", "w=199.png"),
        ("r=90,h=999", "w=501,r=90.png"),
        ("r=90,h=998", "h=998,r=90.png"),
        ("w=10,h=5", "w=10.png"),
        ("r=180,f=h", "f=v.png"),
        ("r=180,f=v", "f=h.png"),
        ("r=270,f=v.jpg", "r=90,f=h.jpg"),
        ("pad=5,pad-c=#00000000", "pad=5.png"),
        ("pad=5,pad-c=#FF0000.jpeg", "pad=5,pad-c=f00.jpg"),
        ("q=80.webp", "w=1280.webp"),
        ("q=70.webp", "q=70.webp"),
        ("strip=xmp,exif,cs=p3", "strip=exif,xmp,cs=p3.png"),
        ("cs=grayscale,filter=sepia", "cs=grayscale.png"),
        # a profile that is just this
        ("w=256,h=256,fit=fill,g=attention.webp", "thumbnail.webp"),
        ("thumbnail.avif", "thumbnail.avif"),
        ("w=12.gif", "v1.2.gif"),
        # over a profile, where that is shorter
        ("thumbnail,q=5", "thumbnail,q=5.webp"),
        ("w=256,h=256,fit=fill", "thumbnail,g=center.png"),
        ("v1.2,q=5.webp", "w=12,q=5.webp"),
        # never the name of another file
        ("w=2", "w=2.png"),
        ("blurhash.gif", "blurhash.gif"),
        ("w=1", "w=1.png"),
    ],
)
def test_the_listed_name_is_the_shortest(asked: str, spelled: str) -> None:
    wanted = normalised(read(asked), PNG)
    assert spell(wanted, PNG, PROFILES) == spelled
    assert normalised(read(spelled), PNG) == wanted


def test_a_profile_that_turns_by_exif_names_what_it_made_once_the_orientation_is_known() -> None:
    wanted = normalised(read("upright.jpg"), PNG, 6)
    assert spell(wanted, PNG, {"upright": PROFILES["upright"]}) == "w=100,r=90.jpg"
    assert spell(wanted, PNG, PROFILES, 6) == "upright.jpg"
    assert spell(wanted, PNG, PROFILES, 8) == "w=100,r=90.jpg"


@pytest.mark.parametrize(
    "stored",
    [
        {"width": 5, "height": 5, "format": "avif", "quality": 100},
        {"width": 5, "height": 5, "format": "png", "quality": 40},
        {"width": 5, "height": 5, "format": "png", "colorSpace": "adobe_rgb"},
        {"width": 5, "height": 5, "format": "png", "filter": "sepia", "colorSpace": "grayscale"},
        {"width": 5, "height": 5, "format": "png", "blur": 151},
    ],
)
def test_what_nobody_can_ask_for_has_no_name(stored: dict[str, object]) -> None:
    wanted = transformation_from_json(stored)
    assert wanted is not None
    assert spell(wanted, PNG, PROFILES) is None


@calm
@given(requests, profiles, originals, orientations)
def test_every_stored_variant_has_a_name_that_opens_it(
    request: Request, known: dict[str, Request], original: Attributes, orientation: int
) -> None:
    try:
        wanted = normalised(request, original, orientation)
    except ExpressionMalformed:
        return
    for told in (None, orientation):
        name = spell(wanted, original, known, told)
        assert name is not None
        assert len(name.encode()) <= 255
        assert normalised(parse_expression(name, known).request, original, orientation).to_json() == wanted.to_json()


@calm
@given(requests, profiles, originals, orientations)
def test_a_rendered_profile_is_listed_by_a_profiles_name(
    request: Request, known: dict[str, Request], original: Attributes, orientation: int
) -> None:
    for profile in known:
        try:
            wanted = normalised(parse_expression(f"{profile}.gif", known).request, original, orientation)
        except (ExpressionMalformed, NoSuchName):
            continue
        name = spell(wanted, original, known, orientation)
        assert name is not None
        assert name.removesuffix(".gif") in known
