"""Round trips: what takes one, however far away the database is, and that it does what takes more in other cases."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from psycopg import Connection
from psycopg.errors import DivisionByZero

from konifer_fs.adapters.postgres import editing, moving, naming, reading, recording, removing, sql_names
from konifer_fs.adapters.postgres.pipelining import at_once
from konifer_fs.domain.asset import AnnotationEdit, Annotations
from konifer_fs.domain.errors import DirectoryNotEmpty, NameTaken
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, make, new_entry, node_id

NODES = "SELECT * FROM konifer_fs.node ORDER BY id"
NAMES = ["b", "Été 2026", "spelled__20so", "0", "a.b"]


@contextmanager
def counting(connection: Connection) -> Iterator[list[int]]:
    """Count the round trips: what libpq tells to have sent up to a message, or two, that asks for the answers."""
    counted: list[int] = []
    with tempfile.TemporaryFile("w+") as told:
        connection.pgconn.trace(told.fileno())
        try:
            yield counted
        finally:
            connection.pgconn.untrace()
        told.seek(0)
        lines = [line.rstrip("\n").split("\t") for line in told]
        asks = [line[3] in {"Sync", "Flush"} for line in lines if line[1:2] == ["F"]]
        counted.append(sum(ask and not before for before, ask in pairwise([False, *asks])))


@pytest.fixture
def directory(connection: Connection) -> Directory:
    return make(connection, "/a")


@pytest.fixture
def entry(connection: Connection, directory: Directory) -> Entry:
    return recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))


Work = Callable[[Connection, Directory, Entry], object]

REPEATED: list[Work] = [
    lambda connection, directory, _: reading.find_child(connection, directory, "x.jpg"),
    lambda connection, directory, _: reading.list_page(connection, directory, reading.Cursor()),
    lambda connection, _, entry: reading.refresh(connection, entry),
    lambda connection, _, entry: editing.set_ownership(connection, entry, Ownership(mode=0o600)),
]
DONE_ONCE: list[Work] = [
    lambda connection, directory, _: recording.record(connection, new_entry(directory, "y.jpg", 12345)),
    lambda connection, directory, _: recording.record(connection, new_entry(directory, "x.jpg", 12345)),
    lambda connection, directory, _: moving.move_named(
        connection, directory, "x.jpg", directory, "y.jpg", OnClash.REFUSE, 1
    ),
    lambda connection, directory, _: removing.remove_named(connection, directory, "x.jpg", 1),
    lambda connection, directory, _: naming.make_directory(connection, directory, "b", OWNERSHIP),
]


@pytest.mark.parametrize("work", DONE_ONCE)
def test_what_changes_names_takes_one_round_trip(
    connection: Connection, directory: Directory, entry: Entry, work: Work
) -> None:
    with counting(connection) as trips:
        assert work(connection, directory, entry) is not None
    assert trips == [1]


@pytest.mark.parametrize("work", REPEATED)
def test_a_single_statement_takes_one_round_trip_once_it_is_planned(
    connection: Connection, directory: Directory, entry: Entry, work: Work
) -> None:
    work(connection, directory, entry)
    with counting(connection) as trips:
        assert work(connection, directory, entry) is not None
    assert trips == [1]


SAID: list[AnnotationEdit] = [
    AnnotationEdit(alt="a cat", source_url="https://example.org/", labels={"k": "v", "other": "v"}, tags=("b", "a")),
    AnnotationEdit(labels={"k": "v"}),
]


@pytest.mark.parametrize("edit", SAID)
def test_what_is_said_of_an_entry_is_read_in_one_round_trip_and_written_in_another(
    connection: Connection, entry: Entry, edit: AnnotationEdit
) -> None:
    with counting(connection) as trips:
        editing.edit_annotations(connection, entry, edit)
    assert trips == [2]
    assert reading.read_facts(connection, entry).annotations == edit.apply(Annotations())


@pytest.mark.parametrize("edit", SAID)
def test_what_is_said_of_a_draft_takes_one_round_trip_more(
    connection: Connection, directory: Directory, edit: AnnotationEdit
) -> None:
    with counting(connection) as trips:
        entry = recording.record(connection, new_entry(directory, "y.jpg", 12345, edit=edit))
    assert trips == [2]
    assert reading.read_facts(connection, entry).annotations == edit.apply(Annotations())


def test_an_empty_directory_is_removed_in_one_round_trip(connection: Connection, directory: Directory) -> None:
    with counting(connection) as trips:
        removing.remove_directory(connection, directory, 1)
    assert trips == [1]
    assert reading.find_directory(connection, directory.path) is None


def test_what_is_sent_at_once_is_done_all_or_not_at_all(connection: Connection, directory: Directory) -> None:
    values = {"id": directory.id}
    with pytest.raises(DivisionByZero):
        at_once(connection, values, sql_names.REMOVE_NODE, "SELECT 1 / 0")
    assert reading.refresh(connection, directory) == directory
    at_once(connection, values, sql_names.REMOVE_NODE, "SELECT 1")
    assert reading.refresh(connection, directory) is None


def test_a_directory_is_renamed_in_a_number_of_trips_that_what_is_in_it_does_not_change(
    connection: Connection, directory: Directory
) -> None:
    root = make(connection, "/")
    counted = []
    for name, new_name in pairwise("abcd"):
        make(connection, f"/{name}/in/{new_name}")
        with counting(connection) as trips:
            moving.move(connection, root, name, root, new_name, OnClash.REFUSE, 1)
        counted.append(trips)
    assert max(counted) <= [16]


def test_what_takes_more_would_be_counted(connection: Connection, directory: Directory) -> None:
    with counting(connection) as trips:
        naming.make_symlink(connection, directory, "link", "x", OWNERSHIP)
    assert trips[0] > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_is_made_as_in_several_trips(
    connection: Connection, directory: Directory, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ownership = Ownership(mode=0o750, uid=1, gid=2, mtime_ns=77, ctime_ns=77)
    with connection.transaction(force_rollback=True), monkeypatch.context() as patched:
        patched.setattr(naming, "_make_in_one_trip", lambda *_: None)
        wanted = naming.make_directory(connection, directory, name, ownership)
        left = connection.execute(NODES).fetchall()
    assert naming.make_directory(connection, directory, name, ownership) == wanted
    assert connection.execute(NODES).fetchall() == left
    assert removing._remove_in_one_trip(connection, wanted, 77)
    assert connection.execute("SELECT mtime, ctime FROM konifer_fs.node WHERE path = 'root.a'").fetchone() == (77, 77)
    assert reading.find_child(connection, directory, name) is None
    ledger.check(connection)


def test_nothing_is_made_over_anything(connection: Connection, directory: Directory) -> None:
    recording.record(connection, new_entry(directory, "file", node_id(connection)))
    naming.make_symlink(connection, directory, "link", "x", OWNERSHIP)
    naming.make_directory(connection, directory, "made", OWNERSHIP)
    for path in ("root.a", "root.a.implied", "root.a.in__20between"):
        trees.add_asset(connection, path)
    before = connection.execute(NODES).fetchall()
    for name in ("file", "link", "made", "implied", "in between", "1.jpeg"):
        with pytest.raises(NameTaken):
            naming.make_directory(connection, directory, name, OWNERSHIP)
    assert connection.execute(NODES).fetchall() == before


@pytest.mark.parametrize("path", ["root.a", "root.a.b", "root.a.b.c"])
@pytest.mark.parametrize("ready", [True, False])
def test_what_is_not_empty_is_not_removed_in_one_trip(
    connection: Connection, directory: Directory, path: str, ready: bool
) -> None:
    trees.add_asset(connection, path, ready=ready)
    before = connection.execute(NODES).fetchall()
    with pytest.raises(DirectoryNotEmpty):
        removing.remove_directory(connection, directory, 77)
    assert connection.execute(NODES).fetchall() == before


def test_a_directory_that_was_moved_is_not_another_ones(connection: Connection, directory: Directory) -> None:
    """What the mount knew of it is old: nothing is made or removed at the path where it was."""
    root = make(connection, "/")
    moved = moving.move(connection, root, "a", root, "z", OnClash.REPLACE, 1)
    assert isinstance(moved, Directory)
    made = naming.make_directory(connection, directory, "b", OWNERSHIP)
    assert made.path == AssetPath(("z", "b"))
    again = make(connection, "/a")
    removing.remove_directory(connection, made, 1)
    removing.remove_directory(connection, moved, 1)
    assert reading.find_directory(connection, again.path) == again


def add(connection: Connection, directory: Directory, name: str, edit: AnnotationEdit | None = None) -> Entry:
    return recording.record(connection, new_entry(directory, name, node_id(connection), edit=edit))


@pytest.mark.parametrize(("target", "new_name"), [("/a", "y.jpg"), ("/b", "y.jpg"), ("/c", "x.jpg"), ("/", "a.jpg")])
def test_a_rename_in_one_trip_does_what_every_rename_does(
    connection: Connection, target: str, new_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/b` has held entries, `/c` never has."""
    directories = {path: make(connection, path) for path in ("/", "/a", "/b", "/c")}
    add(connection, directories["/b"], "first.jpg")
    old = add(connection, directories["/a"], "x.jpg", SAID[0])
    with connection.transaction(force_rollback=True), monkeypatch.context() as patched:
        patched.setattr(moving, "pipelined", Connection.transaction)
        wanted = moving.move(connection, directories["/a"], "x.jpg", directories[target], new_name, OnClash.REPLACE, 77)
        left = ledger.everything(connection)
    assert (
        moving.move_named(connection, directories["/a"], "x.jpg", directories[target], new_name, OnClash.REPLACE, 77)
        == wanted
    )
    assert ledger.everything(connection) == left
    assert wanted.id == old.id
    ledger.check(connection)


LEFT = [
    "SELECT id, parent, name, asset_id, size, sha256, mtime, ctime FROM konifer_fs.node ORDER BY id",
    "SELECT * FROM konifer_fs.attribute ORDER BY node, name",
    "SELECT id, path::text, entry_id, alt, source, source_url FROM asset_tree ORDER BY id",
    "SELECT asset_id, label_key, label_value FROM asset_label ORDER BY 1, 2",
    "SELECT asset_id, tag_value FROM asset_tag ORDER BY asset_id, created_at, id",
    "SELECT * FROM path_entry_counter ORDER BY path",
    "SELECT asset_id, object_store_key FROM asset_variant ORDER BY id",
]
PRIVATE = AnnotationEdit(private={"user.x": b"1"})


@pytest.mark.parametrize("target", ["/a", "/b"])
@pytest.mark.parametrize("said", [None, SAID[1], PRIVATE])
@pytest.mark.parametrize("said_of_old", [None, SAID[0], PRIVATE])
def test_a_rename_over_an_entry_in_one_trip_does_what_every_one_does(
    connection: Connection,
    target: str,
    said: AnnotationEdit | None,
    said_of_old: AnnotationEdit | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directories = {path: make(connection, path) for path in ("/a", "/b")}
    add(connection, directories["/a"], "x.jpg", said)
    old = add(connection, directories[target], "y.jpg", said_of_old)
    trees.add_variant(connection, old.asset_id, {"width": 1, "height": 1, "format": "png"})
    renaming = (connection, directories["/a"], "x.jpg", directories[target], "y.jpg", OnClash.REPLACE, 77)
    with connection.transaction(force_rollback=True), monkeypatch.context() as patched:
        patched.setattr(moving, "pipelined", Connection.transaction)
        wanted = moving.move(*renaming)
        left, told = [connection.execute(rows).fetchall() for rows in LEFT], ledger.told(connection)
    with counting(connection) as trips:
        found = moving.move_named(*renaming)
    assert trips == [1]
    assert isinstance(wanted, Entry)
    assert found is not None
    assert found._replace(modified_at=wanted.modified_at) == wanted
    assert [connection.execute(rows).fetchall() for rows in LEFT] == left
    assert ledger.told(connection) == told
    ledger.check(connection)


@pytest.mark.parametrize("new_name", ["link", "made", "implied", "stale.jpg"])
def test_what_is_no_entrys_name_is_not_replaced_in_one_trip(connection: Connection, new_name: str) -> None:
    """`stale.jpg` names an asset that another writer has moved elsewhere."""
    directory = make(connection, "/a")
    add(connection, directory, "x.jpg")
    stale = add(connection, directory, "stale.jpg")
    naming.make_symlink(connection, directory, "link", "x.jpg", OWNERSHIP)
    naming.make_directory(connection, directory, "made", OWNERSHIP)
    trees.add_asset(connection, "root.a.implied")
    connection.execute("UPDATE asset_tree SET path = 'root.b' WHERE id = %s", [stale.asset_id])
    before = ledger.everything(connection)
    assert moving.move_named(connection, directory, "x.jpg", directory, new_name, OnClash.REPLACE, 77) is None
    assert ledger.everything(connection) == before


@pytest.mark.parametrize(
    ("name", "new_name"),
    [
        *(("x.jpg", taken) for taken in ("x.jpg", "y.jpg", "link", "made", "implied")),
        *((other, "new.jpg") for other in ("link", "made", "implied", "0.jpeg", "none.jpg", "claimed")),
        ("x.jpg", "7.jpeg"),
    ],
)
def test_a_rename_that_needs_more_than_one_trip_changes_nothing(
    connection: Connection, name: str, new_name: str
) -> None:
    """`claimed` names an entry, and by another writer's doing a directory as well, which has the name."""
    directory = make(connection, "/a")
    for file in ("x.jpg", "y.jpg", "claimed"):
        add(connection, directory, file)
    naming.make_symlink(connection, directory, "link", "x.jpg", OWNERSHIP)
    naming.make_directory(connection, directory, "made", OWNERSHIP)
    for path in ("root.a", "root.a.implied", "root.a.claimed"):
        trees.add_asset(connection, path)
    before = ledger.everything(connection)
    assert moving.move_named(connection, directory, name, directory, new_name, OnClash.REFUSE, 77) is None
    assert ledger.everything(connection) == before


def test_a_rename_in_one_trip_needs_both_directories(connection: Connection) -> None:
    directory, gone = make(connection, "/a"), make(connection, "/gone")
    trees.add_asset(connection, "root.foreign")
    foreign = reading.find_directory(connection, AssetPath(("foreign",)))
    assert foreign
    add(connection, directory, "x.jpg")
    removing.remove_directory(connection, gone, 1)
    before = ledger.everything(connection)
    for other in (gone, foreign):
        assert moving.move_named(connection, directory, "x.jpg", other, "x.jpg", OnClash.REPLACE, 77) is None
        assert moving.move_named(connection, other, "x.jpg", directory, "y.jpg", OnClash.REPLACE, 77) is None
    assert ledger.everything(connection) == before
