"""Variants: what is found, what Konifer will read of those recorded, and what happens when others are at it too."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from psycopg import Connection
from uuid_utils.compat import uuid4

from konifer_fs.adapters.postgres import reading, reaping, recording, removing, variants
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.dialect import Dialect, read_transformation
from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Entry
from konifer_fs.domain.variant import Json
from konifer_fs.ports import OnClash, StoredVariant
from tests.postgres import ledger, looking, trees
from tests.postgres.drafts import ATTRIBUTES, make, new_entry, node_id
from tests.postgres.renderings import SMALL, add_foreign, new_variant, record

LQIP: Final[Json] = {"blurhash": "LKO2?U%2Tw=w]~RBVZRi};RPxuwH"}
OLDER: Final[Json] = {"width": 5, "height": 5, "format": "JPEG_XL", "rotate": "NINETY", "filter": "GREYSCALE"}
SIZES: Final = "SELECT count(*) FROM konifer_fs.variant"


@pytest.fixture
def store(migrated: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(migrated, max_connections=8)) as store:
        yield store


@pytest.fixture
def entry(connection: Connection) -> Entry:
    """An entry that a mount recorded, at `/a/x.jpg`."""
    return recording.record(connection, new_entry(make(connection, "/a"), "x.jpg", node_id(connection)))


def expiry_of(connection: Connection, variant: StoredVariant) -> datetime | None:
    """Read when a variant expires."""
    found: datetime | None = ledger.one(connection, "SELECT expires_at FROM asset_variant WHERE id = %s", variant.id)
    return found


def is_about(moment: datetime | None, seconds_from_now: float) -> bool:
    """Whether a moment is so many seconds from now, a minute more or less."""
    return moment is not None and abs(moment - datetime.now(UTC) - timedelta(seconds=seconds_from_now)) < timedelta(
        minutes=1
    )


def test_a_recorded_variant_is_what_konifer_itself_would_have_written(connection: Connection, entry: Entry) -> None:
    new = new_variant(entry.asset_id, lqip=LQIP)
    before = ledger.one(connection, "SELECT modified_at FROM asset_tree")
    stored = record(connection, new)
    assert ledger.row(
        connection,
        "SELECT asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip, original_variant,"
        " uploaded_at = created_at, last_accessed_at = created_at, expires_at FROM asset_variant WHERE id = %s",
        stored.id,
    ) == (
        *(entry.asset_id, new.ref.bucket, new.ref.key, SMALL),
        {"width": 200, "height": 149, "format": "webp", "pageCount": 1, "loop": 0, "colorSpace": "srgb"},
        *(LQIP, False, True, True, None),
    )
    assert ledger.row(connection, "SELECT * FROM konifer_fs.variant") == (stored.id, 4321, bytes(range(32)))
    assert ledger.one(connection, "SELECT modified_at FROM asset_tree") == before
    assert is_about(stored.created_at, 0)
    assert (stored.asset_id, stored.ref, stored.is_original, stored.size) == (entry.asset_id, new.ref, False, 4321)
    assert stored == variants.find_variant(connection, entry, SMALL)
    ledger.check(connection)


def test_the_original_and_all_variants_are_listed_the_newest_first(connection: Connection, entry: Entry) -> None:
    stored = [record(connection, new_variant(entry.asset_id, {**SMALL, "width": width})) for width in (1, 2, 3)]
    listed = variants.list_variants(connection, entry)
    assert listed[:3] == stored[::-1]
    (original,) = listed[3:]
    assert (original.is_original, original.ref, original.size) == (True, entry.original, 12345)
    assert original.transformation == {"width": 640, "height": 480, "format": "jpg"}
    assert original.attributes == ATTRIBUTES.to_json()
    assert variants.find_variant(connection, entry, original.transformation) == original


def test_an_entry_that_was_replaced_has_moved_on_even_where_its_asset_is_kept(connection: Connection) -> None:
    directory = make(connection, "/a")
    first = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    second = recording.record(connection, replace(new_entry(directory, "x.jpg", first.id), keep=True))
    assert len(variants.list_variants(connection, second)) == 1
    with pytest.raises(MovedOn):
        variants.list_variants(connection, first)


def test_transformations_are_equal_as_json_is(connection: Connection, entry: Entry) -> None:
    padded = {**SMALL, "padding": {"amount": 3, "color": [1, 2, 3, 4]}}
    stored = record(connection, new_variant(entry.asset_id, padded))
    same: Json = {"padding": {"color": [1.0, 2, 3, 4], "amount": 3.0}, "format": "webp", "height": 150, "width": 200.0}
    assert variants.find_variant(connection, entry, same) == stored
    for different in (SMALL, {**padded, "blur": 0}, {**padded, "padding": {"amount": 3, "color": [2, 1, 3, 4]}}):
        assert variants.find_variant(connection, entry, different) is None


def test_rows_of_other_writers_have_no_size_and_any_json(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a")
    shapes: list[object] = [
        OLDER,
        {"width": 5, "height": 5, "format": "avif", "pixels": {"channels": "RGB"}, "later": [None]},
        ["no", "object"],
        None,
    ]
    for shape in shapes:
        add_foreign(connection, asset, shape)
    entry = looking.entry(connection, "root.a", "0.jpeg")
    listed = variants.list_variants(connection, entry)
    assert {variant.size for variant in listed} == {None}
    transformations = [variant.transformation for variant in listed]
    assert transformations.count({}) == 2
    assert read_transformation(OLDER) in transformations
    assert shapes[1] in transformations
    assert variants.find_variant(connection, entry, read_transformation(OLDER), Dialect.A) in listed
    assert variants.find_variant(connection, entry, read_transformation(OLDER), Dialect.C) is None


def test_what_is_not_uploaded_or_not_ready_is_not_seen(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a")
    entry = looking.entry(connection, "root.a", "0.jpeg")
    add_foreign(connection, asset, SMALL, uploaded=False)
    assert [variant.is_original for variant in variants.list_variants(connection, entry)] == [True]
    assert variants.find_variant(connection, entry, SMALL) is None
    connection.execute("UPDATE asset_tree SET is_ready = false")
    assert variants.find_variant(connection, entry, trees.ATTRIBUTES) is None
    for attempt in (lambda: variants.list_variants(connection, entry), lambda: record(connection, new_variant(asset))):
        with pytest.raises(MovedOn):
            attempt()


def test_an_entry_without_any_variant_is_no_entry_that_is_gone(connection: Connection) -> None:
    trees.add_asset(connection, "root.a", original=False)
    assert variants.list_variants(connection, looking.entry(connection, "root.a", "0")) == []


def test_the_second_of_the_same_transformation_gets_the_first(connection: Connection, entry: Entry) -> None:
    first = record(connection, new_variant(entry.asset_id))
    second = new_variant(entry.asset_id, {**SMALL, "height": 150.0})
    assert record(connection, second) == first
    assert first.ref != second.ref
    foreign = add_foreign(connection, entry.asset_id, {**SMALL, "blur": 7})
    assert record(connection, new_variant(entry.asset_id, {**SMALL, "blur": 7})).ref.key == foreign
    original = record(connection, new_variant(entry.asset_id, {"width": 640, "height": 480, "format": "jpg"}))
    assert original.is_original
    assert ledger.one(connection, "SELECT count(*) FROM asset_variant") == 3
    assert ledger.one(connection, SIZES) == 1
    assert ledger.told(connection) == set()


@pytest.mark.parametrize("how", ["removed", "overwritten", "replaced", "deleted elsewhere"])
def test_a_rendering_of_an_asset_that_is_gone_meanwhile_is_refused(
    connection: Connection, store: PostgresStore, entry: Entry, how: str
) -> None:
    kept = record(connection, new_variant(entry.asset_id, {**SMALL, "blur": 1}))
    directory = looking.at(connection, "root.a")
    match how:
        case "removed":
            removing.remove_entry(connection, directory, entry, 1)
        case "overwritten":
            recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
        case "replaced":
            recording.record(connection, new_entry(directory, "y.jpg", node_id(connection)))
            store.move(directory, "y.jpg", directory, "x.jpg", OnClash.REPLACE, 1)
        case _:
            connection.execute("DELETE FROM asset_variant")
            connection.execute("DELETE FROM asset_tree")
    with pytest.raises(MovedOn):
        store.record_variant(new_variant(entry.asset_id))
    with pytest.raises(MovedOn):
        store.list_variants(entry)
    assert store.find_variant(entry, SMALL) is None
    assert ledger.one(connection, SIZES) == 0
    if how != "deleted elsewhere":
        assert ledger.is_told(connection, kept.ref)
        assert ledger.is_told(connection, entry.original)
    ledger.check(connection)


def test_a_removed_variant_is_told_of_once_and_originals_stay(connection: Connection, entry: Entry) -> None:
    stored = record(connection, new_variant(entry.asset_id))
    (original,) = [variant for variant in variants.list_variants(connection, entry) if variant.is_original]
    for variant in (stored, stored, original, replace(original, is_original=False)):
        variants.remove_variant(connection, variant)
    assert ledger.told(connection) == {stored.ref.key}
    assert ledger.is_told(connection, stored.ref)
    assert ledger.one(connection, SIZES) == 0
    assert variants.list_variants(connection, entry) == [original]
    again = new_variant(entry.asset_id)
    assert record(connection, again).ref == again.ref


def test_a_variant_expires_when_it_was_said_to(connection: Connection, entry: Entry) -> None:
    lasting = record(connection, new_variant(entry.asset_id, {**SMALL, "blur": 1}, expires_after=600))
    brief = record(connection, new_variant(entry.asset_id, {**SMALL, "blur": 2}, expires_after=0))
    assert is_about(expiry_of(connection, lasting), 600)
    assert reaping.sweep(connection) == 1
    assert ledger.told(connection) == {brief.ref.key}
    assert ledger.one(connection, "SELECT id FROM konifer_fs.variant") == lasting.id


def test_accesses_put_off_the_expiry_of_variants_and_give_originals_none(connection: Connection, entry: Entry) -> None:
    idle, ttl, never, unused = (
        record(connection, new_variant(entry.asset_id, {**SMALL, "blur": blur}, expires_after=after))
        for blur, after in ((1, 60), (2, 60), (3, None), (4, 60))
    )
    original = variants.list_variants(connection, entry)[-1]
    connection.execute("UPDATE asset_variant SET last_accessed_at = '2026-01-01'")
    variants.note_accesses(connection, {idle.id: 7200, ttl.id: None, never.id: None, original.id: 7200, uuid4(): 1})
    assert is_about(expiry_of(connection, idle), 7200)
    assert is_about(expiry_of(connection, ttl), 60)
    assert is_about(expiry_of(connection, unused), 60)
    assert (expiry_of(connection, never), expiry_of(connection, original)) == (None, None)
    noted = connection.execute("SELECT id FROM asset_variant WHERE last_accessed_at > '2026-01-01'").fetchall()
    assert {id_ for (id_,) in noted} == {idle.id, ttl.id, never.id}
    variants.note_accesses(connection, {})


def test_an_access_never_moves_back_a_later_one(connection: Connection, entry: Entry) -> None:
    stored = record(connection, new_variant(entry.asset_id))
    connection.execute("UPDATE asset_variant SET last_accessed_at = '2126-01-01', expires_at = '2126-02-01'")
    variants.note_accesses(connection, {stored.id: 60})
    assert expiry_of(connection, stored) == datetime(2126, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("columns", ["last_accessed_at", "last_accessed_at, DROP expires_at"])
def test_a_konifer_that_knows_no_accesses_gets_what_it_knows(
    connection: Connection, entry: Entry, columns: str
) -> None:
    connection.execute(f"ALTER TABLE asset_variant DROP {columns}")
    stored = record(connection, new_variant(entry.asset_id, expires_after=60))
    variants.note_accesses(connection, {stored.id: 7200})
    assert variants.find_variant(connection, entry, SMALL) == stored
    if "expires_at" not in columns:
        assert is_about(expiry_of(connection, stored), 60)
    reaping.sweep(connection)
    assert len(variants.list_variants(connection, entry)) == 2


def test_a_konifer_that_counts_accesses_gets_its_first(connection: Connection, entry: Entry) -> None:
    connection.execute(
        "ALTER TABLE asset_variant ADD access_score double precision NOT NULL DEFAULT 0,"
        " ADD access_score_as_of timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')"
    )
    stored = record(connection, new_variant(entry.asset_id))
    query = "SELECT access_score, access_score_as_of = created_at FROM asset_variant WHERE id = %s"
    assert ledger.row(connection, query, stored.id) == (1, True)


def test_all_that_konifer_tells_of_an_asset_can_be_read(connection: Connection) -> None:
    trees.add_asset(
        connection, "root.a", source_url="https://example.org/x", labels={"k": "v"}, tags=("t",), alt="hill"
    )
    entry = looking.entry(connection, "root.a", "0.jpeg")
    facts = reading.read_facts(connection, entry)
    said = facts.annotations
    assert (said.alt, said.source_url, said.labels, said.tags) == ("hill", "https://example.org/x", {"k": "v"}, ("t",))
    assert (entry.entry_id, facts.modified_at - facts.created_at) == (0, timedelta(hours=1))
    (original,) = variants.list_variants(connection, entry)
    assert (original.attributes, original.lqip, original.ref) == (trees.ATTRIBUTES, {}, entry.original)
