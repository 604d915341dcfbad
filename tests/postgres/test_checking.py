"""What `fsck` and `gc` ask of the database: all that refers to objects, and each kind of contradiction, made by SQL."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from uuid import UUID

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres import sql_checking
from konifer_fs.adapters.postgres.checking import PostgresExaminer
from konifer_fs.domain.errors import StoreRefused, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Reference
from tests.postgres import ledger, trees

SMALL = {"width": 1, "height": 1, "format": "png"}


@pytest.fixture
def examiner(migrated: str) -> Iterator[PostgresExaminer]:
    with closing(PostgresExaminer(migrated)) as examiner:
        yield examiner


def add_named(connection: Connection, name: str, *, size: int | None = 7) -> UUID:
    """Insert an asset that shows as `name` in the directory `/a`."""
    asset = trees.add_asset(connection, "root.a")
    trees.name_asset(connection, trees.add_directory(connection, "root.a"), name, asset, size=size)
    return asset


def tell(connection: Connection, bucket: str, key: str) -> None:
    connection.execute(
        "INSERT INTO outbox VALUES (gen_random_uuid(), 'VARIANT_DELETED',"
        " jsonb_build_object('objectStoreBucket', %s::text, 'objectStoreKey', %s::text), now())",
        [bucket, key],
    )


def references(examiner: PostgresExaminer, bucket: str = "assets") -> list[Reference]:
    return list(chain.from_iterable(examiner.stream_references(bucket)))


def detach_names(connection: Connection) -> None:
    """Let names outlive their assets, as after a restore without our foreign keys."""
    connection.execute("ALTER TABLE konifer_fs.node DROP CONSTRAINT node_asset")


# What refers to objects.
def test_references_come_by_the_bytes_of_their_keys_with_what_was_recorded(
    connection: Connection, examiner: PostgresExaminer
) -> None:
    asset = add_named(connection, "tree.jpeg")
    connection.execute("UPDATE konifer_fs.node SET sha256 = sha256('') WHERE asset_id = %s", [asset])
    generated = trees.add_variant(connection, asset, SMALL)
    connection.execute(
        "INSERT INTO konifer_fs.variant SELECT id, 9, sha256('x') FROM asset_variant WHERE NOT original_variant"
    )
    foreign = trees.add_asset(connection, "root")
    tell(connection, "assets", "Z")
    tell(connection, "assets", "a-é")
    found = references(examiner)
    assert [it.ref.key for it in found] == sorted({*ledger.stored(connection), "Z", "a-é"}, key=str.encode)
    by_size = {it.size: it for it in found if it.variant}
    assert (by_size[7].where, by_size[7].is_original, by_size[7].sha256) == (
        "/a/tree.jpeg", True, ledger.one(connection, "SELECT sha256('')"),
    )  # fmt: skip
    assert (by_size[9].where, by_size[9].is_original, by_size[9].ref.key) == ("/a/tree.jpeg", False, generated)
    assert (by_size[None].where, by_size[None].sha256) == ("/-/entry/0", None)
    assert by_size[None].variant == ledger.one(connection, "SELECT id FROM asset_variant WHERE asset_id = %s", foreign)
    assert {it.ref.key for it in found if it.variant is None} == {"Z", "a-é"}
    assert examiner.count_references() == len(found) == 5


def test_an_upload_under_way_promises_nothing_of_its_object(connection: Connection, examiner: PostgresExaminer) -> None:
    trees.add_asset(connection, "root.a", ready=False)
    connection.execute("UPDATE asset_variant SET uploaded_at = NULL")
    assert [it.variant for it in references(examiner)] == [None]


def test_buckets_are_those_of_rows_and_of_the_outbox(connection: Connection, examiner: PostgresExaminer) -> None:
    asset = trees.add_asset(connection, "root.a")
    key = trees.add_variant(connection, asset, SMALL, bucket="others")
    tell(connection, "Bin", "key")
    connection.execute("INSERT INTO outbox VALUES (gen_random_uuid(), 'VARIANT_DELETED', NULL, now())")
    connection.execute("INSERT INTO outbox VALUES (gen_random_uuid(), 'VARIANT_DELETED', '[1]', now())")
    assert examiner.list_buckets() == ["Bin", "assets", "others"]
    assert [it.ref for it in references(examiner, "others")] == [ObjectRef("others", key)]
    assert [it.ref for it in references(examiner, "Bin")] == [ObjectRef("Bin", "key")]


def test_a_stream_is_as_of_one_moment_and_leaves_the_connection_usable(
    connection: Connection, examiner: PostgresExaminer
) -> None:
    asset = trees.add_asset(connection, "root.a")
    connection.execute(
        "INSERT INTO asset_variant SELECT gen_random_uuid(), asset_id, 'assets', i::text,"
        " jsonb_build_object('width', i), attributes, lqip, false, created_at, uploaded_at"
        " FROM asset_variant, generate_series(1, 4500) i"
    )
    stream = examiner.stream_references("assets")
    first = next(stream)
    connection.execute("DELETE FROM asset_variant WHERE asset_id = %s", [asset])
    assert not examiner.is_unchanged(first[0])
    assert len(first) + sum(map(len, stream)) == 4501
    assert references(examiner) == []


def test_a_row_that_says_anything_else_has_changed(connection: Connection, examiner: PostgresExaminer) -> None:
    asset = add_named(connection, "tree.jpeg")
    (found,) = references(examiner)
    assert examiner.is_unchanged(found)
    connection.execute("UPDATE konifer_fs.node SET name = 'leaf.jpeg' WHERE asset_id = %s", [asset])
    assert examiner.is_unchanged(found)
    connection.execute("UPDATE konifer_fs.node SET size = 8 WHERE asset_id = %s", [asset])
    assert not examiner.is_unchanged(found)


def test_unreferenced_are_those_that_neither_a_variant_nor_the_outbox_names(
    connection: Connection, examiner: PostgresExaminer
) -> None:
    trees.add_asset(connection, "root.a")
    key = ledger.one(connection, "SELECT object_store_key FROM asset_variant")
    tell(connection, "assets", "going")
    refs = [ObjectRef("assets", it) for it in (key, "going", "orphan")]
    elsewhere = [ObjectRef("others", it.key) for it in refs]
    assert set(examiner.list_unreferenced([*refs, *elsewhere])) == {refs[2], *elsewhere}
    assert examiner.list_unreferenced([]) == []


def test_many_keys_are_looked_for_in_one_pass(connection: Connection) -> None:
    """There is no index of keys: a pass for each of them would take hours."""
    for number in range(300):
        trees.add_asset(connection, f"root.a{number}")
    connection.execute("ANALYZE")
    asked = {"buckets": ["assets"] * 1000, "keys": [str(number) for number in range(1000)]}
    plan = [row[0] for row in connection.execute(f"EXPLAIN {sql_checking.UNREFERENCED}".encode(), asked)]
    assert sum("Seq Scan on asset_variant" in line for line in plan) == 1
    assert any("Hash Right Anti Join" in line or "Hash Anti Join" in line for line in plan), plan
    assert not any("Nested Loop" in line for line in plan), plan


# Sizes.
def test_a_size_is_corrected_once_and_only_while_its_row_is_the_same(
    connection: Connection, examiner: PostgresExaminer
) -> None:
    asset = add_named(connection, "tree.jpeg")
    trees.add_variant(connection, asset, SMALL)
    connection.execute(
        "INSERT INTO konifer_fs.variant SELECT id, 9, sha256('x') FROM asset_variant WHERE NOT original_variant"
    )
    for reference in references(examiner):
        stale = replace(reference, ref=ObjectRef("assets", "another"))
        assert not examiner.correct_size(stale, 5)
        assert examiner.correct_size(reference, 5)
        assert not examiner.correct_size(reference, 6)
    assert [it.size for it in references(examiner)] == [5, 5]


# Contradictions.
def test_counters_behind_are_found_and_raised_and_never_lowered(
    connection: Connection, examiner: PostgresExaminer
) -> None:
    for path in ("root.a", "root.a", "root.a", "root.b", "root.b", "root.c"):
        trees.add_asset(connection, path)
    assert not list(examiner.stream_low_counters())
    connection.execute("UPDATE path_entry_counter SET last_entry_id = 1 WHERE path = 'root.a'")
    connection.execute("DELETE FROM path_entry_counter WHERE path = 'root.b'")
    connection.execute("UPDATE path_entry_counter SET last_entry_id = 9 WHERE path = 'root.c'")
    found = list(chain.from_iterable(examiner.stream_low_counters()))
    assert [(it.path, it.highest, it.counted) for it in found] == [("root.a", 2, 1), ("root.b", 1, None)]
    examiner.raise_counters(["root.a", "root.b", "root.c", "root.nothing"])
    assert not list(examiner.stream_low_counters())
    counters = connection.execute("SELECT path::text, last_entry_id FROM path_entry_counter ORDER BY path").fetchall()
    assert counters == [("root.a", 2), ("root.b", 1), ("root.c", 9)]
    trees.add_asset(connection, "root.b")


def test_names_that_denote_nothing_are_found_and_removed(connection: Connection, examiner: PostgresExaminer) -> None:
    add_named(connection, "well.jpeg")
    moved, gone = add_named(connection, "moved.jpeg"), add_named(connection, "gone.jpeg")
    shown = trees.add_asset(connection, "root.a")
    connection.execute("INSERT INTO konifer_fs.node (asset_id, mode) VALUES (%s, 420)", [shown])
    trees.add_symlink(connection, 1, "link", "a")
    assert not list(examiner.stream_dead_names())
    connection.execute("UPDATE asset_tree SET path = 'root.b' WHERE id = %s", [moved])
    detach_names(connection)
    for table in ("asset_variant WHERE asset_id", "asset_tree WHERE id"):
        connection.execute(f"DELETE FROM {table} = %s".encode(), [gone])
    found = list(chain.from_iterable(examiner.stream_dead_names()))
    assert [(it.where, it.is_gone) for it in found] == [("/a/moved.jpeg", False), ("/a/gone.jpeg", True)]
    everything = [row[0] for row in connection.execute("SELECT id FROM konifer_fs.node")]
    examiner.remove_dead_names(everything)
    assert not list(examiner.stream_dead_names())
    left = connection.execute(
        "SELECT name, size FROM konifer_fs.node WHERE asset_id IS NOT NULL ORDER BY id"
    ).fetchall()
    assert left == [("well.jpeg", 7), (None, 7), (None, None)]
    assert ledger.one(connection, "SELECT count(*) FROM konifer_fs.node") == len(everything) - 1


def test_assets_without_an_original_are_found(connection: Connection, examiner: PostgresExaminer) -> None:
    add_named(connection, "well.jpeg")
    bare = trees.add_asset(connection, "root.b", original=False)
    trees.add_variant(connection, bare, SMALL)
    trees.add_asset(connection, "root.b", ready=False, original=False)
    named = add_named(connection, "lost.jpeg")
    connection.execute("DELETE FROM asset_variant WHERE asset_id = %s", [named])
    assert list(examiner.stream_without_original()) == [["/a/lost.jpeg", "/b/-/entry/0", "/b/-/entry/1"]]


# Failures.
def test_a_server_that_is_not_there_is_unreachable(tmp_path: object) -> None:
    with pytest.raises(StoreUnreachable):
        PostgresExaminer(f"host={tmp_path} dbname=nothing user=nobody", deadline=2)


def test_what_a_role_may_not_read_is_refused(connection: Connection, migrated: str) -> None:
    connection.execute("CREATE ROLE nobody_reads LOGIN")
    try:
        with closing(PostgresExaminer(f"{migrated} user=nobody_reads")) as examiner, pytest.raises(StoreRefused):
            examiner.list_buckets()
    finally:
        connection.execute("DROP ROLE nobody_reads")
