"""Several at once on the variants of one entry: one wins, nobody waits in a circle, no object is forgotten."""

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres import recording, variants
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.errors import MovedOn, StoreUnreachable
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.ports import NewVariant, StoredVariant
from tests.postgres import ledger
from tests.postgres.drafts import make, new_entry, node_id
from tests.postgres.renderings import SMALL, add_foreign, new_variant, record
from tests.postgres.wire import Wire, wired


@pytest.fixture
def other(migrated: str) -> Iterator[Connection]:
    """Another connection to the same database."""
    with connect(migrated, autocommit=True) as connection:
        configure(connection, deadline=30)
        yield connection


@pytest.fixture
def store(migrated: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(migrated, max_connections=8)) as store:
        yield store


@pytest.fixture
def wire(migrated: str) -> Iterator[Wire]:
    with tempfile.TemporaryDirectory() as directory, wired(Path(directory), migrated) as wire:
        yield wire


@pytest.fixture
def entry(connection: Connection) -> Entry:
    """An entry that a mount recorded, at `/a/x.jpg`."""
    return recording.record(connection, new_entry(make(connection, "/a"), "x.jpg", node_id(connection)))


def test_of_many_that_record_one_transformation_at_once_one_wins(store: PostgresStore, entry: Entry) -> None:
    gate = threading.Barrier(6)

    def attempt(new: NewVariant) -> StoredVariant:
        gate.wait(30)
        return store.record_variant(new)

    with ThreadPoolExecutor(6) as pool:
        for blur in range(1, 11):
            rivals = [new_variant(entry.asset_id, {**SMALL, "blur": blur}) for _ in range(6)]
            stored = list(pool.map(attempt, rivals))
            assert len({variant.id for variant in stored}) == 1
            assert stored[0].ref in {new.ref for new in rivals}
    assert len(store.list_variants(entry)) == 11


def test_a_rendering_waits_for_who_deletes_its_asset(
    connection: Connection, other: Connection, store: PostgresStore, entry: Entry
) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        with connection.transaction():
            connection.execute("DELETE FROM asset_variant")
            connection.execute("DELETE FROM asset_tree")
            recorded = pool.submit(store.record_variant, new_variant(entry.asset_id))
            while not ledger.one(other, waiting):
                assert not recorded.done()
                time.sleep(0.01)
        with pytest.raises(MovedOn):
            recorded.result(30)


def test_a_variant_that_konifer_is_storing_is_waited_for(
    connection: Connection, store: PostgresStore, entry: Entry
) -> None:
    key = add_foreign(connection, entry.asset_id, SMALL, uploaded=False)
    with ThreadPoolExecutor(1) as pool:
        recorded = pool.submit(store.record_variant, new_variant(entry.asset_id))
        time.sleep(0.3)
        assert not recorded.done()
        connection.execute("UPDATE asset_variant SET uploaded_at = created_at WHERE object_store_key = %s", [key])
        assert recorded.result(30).ref.key == key


def test_a_variant_that_konifer_never_finishes_is_ours_once_it_is_swept(
    migrated: str, connection: Connection, entry: Entry
) -> None:
    key = add_foreign(connection, entry.asset_id, SMALL, uploaded=False)
    new = new_variant(entry.asset_id)
    with closing(PostgresStore(migrated, deadline=1)) as store:
        with pytest.raises(StoreUnreachable, match="another writer"):
            store.record_variant(new)
        assert store.sweep() == 1
        assert store.record_variant(new).ref == new.ref
    assert ledger.told(connection) == {key}


def test_a_variant_whose_answer_was_lost_is_ours(wire: Wire, entry: Entry) -> None:
    with closing(PostgresStore(wire.conninfo)) as store:
        new = new_variant(entry.asset_id)
        wire.cut_answer_to(b"INSERT INTO asset_variant")
        stored = store.record_variant(new)
        assert wire.cuts == 1
        assert (stored.ref, stored.size) == (new.ref, 4321)
        assert len(store.list_variants(entry)) == 2


def test_noting_accesses_waits_for_nobody(connection: Connection, other: Connection, entry: Entry) -> None:
    one, two = (record(connection, new_variant(entry.asset_id, {**SMALL, "blur": blur})) for blur in (1, 2))
    with other.transaction():
        other.execute("DELETE FROM asset_variant WHERE id = %s", [one.id])
        variants.note_accesses(connection, {one.id: 60, two.id: 60})
    assert ledger.one(connection, "SELECT id FROM asset_variant WHERE expires_at IS NOT NULL") == two.id


class Renderer:
    """Does what mounts do to one name, at random, and remembers the objects it did not have to delete itself."""

    def __init__(self, store: PostgresStore, directory: Directory, seed: int) -> None:
        self.store = store
        self.directory = directory
        self.random = random.Random(seed)
        self.kept: set[str] = set()

    def run(self, turns: int) -> None:
        steps: list[Callable[[Entry], None]] = [self.render] * 6 + [
            self.overwrite,
            self.remove,
            self.drop,
            self.use,
            self.use,
            self.sweep,
        ]
        for _ in range(turns):
            found = self.store.find_child(self.directory, "x.jpg")
            with suppress(MovedOn):
                if isinstance(found, Entry):
                    self.random.choice(steps)(found)
                else:
                    self.overwrite()

    def overwrite(self, _: Entry | None = None) -> None:
        draft = new_entry(self.directory, "x.jpg", self.store.reserve_ids(1)[0])
        self.store.record(draft)
        self.kept.add(draft.original.key)

    def remove(self, entry: Entry) -> None:
        self.store.remove_entry(self.directory, entry, 1)

    def render(self, entry: Entry) -> None:
        transformation = {**SMALL, "blur": self.random.randrange(1, 5)}
        new = new_variant(entry.asset_id, transformation, expires_after=self.random.choice([None, 0, 60]))
        if self.store.record_variant(new).ref == new.ref:
            self.kept.add(new.ref.key)

    def drop(self, entry: Entry) -> None:
        self.store.remove_variant(self.random.choice(self.store.list_variants(entry)))

    def use(self, entry: Entry) -> None:
        listed = self.store.list_variants(entry)
        self.store.note_accesses({variant.id: self.random.choice([None, 0, 60]) for variant in listed})

    def sweep(self, _: Entry) -> None:
        self.store.sweep()


@pytest.mark.timeout(120)
def test_renderers_and_writers_of_one_name_forget_no_object_and_never_lock_up(
    store: PostgresStore, connection: Connection
) -> None:
    directory = make(connection, "/a")
    renderers = [Renderer(store, directory, seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda renderer: renderer.run(100), renderers))
    store.close()
    while ledger.one(connection, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") > 1:
        time.sleep(0.01)  # a session tells of its deadlocks when it ends
    assert ledger.one(connection, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    stored, told = ledger.stored(connection), ledger.told(connection)
    assert not stored & told
    assert set().union(*(renderer.kept for renderer in renderers)) == stored | told
    assert len(told) == ledger.one(connection, "SELECT count(*) FROM outbox")
    orphans = "SELECT count(*) FROM konifer_fs.variant WHERE id NOT IN (SELECT id FROM asset_variant)"
    assert ledger.one(connection, orphans) == 0
    ledger.check(connection)
