"""Selecting agrees with what plain SQL finds, in a random store of 10,000 assets and with all that a text may hold."""

import random
from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid4

import pytest
from psycopg import Connection, connect
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres import selecting
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.domain.node import Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import Selection
from tests.postgres import trees
from tests.postgres.looking import at

ASSETS: Final = 10_000
TOPS: Final = ("a", "a-", "a--b", "a_b", "A", "ab", "zz")
PATHS: Final = (
    *("root", *(f"root.{top}" for top in TOPS)),
    *(f"root.{top}.{below}" for top in TOPS for below in ("a", "0", "b-c")),
    *(f"root.a.a.{number}" for number in range(30)),
)
KEYS: Final = ("team", "phone", "Team", "a/b")
VALUES: Final = ("red", "blue", "Red", "red ", "50%", "_")
TAGS: Final = ("hill", "Hill", "hill/tree", "tree,hill", "%", "日")

# What has all of the labels and tags, said without an index, a range or a join.
PLAIN: Final = """
SELECT a.id FROM asset_tree a
 WHERE a.is_ready AND CASE WHEN %(recursive)s THEN a.path <@ %(p)s::ltree ELSE a.path = %(p)s::ltree END
   AND NOT EXISTS (
     SELECT FROM unnest(%(keys)s::text[], %(values)s::text[]) wanted (key, value)
      WHERE wanted NOT IN (SELECT (label_key, label_value) FROM asset_label WHERE asset_id = a.id))
   AND NOT EXISTS (
     SELECT FROM unnest(%(tags)s::text[]) wanted (tag)
      WHERE wanted.tag NOT IN (SELECT tag_value FROM asset_tag WHERE asset_id = a.id))
"""
LABELS: Final = 'SELECT DISTINCT label_key COLLATE "C", label_value COLLATE "C" FROM asset_label WHERE asset_id IN'
TAGGED: Final = 'SELECT DISTINCT tag_value COLLATE "C" FROM asset_tag WHERE asset_id IN'


@pytest.fixture(scope="module")
def crowded(postgres: EmbeddedServer, template: str) -> Iterator[Connection]:
    """A store of random assets, some not ready, with few different times, labels and tags."""
    with connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE crowded TEMPLATE {template} STRATEGY file_copy")
        with connect(make_conninfo(postgres.conninfo, dbname="crowded"), autocommit=True) as connection:
            fill(connection, random.Random(4))
            configure(connection, deadline=30)
            yield connection
        session.execute("DROP DATABASE crowded WITH (FORCE)")


@pytest.fixture
def scratch(crowded: Connection) -> Iterator[Connection]:
    """The same, where a change is undone: quicker than a store of the test's own."""
    with crowded.transaction(force_rollback=True):
        yield crowded


def fill(connection: Connection, dice: random.Random) -> None:
    assets = [(uuid4(), dice.choice(PATHS)) for _ in range(ASSETS)]
    labels = {(asset, dice.choice(KEYS), dice.choice(VALUES)) for asset, _ in assets for _ in range(dice.randrange(4))}
    tags = {(asset, dice.choice(TAGS)) for asset, _ in assets for _ in range(dice.randrange(3))}
    with connection.cursor() as cursor:
        with cursor.copy(
            "COPY asset_tree (id, entry_id, path, source, is_ready, created_at, modified_at) FROM STDIN"
        ) as copy:
            for asset, path in assets:
                created, modified = (f"2026-01-01 00:00:{dice.randrange(20):02}" for _ in range(2))
                copy.write_row((asset, 0, path, "UPLOAD", dice.random() > 0.1, created, modified))
        with cursor.copy("COPY asset_label FROM STDIN") as copy:
            for label in labels:
                copy.write_row((uuid4(), *label, "2026-01-01"))
        with cursor.copy("COPY asset_tag FROM STDIN") as copy:
            for tag in tags:
                copy.write_row((uuid4(), *tag, "2026-01-01"))
    connection.execute("ANALYZE")


def selections(dice: random.Random, count: int) -> Iterator[tuple[str, Selection]]:
    """Random questions, from everything to what nothing has; some of them of paths that hold nothing."""
    yield "root", Selection(recursive=True)
    for _ in range(count):
        labels = frozenset((dice.choice(KEYS), dice.choice(VALUES)) for _ in range(dice.randrange(3)))
        tags = frozenset(dice.sample(TAGS, dice.randrange(3)))
        path = dice.choice(("root", "root.a", "root.a.a", "root.a.x", dice.choice(PATHS)))
        yield path, Selection(labels=labels, tags=tags, recursive=dice.random() < 0.6)


def directory(path: str) -> Directory:
    return Directory(id=-1, path=AssetPath.from_ltree(path), made=False)


def ask(connection: Connection, statement: str, path: str, selection: Selection) -> list[tuple[object, ...]]:
    values = {
        "p": path,
        "recursive": selection.recursive,
        "keys": [key for key, _ in selection.labels],
        "values": [value for _, value in selection.labels],
        "tags": list(selection.tags),
    }
    return connection.execute(statement, values, prepare=False).fetchall()


def select(connection: Connection, path: str, selection: Selection) -> list[UUID]:
    pages = selecting.stream_selected(connection, directory(path), selection)
    return [entry.asset_id for page in pages for _, entry in page]


def list_labels(connection: Connection, path: str, selection: Selection) -> list[tuple[str, str]]:
    return [pair for page in selecting.list_labels(connection, directory(path), selection) for pair in page]


def list_tags(connection: Connection, path: str, selection: Selection) -> list[str]:
    return [tag for page in selecting.list_tags(connection, directory(path), selection) for tag in page]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_selected_is_what_plain_sql_finds_in_its_order(crowded: Connection, seed: int) -> None:
    found = 0
    for path, selection in selections(random.Random(seed), 60):
        expected = ask(crowded, f"{PLAIN} ORDER BY a.path, a.entry_id", path, selection)
        assert select(crowded, path, selection) == [asset for (asset,) in expected]
        found += len(expected)
    assert found > ASSETS


def test_what_is_in_use_is_what_plain_sql_finds(crowded: Connection) -> None:
    for path, selection in selections(random.Random(5), 40):
        assert list_labels(crowded, path, selection) == ask(
            crowded, f"{LABELS} ({PLAIN}) ORDER BY 1, 2", path, selection
        )
        tags = ask(crowded, f"{TAGGED} ({PLAIN}) ORDER BY 1", path, selection)
        assert list_tags(crowded, path, selection) == [tag for (tag,) in tags]


@pytest.mark.parametrize("by_modification", [False, True])
def test_the_newest_is_what_plain_sql_finds_among_many_of_one_time(crowded: Connection, by_modification: bool) -> None:
    time = "modified_at" if by_modification else "created_at"
    for path in PATHS:
        expected = ask(crowded, f"{PLAIN} ORDER BY a.{time} DESC, a.entry_id DESC LIMIT 1", path, Selection())
        newest = selecting.find_newest(crowded, directory(path), by_modification=by_modification)
        assert newest is not None
        assert [(newest.asset_id,)] == expected


def test_nothing_is_found_where_nothing_is(connection: Connection) -> None:
    trees.add_asset(connection, "root.a", ready=False, labels={"team": "red"}, tags=("hill",))
    for path in ("root", "root.a", "root.b"):
        for by_modification in (False, True):
            assert selecting.find_newest(connection, directory(path), by_modification=by_modification) is None
        for selection in (Selection(), Selection(labels=frozenset({("team", "red")})), Selection(recursive=True)):
            assert select(connection, path, selection) == []
            assert list_labels(connection, path, selection) == []
            assert list_tags(connection, path, selection) == []
    assert selecting.find_entry(connection, directory("root.a"), 0) is None


def test_a_newer_asset_that_is_not_ready_is_not_the_newest(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a", created_at="2026-01-01")
    trees.add_asset(connection, "root.a", created_at="2026-01-02", ready=False)
    for by_modification in (False, True):
        newest = selecting.find_newest(connection, at(connection, "root.a"), by_modification=by_modification)
        assert newest is not None
        assert newest.asset_id == asset


def test_an_entry_is_found_by_its_id_in_its_directory_only(connection: Connection) -> None:
    first, second = (trees.add_asset(connection, "root.a") for _ in range(2))
    below = trees.add_asset(connection, "root.a.b")
    for path, number, asset in [("root.a", 0, first), ("root.a", 1, second), ("root.a.b", 0, below)]:
        entry = selecting.find_entry(connection, at(connection, path), number)
        assert entry is not None
        assert (entry.asset_id, entry.path.ltree) == (asset, path)
    for number in (2, -1, 1 << 31, (1 << 63) - 1, 1 << 63, 10**30):
        assert selecting.find_entry(connection, at(connection, "root.a"), number) is None


def test_a_found_entry_shows_without_the_name_that_a_directory_has_taken(connection: Connection) -> None:
    here = trees.add_directory(connection, "root.a")
    trees.name_asset(connection, here, "photo.jpg", trees.add_asset(connection, "root.a"))
    place = at(connection, "root.a")
    for name in ("photo.jpg", None):
        newest = selecting.find_newest(connection, place, by_modification=False)
        by_id = selecting.find_entry(connection, place, 0)
        assert newest == by_id
        assert newest is not None
        assert newest.name == name
        trees.add_asset(connection, "root.a.photo__2ejpg")


@pytest.mark.parametrize(
    "text",
    [
        *("a/b", "100%", "%2F", "_", "*", "\\", "'; --", "line\nbreak", "\t ", "😀", "日本", "é", "e\u0301"),
        *("x" * 256, "😀" * 128, "😀" * 256, "x" * 257, "x" * 100_000, "😀" * 20_000),
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_any_text_is_stored_beside_the_indexes_and_found_by_itself_alone(scratch: Connection, text: str) -> None:
    longer = trees.add_asset(scratch, "root.text", labels={"k": f"{text}!", f"{text}!": "v"}, tags=(f"{text}!",))
    asset = trees.add_asset(scratch, "root.text", labels={"k": text, text: "v"}, tags=(text,))
    everything = Selection(recursive=True)
    assert (text, "v") in list_labels(scratch, "root", everything)
    assert text in list_tags(scratch, "root", everything)
    for recursive in (False, True):
        for addition, found in (("", asset), ("!", longer), ("!!", None)):
            for labels, tags in [
                ({("k", text + addition)}, set[str]()),
                ({(text + addition, "v")}, set[str]()),
                (set[tuple[str, str]](), {text + addition}),
                ({("k", text + addition), (text + addition, "v")}, {text + addition}),
            ]:
                wanted = Selection(labels=frozenset(labels), tags=frozenset(tags), recursive=recursive)
                assert select(scratch, "root.text", wanted) == ([found] if found else [])


def test_a_text_that_no_database_holds_matches_nothing(connection: Connection) -> None:
    trees.add_asset(connection, "root.a", labels={"k": "v"})
    for selection in (Selection(labels=frozenset({("k", "v\0")})), Selection(tags=frozenset({"\0"}))):
        assert select(connection, "root.a", selection) == []
        assert list_labels(connection, "root.a", selection) == []


def test_an_entry_may_have_several_values_of_one_key(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a", labels={"team": "red"})
    connection.execute("INSERT INTO asset_label VALUES (gen_random_uuid(), %s, 'team', 'blue', now())", [asset])
    both = frozenset({("team", "red"), ("team", "blue")})
    assert select(connection, "root.a", Selection(labels=both)) == [asset]
    assert select(connection, "root.a", Selection(labels=both | {("team", "green")})) == []


def test_an_entry_that_another_writer_moved_is_found_where_it_is(connection: Connection) -> None:
    here = trees.add_directory(connection, "root.a")
    asset = trees.add_asset(connection, "root.a", tags=("hill",))
    trees.name_asset(connection, here, "photo.jpg", asset)
    connection.execute("UPDATE asset_tree SET path = 'root.b' WHERE id = %s", [asset])
    hill = Selection(tags=frozenset({"hill"}))
    assert select(connection, "root.a", hill) == []
    ((found,),) = selecting.stream_selected(connection, at(connection, "root.b"), hill)
    assert (found[0], found[1].asset_id, found[1].name) == ("0.jpeg", asset, None)


def test_without_the_indexes_the_same_is_found(connection: Connection) -> None:
    connection.execute("DROP INDEX konifer_fs_label, konifer_fs_tag")
    asset = trees.add_asset(connection, "root.a.b", labels={"team": "red"}, tags=("hill",))
    trees.add_asset(connection, "root.a.b", labels={"team": "blue"}, tags=("tree",))
    red = frozenset({("team", "red")})
    assert select(connection, "root.a", Selection(labels=red, recursive=True)) == [asset]
    assert select(connection, "root.a.b", Selection(labels=red, tags=frozenset({"hill"}))) == [asset]
    assert list_labels(connection, "root", Selection(recursive=True)) == [("team", "blue"), ("team", "red")]
