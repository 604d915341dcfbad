"""The variants of an entry as files, on a mount with profiles."""

import json
import os
import shutil
from errno import EACCES, EFBIG, EINVAL, EIO, ENOENT, EPERM
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from PIL import Image
from psycopg.types.json import Jsonb

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import add_entry, all_fail, database, ltree, names
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import failing
from tests.mount.variants import PICTURE, PROFILES, described, of, renderings, stored_variants
from tests.pictures import make_picture, make_png

EXPRESSION: Final = pytest.mark.semantics("An expression is a profile's name")
EQUAL: Final = pytest.mark.semantics("Equal requests are one stored variant")
ERRORS: Final = pytest.mark.semantics("A malformed expression, or a crop larger than the picture, is EINVAL")
LISTING: Final = pytest.mark.semantics("ls photo.jpg@/ names")

FORBIDDING: Final = """
paths {
  "/profiles" { transform.on-demand-variant.mode = profile_only }
  "/nothing" { transform.on-demand-variant.mode = disabled }
  "/png" { allowed-content-types = ["image/png"] }
  "/small" { transform.limits { max-width = 100 } }
}
"""


@pytest.fixture(scope="module")
def studio(shared_mounts: MountFactory) -> Mount:
    """A mount with profiles, and paths that forbid some."""
    return shared_mounts(config=PROFILES + FORBIDDING)


@pytest.fixture
def place(studio: Mount) -> Path:
    """An empty directory on it."""
    path = studio.path / f"t{uuid4().hex}"
    path.mkdir()
    return path


@pytest.fixture
def photo(place: Path) -> Path:
    """An entry, 48x32."""
    (place / "photo.png").write_bytes(PICTURE)
    return place / "photo.png"


@pytest.mark.semantics("photo.jpg@/<expression>.<ext> is a variant")
def test_what_a_camera_takes_is_stored_and_has_thumbnails(place: Path) -> None:
    picture = place / "dsc_0001.jpg"
    Image.effect_mandelbrot((6000, 4000), (-2, -1, 1, 1), 20).convert("RGB").save(picture, "JPEG")
    assert described(of(picture, "w=300.webp").read_bytes()) == ("WEBP", (300, 200))


@pytest.mark.semantics("photo.jpg@/<expression>.<ext> is a variant")
def test_a_variant_is_rendered_at_its_first_look_up_and_stored(studio: Mount, place: Path, photo: Path) -> None:
    before = renderings(studio)
    size = of(photo, "w=24.webp").stat().st_size
    content = of(photo, "w=24.webp").read_bytes()
    assert described(content) == ("WEBP", (24, 16))
    assert len(content) == size
    (stored,) = stored_variants(studio, place)
    assert stored.transformation == {"width": 24, "height": 16, "format": "webp"}
    assert stored.attributes["width"] == 24
    assert stored.is_uploaded
    assert stored.object.read_bytes() == content
    assert stored.object.suffix == ".webp"
    studio.remount()
    assert of(photo, "w=24.webp").read_bytes() == content
    assert renderings(studio) == 0
    assert before >= 0


@EXPRESSION
@pytest.mark.parametrize(
    ("name", "image_format", "size"),
    [
        ("thumbnail.webp", "WEBP", (16, 11)),
        ("thumbnail", "WEBP", (16, 11)),
        ("THUMBNAIL.jpg", "JPEG", (16, 11)),
        ("thumbnail,w=24.jpeg", "JPEG", (24, 16)),
        ("square.avif", "AVIF", (8, 8)),
        ("w=8,h=8,fit=stretch.gif", "GIF", (8, 8)),
        ("h=16", "PNG", (24, 16)),
        ("w=8,pad=2,pad-c=f00.png", "PNG", (12, 9)),
        ("r=90,filter=sepia,blur=2,q=50,strip=exif,,icc,cs=srgb.jxl", "JXL", (32, 48)),
        ("format=webp,w=8.webp", "WEBP", (8, 5)),
    ],
)
def test_an_expression_is_what_it_says(photo: Path, name: str, image_format: str, size: tuple[int, int]) -> None:
    import pillow_jxl  # noqa: F401 - registers itself

    assert described(of(photo, name).read_bytes()) == (image_format, size)


@EXPRESSION
def test_a_default_name_has_variants_too(studio: Mount, place: Path) -> None:
    content = make_picture(ImageFormat.JPEG, (6, 4))
    add_entry(studio, ltree(studio, place), content)
    assert described((place / "0.jpeg@" / "w=3.png").read_bytes()) == ("PNG", (3, 2))
    assert (place / "0.jpeg@" / "original.jpeg").read_bytes() == content
    assert (place / "0.jpeg@" / "original.jpg").stat().st_size == len(content)


@EQUAL
def test_equal_requests_open_one_file(studio: Mount, place: Path, photo: Path) -> None:
    before = renderings(studio)
    spellings = ["f=h,r=180.png", "f=v.png", "r=180,f=h,w=48.png", "f=v"]
    assert len({of(photo, name).stat().st_ino for name in spellings}) == 1
    assert len(stored_variants(studio, place)) == renderings(studio) - before == 1


@EQUAL
def test_what_is_equal_to_the_original_opens_it(studio: Mount, place: Path, photo: Path) -> None:
    original = of(photo, "original.png")
    for name in ("w=48.png", "h=32", "q=10.png", "r=auto", "upright.png", "f=none,blur=0.png"):
        assert of(photo, name).samefile(original)
        assert of(photo, name).read_bytes() == PICTURE
    assert stored_variants(studio, place) == []


@EXPRESSION
def test_a_picture_is_turned_as_its_orientation_asks_for(place: Path) -> None:
    (place / "photo.jpg").write_bytes(make_picture(ImageFormat.JPEG, orientation=6))
    photo = place / "photo.jpg"
    assert described(of(photo, "r=auto,w=16.png").read_bytes()) == ("PNG", (16, 24))
    assert of(photo, "r=90,w=16.png").samefile(of(photo, "r=auto,w=16.png"))
    assert "upright.jpg" in names_below(photo, "upright.jpg")


@pytest.mark.semantics("A variant of a picture that its EXIF turns is shown turned, too")
@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif", "heic", "jxl", "gif"])
def test_a_variant_is_as_upright_as_its_picture(place: Path, extension: str) -> None:
    (place / "photo.jpg").write_bytes(make_picture(ImageFormat.JPEG, orientation=6))
    copy = place / f"copy.{extension}"
    shown, small = ((48, 32), (24, 16)) if extension == "gif" else ((32, 48), (16, 24))
    for expression, size in (("blur=1", shown), ("blur=1,strip=exif", (48, 32)), ("r=90", (32, 48)), ("w=24", small)):
        shutil.copyfile(of(place / "photo.jpg", f"{expression}.{extension}"), copy)
        assert described(of(copy, "r=auto,blur=1.png").read_bytes()) == ("PNG", size)


def names_below(photo: Path, *opened: str) -> list[str]:
    """Give what is listed of a picture once these variants were looked up."""
    for name in opened:
        of(photo, name).stat()
    return names(of(photo, ""))


@ERRORS
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("w=x.png", EINVAL),
        ("w=16.tiff", EINVAL),
        ("w=8,w=9.png", EINVAL),
        ("w=0.png", EINVAL),
        ("colour=red.png", EINVAL),
        ("fit=fill,w=8.png", EINVAL),
        ("format=jpg.png", EINVAL),
        ("fit=crop,w=49,h=32.png", EINVAL),
        ("fit=crop,w=33,h=32,r=90.webp", EINVAL),
        ("nothing.webp", ENOENT),
        ("nothing", ENOENT),
        (".webp", ENOENT),
        ("original.webp", ENOENT),
        ("blurhash.png", ENOENT),
        ("huge.png", EFBIG),
        ("w=8193,h=1,fit=stretch.png", EFBIG),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    studio: Mount, place: Path, photo: Path, name: str, number: int
) -> None:
    before = renderings(studio)
    all_fail(number, of(photo, name).stat, of(photo, name).read_bytes)
    assert renderings(studio) == before
    assert stored_variants(studio, place) == []


@ERRORS
@pytest.mark.parametrize(
    ("directory", "allowed", "forbidden"),
    [
        ("profiles", ["thumbnail.webp", "square.avif"], ["w=16.webp", "thumbnail,w=8.webp"]),
        ("nothing", [], ["thumbnail.webp", "w=8.png"]),
        ("png", ["w=8.png"], ["w=8.webp"]),
    ],
)
def test_a_path_forbids_variants(studio: Mount, directory: str, allowed: list[str], forbidden: list[str]) -> None:
    place = studio.path / directory
    place.mkdir()
    photo = place / "photo.png"
    photo.write_bytes(PICTURE)
    for name in forbidden:
        all_fail(EACCES, of(photo, name).stat)
    for name in allowed:
        assert of(photo, name).stat().st_size
    assert len(stored_variants(studio, place)) == len(allowed)


@ERRORS
def test_what_is_stored_may_be_read_whatever_is_forbidden(studio: Mount) -> None:
    (studio.path / "nothing").mkdir(exist_ok=True)
    photo = studio.path / "nothing" / "stored.png"
    (studio.path / "before.png").write_bytes(PICTURE)
    content = of(studio.path / "before.png", "w=24.webp").read_bytes()
    (studio.path / "before.png").rename(photo)
    assert of(photo, "w=24.webp").read_bytes() == content
    with failing(EACCES):
        of(photo, "w=25.webp").stat()


@ERRORS
def test_the_limits_of_a_path_hold(studio: Mount) -> None:
    (studio.path / "small").mkdir()
    photo = studio.path / "small" / "photo.png"
    photo.write_bytes(PICTURE)
    assert of(photo, "w=100.png").stat().st_size
    with failing(EFBIG):
        of(photo, "w=101.png").stat()


@pytest.mark.semantics("A variant of an original that cannot be decoded")
def test_an_original_that_cannot_be_decoded_is_eio_and_the_reason_in_the_log(studio: Mount, place: Path) -> None:
    photo = place / "photo.png"
    photo.write_bytes(make_png(48, 32, body=b"\0" * 10))
    all_fail(EIO, of(photo, "w=24.png").stat)
    assert f"lookup /{place.name}/photo.png@/w=24.png: The content cannot be read" in studio.log()
    assert stored_variants(studio, place) == []
    assert len(list(studio.objects.glob(".*"))) == 0
    assert of(photo, "original.png").read_bytes() == photo.read_bytes()


@LISTING
def test_a_listing_names_what_is_stored_and_renders_nothing(studio: Mount, photo: Path) -> None:
    before = renderings(studio)
    assert names(of(photo, "")) == ["info.json", "original.png"]
    assert renderings(studio) == before
    assert names_below(photo, "w=16,h=11.webp", "h=32,w=96.jpg", "f=v") == [
        "f=v.png", "info.json", "original.png", "thumbnail.webp", "w=96,h=32.jpg",
    ]  # fmt: skip
    for name in names(of(photo, "")):
        assert of(photo, name).stat().st_size == len(of(photo, name).read_bytes())
    assert renderings(studio) == before + 3


@pytest.mark.semantics("info.json is Konifer's asset information")
def test_the_asset_information_is_konifers(studio: Mount, place: Path, photo: Path) -> None:
    os.setxattr(photo, "user.phone", b"Android")
    os.setxattr(photo, "user.xdg.tags", b"desert,tree")
    os.setxattr(photo, "user.xdg.comment", "ein Löwe".encode())
    of(photo, "square,g=entropy,r=270.png").stat()
    of(photo, "thumbnail").stat()
    of(photo, "upright").stat()
    info = json.loads(of(photo, "info.json").read_text())
    assert {key: info[key] for key in ("class", "alt", "entryId", "labels", "tags", "source", "sourceUrl")} == {
        "class": "image", "alt": "ein Löwe", "entryId": 0, "labels": {"phone": "Android"}, "tags": ["desert", "tree"],
        "source": "upload", "sourceUrl": None,
    }  # fmt: skip
    assert info["createdAt"] < info["modifiedAt"]
    assert info["profilesNotRendered"] == ["huge", "square"]
    thumbnail, square, original = info["variants"]
    assert thumbnail["attributes"] == {"width": 16, "height": 11, "format": "webp", "pageCount": 1, "loop": 0} | {
        key: value for key, value in thumbnail["attributes"].items() if key == "colorSpace"
    }
    assert square["transformation"] == {
        "width": 8, "height": 8, "fit": "fill", "gravity": "entropy", "format": "png", "rotate": 270, "flip": "none",
        "filter": "none", "blur": 0, "quality": 100, "padding": {"amount": 0, "color": []},
    }  # fmt: skip
    assert (original["isOriginalVariant"], original["transformation"]) == (True, None)
    assert stored_variants(studio, place)[0].object.name == square["storeKey"]


@pytest.mark.semantics("info.json is Konifer's asset information")
@pytest.mark.parametrize("attributes", [{}, {"format": "tiff"}])
def test_what_a_variants_row_says_oddly_is_told_as_it_stands(
    studio: Mount, place: Path, photo: Path, attributes: dict[str, str]
) -> None:
    of(photo, "w=24.png").stat()
    with database(studio) as connection:
        connection.execute(
            "UPDATE asset_variant v SET attributes = %s, transformation = transformation || %s FROM asset_tree a"
            " WHERE a.id = v.asset_id AND a.path = %s AND NOT v.original_variant",
            [Jsonb(attributes), Jsonb({"rotate": "NINETY"}), ltree(studio, place)],
        )
    assert "original.png" in names(of(photo, ""))
    for name in names(of(photo, "")):
        assert of(photo, name).read_bytes()
    odd, _ = json.loads(of(photo, "info.json").read_text())["variants"]
    assert (odd["attributes"].get("format"), odd["transformation"]["rotate"]) == (attributes.get("format"), "NINETY")
    assert json.loads((place / "-" / "info.json").read_text())


@pytest.mark.semantics("info.json is Konifer's asset information")
def test_the_asset_information_follows_changes_even_through_an_open_directory(photo: Path) -> None:
    directory = os.open(of(photo, ""), os.O_PATH)
    try:
        for alt in ("one", "another and longer"):
            os.setxattr(photo, "user.xdg.comment", alt.encode())
            for path in (of(photo, "info.json"), Path(f"/proc/self/fd/{directory}/info.json")):
                text = path.read_text()
                assert json.loads(text)["alt"] == alt
                assert path.stat().st_size == len(text.encode())
    finally:
        os.close(directory)


@pytest.mark.semantics("blurhash.png and thumbhash.png are small pictures")
def test_placeholders_are_small_pictures(studio: Mount, place: Path, photo: Path) -> None:
    lqip = {"blurhash": "UHFO.F?G8^NL1moLrUXAafM|V?SjnMoI%1oz", "thumbhash": "2xgKLIYKp5aEhopoh4aYgIgKiA=="}
    with database(studio) as connection:
        connection.execute(
            "UPDATE asset_variant SET lqip = %s"
            " WHERE asset_id = (SELECT id FROM asset_tree WHERE path = %s::text::ltree)",
            [json.dumps(lqip), ltree(studio, place)],
        )
    before = renderings(studio)
    for name in ("blurhash.png", "thumbhash.png"):
        image_format, (width, height) = described(of(photo, name).read_bytes())
        assert image_format == "PNG"
        assert max(width, height) == 32
        assert of(photo, name).stat().st_size == len(of(photo, name).read_bytes())
        all_fail(EPERM, of(photo, name).unlink)
    assert names(of(photo, "")) == ["info.json", "original.png"]
    assert renderings(studio) == before
