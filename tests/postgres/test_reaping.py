"""The outbox and the sweepers: what is deleted in the background, and what must not be."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres import reaping
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.domain.variant import ObjectRef
from tests.postgres import ledger, trees

SMALL = {"width": 1, "height": 1, "format": "png"}


@pytest.fixture
def other(migrated: str) -> Iterator[Connection]:
    """Another connection to the same database."""
    with connect(migrated, autocommit=True) as connection:
        configure(connection, deadline=30)
        yield connection


def minutes_ago(minutes: float) -> str:
    """As Konifer writes it: UTC without saying so."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).replace(tzinfo=None).isoformat(" ")


def tell(connection: Connection, payload: str | None, event_type: str = "VARIANT_DELETED", age: int = 0) -> None:
    connection.execute(
        "INSERT INTO outbox VALUES (gen_random_uuid(), %s, %s, now() - %s * interval '1 minute')",
        [event_type, payload, age],
    )


def test_pending_deletes_are_well_formed_and_the_oldest_first(connection: Connection) -> None:
    for age, key in ((1, "new"), (3, "old"), (2, "between")):
        tell(connection, f'{{"objectStoreBucket": "b", "objectStoreKey": "{key}"}}', age=age)
    for payload in (
        None,
        "null",
        "1",
        "[]",
        '"objectStoreKey"',
        "{}",
        '{"objectStoreKey": "k"}',
        '{"objectStoreBucket": "b", "objectStoreKey": null}',
        '{"objectStoreBucket": "b", "objectStoreKey": 1}',
        '{"objectStoreBucket": "b", "objectStoreKey": "k", "more": 1}',
    ):
        tell(connection, payload, age=9)
    tell(connection, '{"objectStoreBucket": "b", "objectStoreKey": "k"}', event_type="ELSE", age=9)
    found = reaping.list_pending_deletes(connection, 10)
    assert [pending.ref for pending in found] == [ObjectRef("b", key) for key in ("old", "between", "new")]
    assert reaping.list_pending_deletes(connection, 2) == found[:2]
    assert reaping.list_pending_deletes(connection, 2, found[0]) == found[1:]
    for pending in (found[0], found[0]):
        reaping.drop_pending_delete(connection, pending)
    assert reaping.list_pending_deletes(connection, 10) == found[1:]


def test_uploads_that_never_ended_are_swept_by_the_protocol(connection: Connection) -> None:
    old = trees.add_asset(connection, "root.a", ready=False, created_at=minutes_ago(6), labels={"k": "v"})
    keys = ledger.stored(connection)
    spared = {
        trees.add_asset(connection, "root.a", ready=False, created_at=minutes_ago(4)),
        trees.add_asset(connection, "root.a", ready=False, created_at=minutes_ago(6), original=False),
        trees.add_asset(connection, "root.a", created_at=minutes_ago(6)),
    }
    assert reaping.sweep(connection) == 1
    assert {row for (row,) in connection.execute("SELECT id FROM asset_tree")} == spared
    assert old not in spared
    assert ledger.told(connection) == keys
    assert reaping.sweep(connection) == 0


def test_variants_never_uploaded_or_past_their_time_are_swept_and_originals_are_not(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a", created_at=minutes_ago(60))

    def variant(width: int, *, created: float, uploaded: bool, expires: float | None) -> str:
        key = trees.add_variant(connection, asset, {**SMALL, "width": width}, created_at=minutes_ago(created))
        connection.execute(
            "UPDATE asset_variant SET uploaded_at = CASE WHEN %s THEN created_at END, expires_at = %s"
            " WHERE object_store_key = %s",
            [uploaded, minutes_ago(expires) if expires is not None else None, key],
        )
        return key

    gone = {
        variant(1, created=6, uploaded=False, expires=None),
        variant(2, created=6, uploaded=True, expires=0.1),
    }
    variant(3, created=4, uploaded=False, expires=None)
    variant(4, created=6, uploaded=True, expires=-1)
    variant(5, created=6, uploaded=True, expires=None)
    connection.execute("UPDATE asset_variant SET expires_at = %s WHERE original_variant", [minutes_ago(9)])
    assert reaping.sweep(connection) == 2
    assert ledger.told(connection) == gone
    assert ledger.one(connection, "SELECT count(*) FROM asset_variant") == 4


def test_a_sweep_goes_on_until_all_is_swept(connection: Connection) -> None:
    for _ in range(105):
        trees.add_asset(connection, "root.a", ready=False, created_at=minutes_ago(6))
    asset = trees.add_asset(connection, "root.a")
    for width in range(105):
        trees.add_variant(connection, asset, {**SMALL, "width": width}, created_at=minutes_ago(6))
    connection.execute("UPDATE asset_variant SET uploaded_at = NULL WHERE NOT original_variant")
    assert reaping.sweep(connection) == 210
    assert len(ledger.told(connection)) == 210


def test_a_sweep_passes_over_what_another_one_has_in_hand(connection: Connection, other: Connection) -> None:
    for _ in range(2):
        trees.add_asset(connection, "root.a", ready=False, created_at=minutes_ago(6))
    with other.transaction():
        other.execute("SELECT FROM asset_tree LIMIT 1 FOR UPDATE")
        assert reaping.sweep(connection) == 1
    assert reaping.sweep(connection) == 1


def test_a_database_that_knows_no_expiry_is_swept(connection: Connection) -> None:
    connection.execute("ALTER TABLE asset_variant DROP COLUMN expires_at")
    trees.add_asset(connection, "root.a", ready=False, created_at=minutes_ago(6))
    assert reaping.sweep(connection) == 1


def test_one_at_a_time_does_a_task(connection: Connection, other: Connection) -> None:
    with reaping.exclusively(connection, "reap") as first:
        with reaping.exclusively(other, "reap") as second, reaping.exclusively(other, "sweep") as another:
            assert (first, second, another) == (True, False, True)
        with reaping.exclusively(other, "reap") as still:
            assert not still
    with reaping.exclusively(other, "reap") as then:
        assert then


def test_a_task_that_fails_or_loses_its_connection_lets_go(connection: Connection, other: Connection) -> None:
    def fail() -> None:
        with reaping.exclusively(connection, "reap"):
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    with reaping.exclusively(other, "reap") as free:
        assert free
        other.close()
    ended = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()"
    while not ledger.one(connection, ended):
        time.sleep(0.01)
    with reaping.exclusively(connection, "reap") as free:
        assert free
