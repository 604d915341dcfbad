"""The change feed: what others commit is told, once it is visible, whoever commits when."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres.changes import PostgresChangeFeed
from konifer_fs.adapters.postgres.migrate import migrate
from konifer_fs.adapters.postgres.pruning import Pruner
from konifer_fs.domain.changes import AssetChanged, Change, NodeChanged, SubtreeChanged
from konifer_fs.domain.node import ROOT_ID, derived_id
from konifer_fs.domain.path import AssetPath
from tests.postgres.trees import add_asset

OWN = "konifer-fs/this/mount"
EVERYTHING = SubtreeChanged(path=AssetPath())


class Heard:
    """What a feed has told so far; None is what it tells first."""

    def __init__(self) -> None:
        self.told: list[Change | None] = []

    def tell(self, changes: Sequence[Change] | None) -> None:
        self.told += [None] if changes is None else changes

    def since(self, number: int) -> list[Change | None]:
        return self.told[number:]


@contextmanager
def following(conninfo: str) -> Iterator[Heard]:
    feed, heard = PostgresChangeFeed(conninfo, application_name=OWN), Heard()
    thread = threading.Thread(target=feed.follow, args=[heard.tell])
    thread.start()
    try:
        wait_until(lambda: heard.told == [None])
        yield heard
    finally:
        feed.close()
        thread.join(30)
    assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def heard(migrated: str) -> Iterator[Heard]:
    with following(migrated) as heard:
        yield heard


def node(connection: Connection, name: str) -> int:
    statement = "INSERT INTO konifer_fs.node (parent, name, target) VALUES (1, %s, 'x') RETURNING id"
    (number,) = connection.execute(statement, [name]).fetchone() or (0,)
    return int(number)


def test_what_happens_to_nodes_is_told(connection: Connection, heard: Heard) -> None:
    number = node(connection, "a")
    connection.execute("UPDATE konifer_fs.node SET name = 'b' WHERE id = %s", [number])
    connection.execute("UPDATE konifer_fs.node SET mode = 420 WHERE id = %s", [number])
    connection.execute("DELETE FROM konifer_fs.node WHERE id = %s", [number])
    a, b = (NodeChanged(id=number, parent=ROOT_ID, name=name) for name in "ab")
    wait_until(lambda: (heard.told[-1] == b and heard.told[1:] in ([a, a, b, b, b], [a, b])) or len(heard.told) > 3)
    assert set(heard.told[1:]) == {a, b}


def test_what_happens_to_assets_is_told_with_the_number_they_show(connection: Connection, heard: Heard) -> None:
    asset = add_asset(connection, "root.a.b")
    foreign = AssetChanged(id=derived_id(asset), path=AssetPath(("a", "b")))
    wait_until(lambda: foreign in heard.told)
    connection.execute("INSERT INTO konifer_fs.node (id, asset_id) VALUES (77, %s)", [asset])
    connection.execute("UPDATE asset_tree SET path = 'root.c' WHERE id = %s", [asset])
    expected = [AssetChanged(id=77, path=AssetPath(labels)) for labels in (("a", "b"), ("c",))]
    wait_until(lambda: all(change in heard.told for change in expected))
    connection.execute("DELETE FROM asset_variant WHERE asset_id = %s", [asset])
    connection.execute("DELETE FROM asset_tree WHERE id = %s", [asset])
    wait_until(lambda: NodeChanged(id=77, parent=None, name=None) in heard.told)


def test_many_at_once_are_told_as_what_they_lie_below(connection: Connection, heard: Heard) -> None:
    for count, expected in ((100, None), (101, SubtreeChanged(path=AssetPath(("many", "here"))))):
        before = len(heard.told)
        connection.execute(
            "INSERT INTO asset_tree (id, path, alt, source, is_ready, created_at, modified_at)"
            " SELECT gen_random_uuid(), ('root.many.here.d' || n)::ltree, '', 'UPLOAD', true, now(), now()"
            " FROM generate_series(1, %s) n",
            [count],
        )
        if expected is None:
            wait_until(lambda: len(heard.since(before)) == 100)  # noqa: B023
            assert all(isinstance(change, AssetChanged) for change in heard.since(before))
        else:
            wait_until(lambda: len(heard.since(before)) > 0)  # noqa: B023
            assert heard.since(before) == [expected]


def test_own_changes_are_not_told(connection: Connection, heard: Heard) -> None:
    with connect(connection.info.dsn, autocommit=True, application_name=OWN) as own:
        node(own, "own")
    number = node(connection, "other")
    wait_until(lambda: len(heard.told) > 1)
    assert heard.told[1:] == [NodeChanged(id=number, parent=ROOT_ID, name="other")]


def test_a_writer_is_never_refused_by_what_tells(connection: Connection, heard: Heard) -> None:
    connection.execute("ALTER TABLE konifer_fs.change_log ADD CHECK (kind <> 'a')")
    add_asset(connection, "root.a")
    wait_until(lambda: EVERYTHING in heard.told)


def test_nothing_is_lost_whoever_commits_when(migrated: str, heard: Heard) -> None:
    """Eight writers, of which some roll back and some take long, so that commits are out of order."""
    committed: list[int] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with connect(migrated) as writer:
            for turn in range(60):
                number = node(writer, f"{seed}-{turn}")
                if chance.random() < 0.05:
                    time.sleep(chance.uniform(0.2, 0.7))
                if chance.random() < 0.1:
                    writer.rollback()
                else:
                    writer.commit()
                    committed.append(number)

    threads = [threading.Thread(target=write, args=[seed]) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wait_until(lambda: len(heard.told) > len(committed))
    told = [change.id for change in heard.told if isinstance(change, NodeChanged)]
    assert sorted(told) == sorted(committed)


def test_a_feed_that_was_cut_off_says_so_first(migrated: str, connection: Connection, heard: Heard) -> None:
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [OWN])
    wait_until(lambda: heard.told.count(None) == 2)
    number = node(connection, "later")
    wait_until(lambda: heard.told[-1] == NodeChanged(id=number, parent=ROOT_ID, name="later"))


def test_a_feed_without_triggers_tells_nothing(migrated: str, connection: Connection) -> None:
    connection.execute("DROP TRIGGER konifer_fs_update ON asset_tree")
    heard = Heard()
    PostgresChangeFeed(migrated, application_name=OWN).follow(heard.tell)
    assert heard.told == []


def test_a_feed_that_was_closed_leaves_no_descriptor(migrated: str) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with following(migrated):
        pass
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_who_may_not_make_triggers_is_told_which_are_wanted(connection: Connection) -> None:
    connection.execute("DROP TRIGGER konifer_fs_update ON asset_tree")
    role = f"migrator_{connection.info.dbname}"
    connection.execute(f"CREATE ROLE {role}".encode())
    try:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA konifer_fs, public TO {role}".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA konifer_fs TO {role}".encode())
        connection.execute(f"SET ROLE {role}".encode())
        (statement,) = migrate(connection).left
        connection.execute("RESET ROLE")
        assert statement.startswith("CREATE TRIGGER konifer_fs_update AFTER UPDATE ON asset_tree")
        connection.execute(statement.encode())
        assert migrate(connection).left == []
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


def log_size(connection: Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM konifer_fs.change_log").fetchone() or (0,)
    return int(count)


def test_what_all_have_read_is_pruned(migrated: str, connection: Connection) -> None:
    patient, hasty = Pruner(kept_seconds=600), Pruner(kept_seconds=0)
    node(connection, "old")
    assert patient.prune(connection) == 0
    with connect(migrated) as slow:
        node(slow, "slow")
        node(connection, "meanwhile")
        assert hasty.prune(connection) == 1  # What was over before the slow one began.
        slow.commit()
    assert log_size(connection) == 2
    assert hasty.prune(connection) == 2
    assert log_size(connection) == 0
