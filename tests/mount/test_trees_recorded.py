"""What is in the stores after a tree was copied in: the rows that Konifer relies on, and no others."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pytest
from PIL import Image
from psycopg.rows import namedtuple_row

from tests.mount.dialect import (
    FORMATS,
    NotDecodable,
    read_attributes,
    read_lqip,
    read_original_transformation,
)
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import asset_path, run
from tests.mount.trees import Found, list_pictures, make_tree, tell_tree
from tests.pictures import IMAGES

COUNT: Final = 150
_ASSETS: Final = """
SELECT a.*, n.name, p.path::text AS shown_in, n.size
  FROM asset_tree a JOIN konifer_fs.node n ON n.asset_id = a.id JOIN konifer_fs.node p ON p.id = n.parent
"""


class Loaded(NamedTuple):
    """A mount that a tree was copied to, by `cp -a`, between `began` and `ended`; `told` is an account of the tree."""

    mount: Mount
    told: Mapping[str, Found]
    began: datetime
    ended: datetime


@pytest.fixture
def loaded(mounted: MountFactory, tmp_path: Path) -> Loaded:
    """Copy a tree of 150 pictures to a mount, which is all that its stores hold."""
    (tmp_path / "tree").mkdir()
    make_tree(tmp_path / "tree", COUNT, list_pictures(IMAGES if IMAGES.is_dir() else None))
    mount, began = mounted(), datetime.now(UTC).replace(tzinfo=None)
    run("cp", "-a", tmp_path / "tree", mount.path)
    return Loaded(mount, tell_tree(tmp_path / "tree"), began, datetime.now(UTC).replace(tzinfo=None))


def ask(mount: Mount, query: str) -> list[Any]:
    with psycopg.connect(mount.conninfo, row_factory=namedtuple_row) as session:
        return session.execute(query.encode()).fetchall()


def test_a_tree_is_recorded_as_konifer_records_it(loaded: Loaded) -> None:
    assets = ask(loaded.mount, _ASSETS)
    are_the_files_of_the_tree(loaded, assets)
    are_numbered_from_zero(loaded.mount, assets)
    have_all_that_readers_need(loaded, assets)
    have_one_original_each(loaded, assets)
    have_single_labels_and_tags(loaded)
    assert ask(loaded.mount, "SELECT * FROM outbox") == []


def are_the_files_of_the_tree(loaded: Loaded, assets: list[Any]) -> None:
    files = {name: found for name, found in loaded.told.items() if found.mode[0] == "-"}
    shown = {
        (asset_path(loaded.mount, (loaded.mount.path / "tree" / name).parent).ltree, Path(name).name): found.size
        for name, found in files.items()
    }
    assert {(asset.path, asset.name): asset.size for asset in assets} == shown
    assert all(asset.path == asset.shown_in for asset in assets)
    assert len(assets) == COUNT


def are_numbered_from_zero(mount: Mount, assets: list[Any]) -> None:
    counted = Counter(asset.path for asset in assets)
    for path, count in counted.items():
        assert sorted(asset.entry_id for asset in assets if asset.path == path) == list(range(count))
    counters = {row.path: row.last_entry_id for row in ask(mount, "SELECT path, last_entry_id FROM path_entry_counter")}
    assert counters == {path: count - 1 for path, count in counted.items()}


def have_all_that_readers_need(loaded: Loaded, assets: list[Any]) -> None:
    for asset in assets:
        assert asset.is_ready
        assert isinstance(asset.alt, str)
        assert (asset.source, asset.source_url is None) in {("UPLOAD", True), ("URL", False)}
        assert asset.id.version == 7
        assert asset.created_at.tzinfo is None
        assert loaded.began <= asset.created_at <= asset.modified_at <= loaded.ended


def have_one_original_each(loaded: Loaded, assets: list[Any]) -> None:
    variants = ask(loaded.mount, "SELECT * FROM asset_variant")
    assert {variant.asset_id for variant in variants} == {asset.id for asset in assets}
    assert len(variants) == len(assets)
    by_id = {asset.id: asset for asset in assets}
    for variant in variants:
        asset = by_id[variant.asset_id]
        assert variant.original_variant
        assert variant.id.version == 7
        assert variant.created_at == asset.created_at
        assert loaded.began <= variant.uploaded_at <= loaded.ended
        assert variant.expires_at is None
        describes_its_object(loaded.mount, variant, asset.size)
    objects = [path.name for path in loaded.mount.objects.iterdir()]
    assert sorted(objects) == sorted(variant.object_store_key for variant in variants)


def describes_its_object(mount: Mount, variant: Any, size: int) -> None:  # noqa: ANN401 (a row)
    path = mount.objects.parent / variant.object_store_bucket / variant.object_store_key
    assert path.stat().st_size == size
    assert read_lqip(variant.lqip) == {}
    attributes, transformation = (
        read_attributes(variant.attributes),
        read_original_transformation(variant.transformation),
    )
    assert all(attributes[key] == value for key, value in transformation.items())
    assert path.suffix == f".{attributes['format'].replace('jpg', 'jpeg')}"
    with Image.open(path) as picture:
        assert picture.format == FORMATS[attributes["format"]]
        assert picture.size == (attributes["width"], attributes["height"])
        assert getattr(picture, "n_frames", 1) == attributes["pageCount"]


def have_single_labels_and_tags(loaded: Loaded) -> None:
    for table, value in (("asset_label", "label_key"), ("asset_tag", "tag_value")):
        rows = ask(loaded.mount, f"SELECT *, {value} AS value FROM {table}")
        assert rows
        assert max(Counter((row.asset_id, row.value) for row in rows).values()) == 1
        assert all(row.id.version == 7 and loaded.began <= row.created_at <= loaded.ended for row in rows)
        assert not any(row.value.startswith("user.") for row in rows)


def spellings() -> Iterator[object]:
    """Give what is not dialect C, though it looks like it."""
    good = {"width": 6, "height": 4, "format": "jpg", "pageCount": 1}
    yield from ([], None, {}, {**good, "size": 9}, {"width": 6, "height": 4})
    yield from ({**good, "format": "JPEG"}, {**good, "width": 6.0}, {**good, "width": True}, {**good, "height": 0})
    yield from ({**good, "loop": 0}, {**good, "format": "gif"}, {**good, "colorSpace": "unknown"})


@pytest.mark.parametrize("value", list(spellings()), ids=str)
def test_the_reader_is_strict(value: object) -> None:
    with pytest.raises(NotDecodable):
        read_attributes(value)
