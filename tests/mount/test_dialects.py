"""Databases of each release of Konifer, mounted, read and written: what is left there is what that one decodes."""

from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.dialect import hold_rows
from tests.mount.elsewhere import query
from tests.mount.mounting import CommandFailed, MountFactory
from tests.mount.variants import OTHER, PICTURE, described, of
from tests.pictures import make_picture
from tests.postgres.konifers import MORE, VERSIONS, make_joined
from tests.postgres.trees import add_asset, add_variant

WRITTEN: Final = pytest.mark.semantics("A mount of a database that some release of Konifer has made")
FORMATS: Final = {"A": "PNG", "B": "PNG", "C": "png"}
# By dialect: what of a picture of 48x32 is 16 wide and turned: its box is of before in A and B.
TURNED: Final[dict[str, dict[str, Any]]] = {
    "A": {"width": 16, "height": 11, "format": "PNG", "rotate": "NINETY"},
    "B": {"width": 16, "height": 11, "format": "PNG", "rotate": "NINETY"},
    "C": {"width": 16, "height": 24, "format": "png", "rotate": "90"},
}
ASKED: Final = {
    "w=8,filter=grayscale.webp": (8, 5),
    "r=270,w=12,pad=2.jpg": None,
    "w=20,h=20,fit=crop,g=entropy.avif": (20, 20),
}
_ROWS: Final = "SELECT original_variant, attributes, transformation, lqip FROM asset_variant"


@pytest.fixture(params=VERSIONS)
def release(request: pytest.FixtureRequest, database: str) -> str:
    """A Konifer's tables, of each dialect; to be asked for before `mounted`."""
    make_joined(database, VERSIONS[request.param])
    return str(request.param)


@pytest.fixture
def first_release(database: str) -> None:
    """Tables of which nothing tells which of the earlier releases they are of."""
    make_joined(database, version=5)


def store_as_konifer(conninfo: str, objects: Path, dialect: str) -> bytes:
    """Store a picture and a turned variant as a Konifer of that dialect does; gives what the variant is."""
    attributes = {"width": 48, "height": 32, "format": FORMATS[dialect], **MORE[dialect]}
    variant = make_picture(ImageFormat.PNG, (16, 24), seed=7)
    original = {key: attributes[key] for key in ("width", "height", "format")}
    with psycopg.connect(conninfo, autocommit=True) as session:
        asset = add_asset(session, "root.a", original=False)
        key = add_variant(session, asset, attributes, transformation=original, original=True)
        turned = {**attributes, "width": 16, "height": 24}
        turned_key = add_variant(session, asset, turned, transformation=TURNED[dialect])
    objects.mkdir(parents=True, exist_ok=True)
    (objects / key).write_bytes(PICTURE)
    (objects / turned_key).write_bytes(variant)
    return variant


@WRITTEN
def test_a_database_of_each_dialect_is_read_and_written(
    release: str, database: str, tmp_path: Path, mounted: MountFactory
) -> None:
    variant = store_as_konifer(database, tmp_path / "objects" / "assets", release)
    mount = mounted(config="variant-profiles { turned { r = 90, w = 16 } }")
    theirs, ours = mount.path / "a" / "0.png", mount.path / "b" / "new.png"
    assert theirs.read_bytes() == PICTURE
    assert of(theirs, "turned.png").read_bytes() == variant
    assert of(theirs, "w=16,r=90.png").read_bytes() == variant
    ours.parent.mkdir()
    ours.write_bytes(OTHER)
    for photo in (theirs, ours):
        for name, size in ASKED.items():
            content = of(photo, name).read_bytes()
            assert size is None or photo is ours or described(content)[1] == size
    hold_rows(mount, release)
    formats = {attributes["format"] for _, attributes, _, _ in query(mount, _ROWS)}
    assert formats == ({"png", "webp", "jpg", "avif"} if release == "C" else {"PNG", "WEBP", "JPEG", "AVIF"})
    before = len(query(mount, _ROWS))
    mount.remount()
    names = sorted(path.name for path in of(theirs, ".").iterdir())
    for name in ASKED:
        assert of(theirs, name).read_bytes()
    assert len(query(mount, _ROWS)) == before, "what is stored was made again"
    assert "turned.png" in names
    theirs.unlink()
    assert query(mount, "SELECT count(*) FROM asset_tree WHERE path = 'root.a'") == [(0,)]


@WRITTEN
def test_what_that_konifer_does_not_know_cannot_be_asked_for(
    first_release: None, database: str, tmp_path: Path, mounted: MountFactory
) -> None:
    store_as_konifer(database, tmp_path / "objects" / "assets", "A")
    photo = mounted().path / "a" / "0.png"
    for name in ("strip=exif.png", "cs=p3.png"):
        with pytest.raises(OSError, match="Invalid argument"):
            of(photo, name).read_bytes()


@pytest.mark.semantics("Where no row tells, `filesystem.dialect` must, and rows of several releases are only read")
def test_where_no_row_tells_the_configuration_must(first_release: None, mounted: MountFactory) -> None:
    with pytest.raises(CommandFailed, match=r"no row tells: set filesystem\.dialect to a .* or use -o ro"):
        mounted()
    mount = mounted(config="filesystem.dialect = b")
    (mount.path / "a.png").write_bytes(PICTURE)
    hold_rows(mount, "B")
    mount.umount()
    assert (mounted().path / "a.png").read_bytes() == PICTURE
    with pytest.raises(CommandFailed, match=r"filesystem\.dialect is c, and the rows are of b"):
        mounted(config="filesystem.dialect = c")


@pytest.mark.semantics("Where no row tells, `filesystem.dialect` must, and rows of several releases are only read")
def test_rows_of_several_releases_are_only_read(
    first_release: None, database: str, tmp_path: Path, mounted: MountFactory
) -> None:
    for dialect in ("A", "C"):
        store_as_konifer(database, tmp_path / "objects" / "assets", dialect)
    for config in ("", "filesystem.dialect = c"):
        with pytest.raises(CommandFailed, match="which no Konifer reads both: use -o ro"):
            mounted(config=config)
    mount = mounted(options="ro")
    assert [(mount.path / "a" / name).read_bytes() for name in ("0.png", "1.png")] == [PICTURE, PICTURE]
