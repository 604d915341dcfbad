"""Many at once on the same names: no ghosts, no errors that are not the caller's, no object forgotten."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial

import psycopg
import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.errors import (
    DirectoryNotEmpty,
    IsADirectory,
    MovedOn,
    MoveIntoItself,
    NameTaken,
    NameTooLong,
    NoSuchName,
    NotADirectory,
)
from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, new_entry

SECONDS = 8
WRITERS = 8
DIRECTORIES = ("a", "b", "c")
FILES = ("x.jpg", "y.jpg", "z.jpg", "0.jpeg", "a")
# What a caller has to expect when others are at work; anything else is a fault.
EXPECTED = (DirectoryNotEmpty, IsADirectory, MovedOn, MoveIntoItself, NameTaken, NoSuchName, NotADirectory)


@pytest.fixture
def store(migrated: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(migrated, max_connections=WRITERS)) as store:
        yield store


class Writer:
    """Does what mounts do, at random, and remembers the objects it stored."""

    def __init__(self, store: PostgresStore, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.recorded: set[str] = set()
        self.replaced: Entry | None = None

    def run(self, until: float) -> None:
        steps = [self.record] * 5 + [self.move] * 4 + [self.unlink] * 2 + [self.mkdir] * 2 + [self.rmdir]
        while time.monotonic() < until:
            with suppress(*EXPECTED):
                self.random.choice(steps)()

    def directory(self) -> Directory:
        """Pick a directory, seldom one that was there a moment ago only."""
        labels = tuple(self.random.choices(DIRECTORIES, k=self.random.randrange(3)))
        found = self.store.find_directory(AssetPath(labels))
        return found or Directory(id=1, path=AssetPath(), made=True)

    def name(self) -> str:
        return self.random.choice(FILES + DIRECTORIES)

    def record(self) -> None:
        keep, again = self.random.random() < 0.2, self.random.random() < 0.2
        new = new_entry(
            self.directory(),
            self.random.choice(FILES),
            self.store.reserve_ids(1)[0],
            keep=keep,
            replaces=self.replaced.asset_id if again and self.replaced else None,
            named_ns=time.time_ns(),
        )
        self.replaced = self.store.record(new)
        self.recorded.add(new.original.key)

    def move(self) -> None:
        on_clash = self.random.choice([OnClash.REPLACE, OnClash.REPLACE, OnClash.REFUSE, OnClash.EXCHANGE])
        source, name, target, new_name = self.directory(), self.name(), self.directory(), self.name()
        in_one_trip = on_clash is not OnClash.EXCHANGE and self.random.random() < 0.5
        if in_one_trip and self.store.move_named(source, name, target, new_name, on_clash, time.time_ns()) is not None:
            return
        self.store.move(source, name, target, new_name, on_clash, time.time_ns())

    def unlink(self) -> None:
        directory, name = self.directory(), self.name()
        if self.random.random() < 0.5 and self.store.remove_named(directory, name, time.time_ns()) is not None:
            return
        match self.store.find_child(directory, name):
            case Entry() as entry:
                self.store.remove_entry(directory, entry, time.time_ns())
            case Symlink() as symlink:
                self.store.remove_symlink(directory, symlink, time.time_ns())

    def mkdir(self) -> None:
        make = self.random.choice([self.mkdir_here, self.symlink])
        make()

    def mkdir_here(self) -> None:
        directory = self.directory()
        if len(directory.path.labels) < 3:
            self.store.make_directory(directory, self.random.choice(DIRECTORIES), OWNERSHIP)

    def symlink(self) -> None:
        self.store.make_symlink(self.directory(), self.random.choice(FILES), "target", OWNERSHIP)

    def rmdir(self) -> None:
        directory = self.directory()
        if directory.path.labels:
            self.store.remove_directory(directory, time.time_ns())


def check_objects(connection: Connection, recorded: set[str]) -> None:
    """Fail unless each object that was recorded has a row or is told of, and none both."""
    stored, told = ledger.stored(connection), ledger.told(connection)
    assert not stored & told
    assert recorded == stored | told
    assert len(told) == ledger.one(connection, "SELECT count(*) FROM outbox")


@pytest.mark.timeout(120)
def test_eight_writers_of_the_same_names_leave_no_ghosts_and_forget_no_object(
    store: PostgresStore, connection: Connection
) -> None:
    writers = [Writer(store, seed) for seed in range(WRITERS)]
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(writer.run, until) for writer in writers]:
            done.result()
    assert all(writer.recorded for writer in writers)
    check_objects(connection, set().union(*(writer.recorded for writer in writers)))
    ledger.check(connection)
    assert store.find_directory(AssetPath()) is not None


@pytest.mark.timeout(120)
def test_mounts_and_another_writer_do_not_hurt_each_other(store: PostgresStore, migrated: str) -> None:
    """The other one uploads, makes variants and deletes by Konifer's protocol, and knows nothing of names."""
    foreign: set[str] = set()

    def upload(session: Connection) -> None:
        path = random.choice(["root", "root.a", "root.a.b", "root.c"])
        with session.transaction():
            asset = trees.add_asset(session, path)
            trees.add_variant(session, asset, {"width": 1, "height": 1, "format": "png"})
        foreign.update(
            key for (key,) in session.execute("SELECT object_store_key FROM asset_variant WHERE asset_id = %s", [asset])
        )

    def delete(session: Connection) -> None:
        with session.transaction():
            rows = session.execute("SELECT id FROM asset_tree ORDER BY random() LIMIT 1 FOR UPDATE").fetchall()
            session.execute(
                "WITH dropped AS (DELETE FROM asset_variant WHERE asset_id = ANY(%s)"
                " RETURNING object_store_bucket AS bucket, object_store_key AS key)"
                " INSERT INTO outbox SELECT gen_random_uuid(), 'VARIANT_DELETED',"
                " jsonb_build_object('objectStoreBucket', bucket, 'objectStoreKey', key), now() FROM dropped",
                [[row[0] for row in rows]],
            )
            session.execute("DELETE FROM asset_tree WHERE id = ANY(%s)", [[row[0] for row in rows]])

    def run_foreign(until: float) -> None:
        steps: list[Callable[[Connection], None]] = [upload, upload, delete]
        with psycopg.connect(migrated, autocommit=True) as session:
            while time.monotonic() < until:
                with suppress(psycopg.errors.DeadlockDetected):
                    random.choice(steps)(session)

    writers = [Writer(store, seed) for seed in range(4)]
    until = time.monotonic() + SECONDS / 2
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(writer.run, until) for writer in writers] + [pool.submit(run_foreign, until)]
        for done in runs:
            done.result()
    with psycopg.connect(migrated, autocommit=True) as session:
        check_objects(session, foreign.union(*(writer.recorded for writer in writers)))
        ledger.check_names(session)


def test_konifers_index_survives_a_storm_of_refused_long_paths(store: PostgresStore, connection: Connection) -> None:
    """Paths over about 2,000 bytes break its GiST index for every writer; ours are refused, whoever asks."""
    trees.add_asset(connection, "root.short")
    top = Directory(id=1, path=AssetPath(), made=True)
    deepest = store.make_directories(AssetPath(("d" * 200,) * 9))
    store.record(new_entry(deepest, "x.jpg", store.reserve_ids(1)[0]))
    mover = store.make_directories(AssetPath(("m", "e" * 200)))
    store.record(new_entry(mover, "x.jpg", store.reserve_ids(1)[0]))
    gate = threading.Barrier(4)

    def storm(number: int) -> int:
        refused = 0
        gate.wait(30)
        for size in range(100, 140):
            label = f"{number}" + "z" * size
            beyond = Directory(id=7, path=deepest.path.child(label), made=False)
            attempts: list[Callable[[], object]] = [
                partial(store.make_directory, deepest, label, OWNERSHIP),
                partial(store.make_directories, beyond.path),
                partial(store.move, top, "m", deepest, label, OnClash.REPLACE, 1),
                partial(store.record, new_entry(beyond, "y.jpg", 1)),
            ]
            for attempt in attempts:
                with pytest.raises(NameTooLong):
                    attempt()
                refused += 1
        return refused

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(storm, range(4))) == 4 * 40 * 4
    longest = "SELECT max(pg_column_size(subpath(path, 0))) FROM asset_tree"
    assert ledger.one(connection, longest) <= 1900
    for number in range(200):
        trees.add_asset(connection, f"root.short{number}.path")
    ledger.check_names(connection)
