"""Sizes of what Konifer stored, which keeps none: asked for once, and recorded."""

import errno
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from konifer_fs.domain.variant import ObjectRef
from tests.mount.elsewhere import PICTURE, Row, add_entry, query, rows_below, wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import failing
from tests.servers import S3Server

SIZES = pytest.mark.semantics("Sizes that Konifer does not keep")
COUNT = 30


def add_entries(mount: Mount, bucket: str, store: S3Server, source: Path) -> Sequence[Row]:
    """Store entries in an S3 store as Konifer's HTTP service does, all but the last: its object is missing."""
    for _ in range(COUNT):
        add_entry(mount, "root.a", None)
    query(mount, "UPDATE asset_variant SET object_store_bucket = %s RETURNING 1", bucket)
    rows = rows_below(mount, mount.path)
    objects = store.make_store()
    for row in rows[:-1]:
        source.write_bytes(bytes(size_of(row)))
        objects.put(ObjectRef(bucket, row.key), source, "image/jpeg")
    objects.close()
    return rows


def size_of(row: Row) -> int:
    return 0 if row.entry_id == COUNT - 1 else 100 + row.entry_id


def recorded(mount: Mount) -> dict[UUID, int]:
    """Give the sizes that the database has, by asset."""
    statement = "SELECT v.asset_id, s.size FROM konifer_fs.variant s JOIN asset_variant v ON v.id = s.id"
    return dict(query(mount, statement))


def shown(mount: Mount, rows: Sequence[Row]) -> dict[int, int]:
    return {row.entry_id: (mount.path / "a" / f"{row.entry_id}.jpeg").stat().st_size for row in rows}


@pytest.fixture
def rows(mounted: MountFactory, s3_server: dict[str, S3Server], tmp_path: Path) -> Sequence[Row]:
    mount = mounted("rclone")
    bucket = (tmp_path / "bucket-of-rclone").read_text()
    return add_entries(mount, bucket, s3_server["rclone"], tmp_path / "source")


@SIZES
def test_a_listing_records_the_sizes_that_it_shows(mounted: MountFactory, rows: Sequence[Row]) -> None:
    reading, writing = mounted("rclone", options="ro"), mounted("rclone")
    expected = {row.entry_id: size_of(row) for row in rows}
    assert shown(reading, rows) == expected
    assert recorded(reading) == {}
    assert len(list((writing.path / "a").iterdir())) == COUNT
    assert recorded(writing) == {row.asset_id: size_of(row) for row in rows[:-1]}
    assert shown(writing, rows) == expected
    # Nobody changes the size of an object: so it is seen that this mount asks for what was recorded.
    query(writing, "UPDATE konifer_fs.variant SET size = 7 RETURNING 1")
    later = mounted("rclone")
    assert shown(later, rows[:-1]) == dict.fromkeys(list(expected)[:-1], 7)


@SIZES
def test_all_sizes_are_recorded_by_one_command(mounted: MountFactory, rows: Sequence[Row]) -> None:
    mount = mounted("rclone")
    (mount.path / "ours.jpg").write_bytes(PICTURE)
    assert "29 sizes recorded, 1 objects are missing (konifer-fs fsck)\n" in mount.run("index", "-c", mount.config_file)
    assert recorded(mount) == {row.asset_id: size_of(row) for row in rows[:-1]}
    assert "0 sizes recorded, 1 objects are missing (konifer-fs fsck)\n" in mount.run("index", "-c", mount.config_file)
    assert shown(mount, rows) == {row.entry_id: size_of(row) for row in rows}


@pytest.mark.semantics("An object that is missing or has another size")
def test_a_missing_object_whose_size_nobody_recorded_is_no_empty_file(
    mounted: MountFactory, rows: Sequence[Row], s3_server: dict[str, S3Server], tmp_path: Path
) -> None:
    mount, source = mounted("rclone"), tmp_path / "again"
    missing = mount.path / "a" / f"{rows[-1].entry_id}.jpeg"
    for _ in range(2):
        assert missing.stat().st_size == 0
        with failing(errno.EIO):
            missing.read_bytes()
    source.write_bytes(PICTURE)
    with closing(s3_server["rclone"].make_store()) as objects:
        objects.put(ObjectRef((tmp_path / "bucket-of-rclone").read_text(), rows[-1].key), source, "image/jpeg")
    wait_until(lambda: missing.stat().st_size == len(PICTURE))
    assert missing.read_bytes() == PICTURE


@SIZES
def test_an_object_that_the_store_refuses_to_tell_of_hides_no_other(mounted: MountFactory, rows: Sequence[Row]) -> None:
    mount, odd = mounted("rclone"), rows[0]
    key = "refused/../a.jpeg"  # rclone takes no such key: it is a bad request.
    query(mount, "UPDATE asset_variant SET object_store_key = %s WHERE asset_id = %s RETURNING 1", key, odd.asset_id)
    refused = mount.path / "a" / f"{odd.entry_id}.jpeg"
    assert len(list((mount.path / "a").iterdir())) == COUNT
    assert shown(mount, rows) == {row.entry_id: size_of(row) for row in rows} | {odd.entry_id: 0}
    assert refused.stat().st_size == 0
    with failing(errno.EIO):
        refused.read_bytes()
    refused.chmod(0o600)
    refused.rename(refused.with_name("renamed.jpg"))
    refused.with_name("renamed.jpg").unlink()
    assert len(list((mount.path / "a").iterdir())) == COUNT - 1


@SIZES
def test_what_was_recorded_goes_with_its_entry(mounted: MountFactory, rows: Sequence[Row]) -> None:
    mount = mounted("rclone")
    names = [mount.path / "a" / f"{row.entry_id}.jpeg" for row in rows]
    names[0].stat()
    assert recorded(mount) == {rows[0].asset_id: size_of(rows[0])}
    names[0].unlink()
    assert recorded(mount) == {}
    wait_until(lambda: not names[0].exists())
