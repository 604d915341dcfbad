"""Removing entries, symbolic links and directories: what goes, what stays, and what is refused."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres import moving, naming, reading, recording, removing
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import DirectoryNotEmpty, MovedOn, ReadOnly
from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, entry_at, make, new_entry, node_id

TIMES = "SELECT mtime, ctime FROM konifer_fs.node WHERE id = %s"


def remove_by_name(connection: Connection, directory: Directory, entry: Entry, now_ns: int) -> None:
    assert removing.remove_named(connection, directory, entry.name or "", now_ns) == entry.id


@pytest.mark.parametrize("remove", [removing.remove_entry, remove_by_name])
def test_an_entry_goes_with_its_variants_and_tells_of_each_object(
    connection: Connection, remove: Callable[[Connection, Directory, Entry, int], None]
) -> None:
    directory = make(connection, "/a")
    edit = AnnotationEdit(labels={"k": "v"}, tags=("t",), private={"user.x": b""})
    entry = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=edit))
    variant = trees.add_variant(connection, entry.asset_id, {"width": 1, "height": 1, "format": "png"}, bucket="other")
    remove(connection, directory, entry, 99)
    assert entry.original
    assert ledger.told(connection) == {variant, entry.original.key}
    assert ledger.is_told(connection, entry.original)
    for table in ("asset_tree", "asset_variant", "asset_label", "asset_tag", "konifer_fs.attribute"):
        assert ledger.one(connection, f"SELECT count(*) FROM {table}") == 0
    assert ledger.row(connection, TIMES, directory.id) == (99, 99)
    assert reading.find_child(connection, directory, "x.jpg") is None
    ledger.check(connection)


@pytest.mark.parametrize("original", [True, False])
def test_the_last_foreign_entry_goes_and_its_directory_stays(connection: Connection, original: bool) -> None:
    trees.add_asset(connection, "root.a.b", original=original)
    directory = reading.find_directory(connection, AssetPath(("a", "b")))
    assert directory
    entry = entry_at(connection, directory, "0.jpeg" if original else "0")
    removing.remove_entry(connection, directory, entry, 99)
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 0
    assert len(ledger.told(connection)) == original
    left = reading.find_directory(connection, AssetPath(("a", "b")))
    assert left
    assert (left.id, left.made, left.ownership.mtime_ns) == (directory.id, True, 99)


def test_an_entry_that_moved_on_is_not_removed(connection: Connection) -> None:
    directory, other = make(connection, "/a"), make(connection, "/b")
    entry = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    trees.add_asset(connection, "root.a")
    foreign = entry_at(connection, directory, "1.jpeg")
    moving.move(connection, directory, "x.jpg", directory, "y.jpg", OnClash.REPLACE, 1)
    moving.move(connection, directory, "1.jpeg", directory, "z.jpg", OnClash.REPLACE, 1)
    for gone in (entry, foreign):
        for place in (directory, other):
            with pytest.raises(MovedOn):
                removing.remove_entry(connection, place, gone, 99)
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 2
    assert ledger.row(connection, TIMES, directory.id) == (1, 1)


def test_only_an_entry_with_a_name_of_its_own_is_removed_by_it(connection: Connection) -> None:
    directory, other = make(connection, "/a"), make(connection, "/b")
    trees.add_asset(connection, "root.a")
    stored = entry_at(connection, directory, "0.jpeg")
    naming.make_symlink(connection, directory, "link", "x", OWNERSHIP)
    recording.record(connection, new_entry(directory, "moved.jpg", node_id(connection)))
    connection.execute("UPDATE asset_tree SET path = 'root.b' WHERE id <> %s", [stored.asset_id])
    before = ledger.row(connection, TIMES, directory.id)
    for place in (directory, other, directory._replace(id=12345), directory._replace(made=False)):
        for name in ("0.jpeg", "link", "moved.jpg", "none"):
            assert removing.remove_named(connection, place, name, 99) is None
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 2
    assert isinstance(reading.find_child(connection, directory, "link"), Symlink)
    assert ledger.row(connection, TIMES, directory.id) == before


def test_an_entry_is_removed_once(connection: Connection) -> None:
    directory = make(connection, "/a")
    entry = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    removing.remove_entry(connection, directory, entry, 1)
    with pytest.raises(MovedOn):
        removing.remove_entry(connection, directory, entry, 1)
    assert len(ledger.told(connection)) == 1


def test_an_entry_whose_name_a_directory_took_is_removed_by_its_default_name(connection: Connection) -> None:
    directory = make(connection, "/a")
    recording.record(connection, new_entry(directory, "x", node_id(connection)))
    trees.add_asset(connection, "root.a.x")
    removing.remove_entry(connection, directory, entry_at(connection, directory, "0.jpeg"), 1)
    assert isinstance(reading.find_child(connection, directory, "x"), Directory)
    assert ledger.one(connection, "SELECT path::text FROM asset_tree") == "root.a.x"


def test_a_symlink_is_removed_once(connection: Connection) -> None:
    directory = make(connection, "/a")
    link = naming.make_symlink(connection, directory, "l", "x", OWNERSHIP)
    with pytest.raises(MovedOn):
        removing.remove_symlink(connection, directory, link._replace(name="m"), 5)
    removing.remove_symlink(connection, directory, link, 6)
    with pytest.raises(MovedOn):
        removing.remove_symlink(connection, directory, link, 7)
    assert ledger.row(connection, TIMES, directory.id) == (6, 6)


def test_an_empty_directory_goes_and_its_parent_stays(connection: Connection) -> None:
    trees.add_asset(connection, "root.a.c")
    directory = make(connection, "/a/b")
    removing.remove_directory(connection, directory, 99)
    assert reading.find_directory(connection, directory.path) is None
    above = reading.find_directory(connection, AssetPath(("a",)))
    assert above
    assert (above.made, above.ownership.mtime_ns) == (True, 99)
    with pytest.raises(MovedOn):
        removing.remove_directory(connection, directory, 99)


def test_the_root_stays(connection: Connection) -> None:
    with pytest.raises(ReadOnly):
        removing.remove_directory(connection, Directory(id=1, path=AssetPath(), made=True), 1)


@pytest.mark.parametrize("content", ["entry", "upload", "below", "directory", "symlink"])
def test_a_directory_that_holds_anything_is_not_removed(connection: Connection, content: str) -> None:
    directory = make(connection, "/a/b")
    match content:
        case "entry":
            recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
        case "upload":
            trees.add_asset(connection, "root.a.b", ready=False)
        case "below":
            trees.add_asset(connection, "root.a.b.c.d", ready=False)
        case "directory":
            make(connection, "/a/b/c")
        case _:
            naming.make_symlink(connection, directory, "l", "x", OWNERSHIP)
    with pytest.raises(DirectoryNotEmpty):
        removing.remove_directory(connection, directory, 1)
    assert reading.find_directory(connection, directory.path) is not None


def test_a_foreign_directory_is_not_empty_or_not_there(connection: Connection) -> None:
    trees.add_asset(connection, "root.a.b")
    directory = reading.find_directory(connection, AssetPath(("a",)))
    assert directory
    with pytest.raises(DirectoryNotEmpty):
        removing.remove_directory(connection, directory, 1)
    connection.execute("DELETE FROM asset_variant")
    connection.execute("DELETE FROM asset_tree")
    with pytest.raises(MovedOn):
        removing.remove_directory(connection, directory, 1)


def test_a_directory_whose_entries_another_writer_moved_away_is_empty(connection: Connection) -> None:
    directory = make(connection, "/a/b")
    entry = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    connection.execute("UPDATE asset_tree SET path = 'root.c'")
    removing.remove_directory(connection, directory, 1)
    found = reading.refresh(connection, entry)
    assert isinstance(found, Entry)
    assert (found.id, found.name, found.path.konifer) == (entry.id, None, "/c")


def test_a_directory_and_what_comes_into_it_at_once_are_never_both_right(migrated: str) -> None:
    """Either the directory is removed and made again by the draft, or it is not empty."""
    ready = threading.Barrier(2)

    def opened() -> Connection:
        connection = connect(migrated, autocommit=True)
        configure(connection, deadline=30)
        return connection

    def record(connection: Connection, directory: Directory) -> None:
        ready.wait(30)
        recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))

    def remove(connection: Connection, directory: Directory) -> bool:
        ready.wait(30)
        try:
            removing.remove_directory(connection, directory, 1)
        except DirectoryNotEmpty:
            return False
        return True

    with opened() as one, opened() as other, ThreadPoolExecutor(2) as pool:
        for number in range(50):
            directory = make(one, f"/a/d{number}")
            recorded, removed = pool.submit(record, one, directory), pool.submit(remove, other, directory)
            recorded.result(30)
            removed.result(30)
            assert reading.find_directory(one, directory.path) is not None
        ledger.check(one)
        assert ledger.one(one, "SELECT count(*) FROM asset_tree") == 50
