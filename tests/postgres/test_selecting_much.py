"""Selecting in large stores: the plans are made of index look-ups, and 100,000 matches pass through in pages.

Unlike other statements these are planned with their values, so what is rare decides.
"""

import resource
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from psycopg import ClientCursor, Connection, connect
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres import selecting, sql_select
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.errors import StoreUnreachable
from konifer_fs.ports import Selection
from tests.postgres import test_plans as plans
from tests.postgres import trees
from tests.postgres.looking import at
from tests.postgres.test_plans import FILL, list_steps

RED: Final = ("team", "red")  # what all have
RARE: Final = ("phone", "p7")  # what 35 of 35,000 have
MORE: Final = """
INSERT INTO asset_label
  SELECT gen_random_uuid(), id, 'phone', 'p' || row_number() OVER () % 1000, now() FROM asset_tree;
INSERT INTO asset_tag
  SELECT gen_random_uuid(), id, 't' || row_number() OVER () % 1000, now() FROM asset_tree;
VACUUM ANALYZE;
"""
MANY: Final = """
ALTER TABLE asset_tree DISABLE TRIGGER USER;
INSERT INTO asset_tree (id, entry_id, path, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), i, 'root.many', 'UPLOAD', true, now(), now() FROM generate_series(1, 100000) i;
ALTER TABLE asset_tree ENABLE TRIGGER USER;
INSERT INTO asset_label SELECT gen_random_uuid(), id, 'team', 'red', now() FROM asset_tree;
ANALYZE;
"""


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedServer) -> Iterator[Connection]:
    with connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE filled_to_select TEMPLATE konifer")
        conninfo = make_conninfo(postgres.conninfo, dbname="filled_to_select")
        migrate_database(conninfo)
        with connect(conninfo, autocommit=True) as connection:
            for statement in (FILL, *MORE.strip().split(";\n")):
                connection.execute(statement)
            configure(connection, deadline=30)
            yield connection
        session.execute("DROP DATABASE filled_to_select WITH (FORCE)")


def explain(connection: Connection, path: str, selection: Selection) -> list[Mapping[str, Any]]:
    """Give the steps of the plan with which a selection is streamed."""
    statement = sql_select.entries(selecting._condition(selection), recursive=selection.recursive)
    values = {**(selecting._values(selection) or {}), "id": -1, "p": path}
    row = ClientCursor(connection).execute(f"EXPLAIN (FORMAT json) DECLARE c CURSOR FOR {statement}", values).fetchone()
    return list(list_steps(row[0])) if row else []


@pytest.mark.parametrize(
    ("path", "labels", "tags", "recursive", "index"),
    [
        pytest.param("root", {RARE}, set(), True, "konifer_fs_label", id="a rare label anywhere"),
        pytest.param("root", {RARE, RED}, set(), True, "konifer_fs_label", id="a rare label and what all have"),
        pytest.param("root", set(), {"t7"}, True, "konifer_fs_tag", id="a rare tag anywhere"),
        pytest.param("root.leaf", {RARE}, set(), False, "konifer_fs_label", id="a rare label in a large directory"),
        pytest.param("root.leaf", set(), {"t7"}, False, "konifer_fs_tag", id="a rare tag in a large directory"),
        pytest.param("root.u0.8", {RED}, set(), False, "asset_label_key_value_uq", id="what all have, of a few"),
        pytest.param("root.u0.8", set(), {"hill"}, True, "asset_tag_key_value_uq", id="what all are tagged, of a few"),
        pytest.param("root.leaf", set(), set(), False, "asset_tree_path_entry_id_uq", id="everything in a directory"),
    ],
)
def test_what_is_rare_is_looked_up_by_its_index(
    filled: Connection, path: str, labels: set[tuple[str, str]], tags: set[str], recursive: bool, index: str
) -> None:
    selection = Selection(labels=frozenset(labels), tags=frozenset(tags), recursive=recursive)
    scans = [step for step in explain(filled, path, selection) if "Relation Name" in step]
    assert {step["Node Type"] for step in scans} <= {"Index Scan", "Index Only Scan"}
    assert all("Index Cond" in step for step in scans)
    assert index in {step["Index Name"] for step in scans}


def test_one_directorys_matches_come_in_the_order_of_an_index(filled: Connection) -> None:
    assert not [step for step in explain(filled, "root.leaf", Selection()) if "Sort" in step["Node Type"]]


@pytest.mark.parametrize(
    "name", ["NEWEST_CREATED", "NEWEST_MODIFIED", "BY_ENTRY_ID", "NUMBERED", "TAKEN", "BRANCHING", "DIRECTORIES"]
)
def test_single_entries_and_names_are_found_by_index_and_by_no_gist(filled: Connection, name: str) -> None:
    steps = list(list_steps(plans.explain(filled, getattr(sql_select, name))))
    scans = [step for step in steps if "Relation Name" in step]
    assert {step["Node Type"] for step in scans} <= {"Index Scan", "Index Only Scan"}
    assert not [step for step in scans if step["Index Name"] == "asset_tree_path_gist_idx" or "Index Cond" not in step]
    assert {step.get("CTE Name") for step in steps if step["Node Type"] == "CTE Scan"} <= {"place"}


@pytest.mark.slow
def test_a_hundred_thousand_matches_pass_through_in_pages(connection: Connection) -> None:
    for statement in MANY.strip().split(";\n"):
        connection.execute(statement)
    expected = 1
    growth: list[int] = []
    wanted = Selection(labels=frozenset({RED}))
    for page in selecting.stream_selected(connection, at(connection, "root.many"), wanted):
        assert [entry.entry_id for _, entry in page] == list(range(expected, expected + len(page)))
        assert len(page) <= selecting.PAGE
        expected += len(page)
        growth.append(resident() - growth[0] if growth else resident())
    assert expected == 100_001
    assert max(growth[1:]) < 24 << 20


def resident() -> int:
    """Give the memory that this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def test_what_changes_meanwhile_is_not_seen(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "PAGE", 3)
    assets = [trees.add_asset(connection, "root.a", original=False) for _ in range(7)]
    found = []
    for page in selecting.stream_selected(connection, at(connection, "root.a"), Selection()):
        with connect(connection.info.dsn, autocommit=True) as other:
            other.execute("DELETE FROM asset_tree WHERE id = %s", [assets[6]])
            other.execute("UPDATE asset_tree SET path = 'root.b' WHERE id = %s", [assets[5]])
            trees.add_asset(other, "root.a", original=False)
        found += [entry.asset_id for _, entry in page]
    assert found == assets


def test_a_stream_that_is_closed_gives_its_connection_back(
    connection: Connection, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "PAGE", 1)
    for colour in ("red", "blue"):
        trees.add_asset(connection, "root.a", labels={"team": colour}, tags=(colour,))
    store = PostgresStore(migrated, deadline=5, max_connections=1)
    with closing(store):
        place = at(connection, "root.a")
        for method in (store.stream_selected, store.list_labels, store.list_tags):
            stream = method(place, Selection())
            assert isinstance(stream, Generator)
            next(stream)
            stream.close()
            assert len(list(method(place, Selection()))) == 2


def test_a_stream_whose_connection_breaks_says_so(
    connection: Connection, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "PAGE", 1)
    for _ in range(2):
        trees.add_asset(connection, "root.a")
    store = PostgresStore(migrated, deadline=5, application_name="to be broken")
    with closing(store):
        stream = store.stream_selected(at(connection, "root.a"), Selection())
        next(stream)
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'to be broken' AND datname = current_database()"
        )
        with pytest.raises(StoreUnreachable):
            next(stream)
        assert len(list(store.stream_selected(at(connection, "root.a"), Selection()))) == 2
