"""Making directories and symbolic links: ids, names of any spelling, and who keeps a name that is claimed twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres import naming, reading, recording, removing
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.domain.errors import MovedOn, NameTaken, NameTooLong
from konifer_fs.domain.node import Directory, Ownership, Symlink, derived_id
from konifer_fs.domain.path import AssetPath
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, entry_at, make, new_entry, node_id

NODES = "SELECT path::text, name FROM konifer_fs.node WHERE path IS NOT NULL ORDER BY path"


def test_a_path_is_made_with_all_above_it(connection: Connection) -> None:
    made = make(connection, "/a/Summer__202026/c")
    assert made == reading.find_directory(connection, AssetPath(("a", "Summer__202026", "c")))
    assert connection.execute(NODES).fetchall() == [
        ("root", None),
        ("root.a", "a"),
        ("root.a.Summer__202026", "Summer 2026"),
        ("root.a.Summer__202026.c", "c"),
    ]
    assert make(connection, "/a/Summer__202026/c") == made
    ledger.check(connection)


def test_a_directory_has_the_id_it_was_shown_with(connection: Connection) -> None:
    trees.add_asset(connection, "root.a.b")
    shown = reading.find_directory(connection, AssetPath(("a", "b")))
    assert shown
    assert make(connection, "/a/b").id == shown.id == derived_id(shown.path)


def test_an_id_that_went_with_a_rename_is_not_given_again(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO konifer_fs.node (id, parent, name, path) VALUES (%s, 1, 'b', 'root.b')",
        [derived_id(AssetPath(("a",)))],
    )
    assert make(connection, "/a").id != derived_id(AssetPath(("a",)))


def test_reserved_ids_are_nobody_elses(connection: Connection) -> None:
    first, second = naming.reserve_ids(connection, 3), naming.reserve_ids(connection, 2)
    assert len({*first, *second, 1}) == 6


def test_a_directory_is_made_with_its_ownership_and_moves_its_parents_times(connection: Connection) -> None:
    parent = make(connection, "/a")
    made = naming.make_directory(connection, parent, "Été 2026", Ownership(mode=0o750, uid=1, gid=2, ctime_ns=77))
    assert made.path.label == "__c3__89t__c3__a9__202026"
    assert reading.find_child(connection, parent, "Été 2026") == made
    assert ledger.row(connection, "SELECT mtime, ctime FROM konifer_fs.node WHERE path = 'root.a'") == (77, 77)
    ledger.check(connection)


@pytest.mark.parametrize("name", ["dir", "Summer 2026", "implicit", "cat.jpg", "0.jpeg", "link", "a__5f_b", "a__b"])
def test_a_name_that_shows_anything_is_taken(connection: Connection, name: str) -> None:
    parent = make(connection, "/p")
    trees.add_asset(connection, "root.p")
    trees.add_asset(connection, "root.p.implicit.below")
    for label in ("dir", "Summer__202026", "a__b"):
        make(connection, f"/p/{label}")
    trees.add_asset(connection, "root.p.a__5f_b")
    recording.record(connection, new_entry(parent, "cat.jpg", node_id(connection)))
    naming.make_symlink(connection, parent, "link", "cat.jpg", OWNERSHIP)
    before = connection.execute("SELECT * FROM konifer_fs.node ORDER BY id").fetchall()
    with pytest.raises(NameTaken):
        naming.make_directory(connection, parent, name, OWNERSHIP)
    with pytest.raises(NameTaken):
        naming.make_symlink(connection, parent, name, "x", OWNERSHIP)
    assert connection.execute("SELECT * FROM konifer_fs.node ORDER BY id").fetchall() == before


def test_a_directory_that_only_uploads_in_progress_need_can_be_made(connection: Connection) -> None:
    trees.add_asset(connection, "root.a.b", ready=False)
    assert naming.make_directory(connection, make(connection, "/a"), "b", OWNERSHIP).made


def test_nothing_is_made_in_a_directory_that_is_gone(connection: Connection) -> None:
    parent = make(connection, "/a")
    removing.remove_directory(connection, parent, 1)
    with pytest.raises(MovedOn):
        naming.make_directory(connection, parent, "b", OWNERSHIP)
    with pytest.raises(MovedOn):
        naming.make_symlink(connection, parent, "b", "x", OWNERSHIP)
    assert connection.execute(NODES).fetchall() == [("root", None)]


def test_a_path_over_the_limit_is_refused(connection: Connection) -> None:
    parent = make(connection, "/" + "/".join(["x" * 200] * 9))
    naming.make_directory(connection, parent, "y" * (1900 - parent.path.stored_bytes - 10), OWNERSHIP)
    with pytest.raises(NameTooLong):
        naming.make_directory(connection, parent, "y" * (1900 - parent.path.stored_bytes - 1), OWNERSHIP)
    with pytest.raises(NameTooLong):
        make(connection, parent.path.konifer + "/" + "z" * 200)


def test_a_directory_keeps_the_name_that_a_file_and_it_both_have(connection: Connection) -> None:
    parent = make(connection, "/a")
    entry = recording.record(connection, new_entry(parent, "x y", node_id(connection)))
    trees.add_asset(connection, "root.a.x__20y.deeper")
    make(connection, "/a/x__20y")
    assert isinstance(reading.find_child(connection, parent, "x y"), Directory)
    assert entry_at(connection, parent, "0.jpeg").id == entry.id
    ledger.check(connection)


def test_a_directory_keeps_the_name_that_a_symlink_and_it_both_have(connection: Connection) -> None:
    parent = make(connection, "/a")
    link = naming.make_symlink(connection, parent, "é" * 127, "target", OWNERSHIP)
    make(connection, f"/a/{'__c3__a9' * 120}")
    other = naming.make_symlink(connection, parent, "x", "target", OWNERSHIP)
    trees.add_asset(connection, "root.a.x")
    make(connection, "/a/x")
    assert isinstance(reading.find_child(connection, parent, "x"), Directory)
    moved = reading.find_child(connection, parent, f"x.{other.id}")
    assert isinstance(moved, Symlink)
    assert (moved.id, moved.target) == (other.id, "target")
    assert reading.find_child(connection, parent, link.name) == link
    ledger.check(connection)


def test_of_two_labels_that_read_alike_the_one_spelled_so_has_the_name(connection: Connection) -> None:
    make(connection, "/a__5f_b")
    make(connection, "/a__b")
    make(connection, "/c__d")
    make(connection, "/c__5f_d")
    assert connection.execute(NODES).fetchall()[1:] == [
        ("root.a__5f_b", "a__5f_b"),
        ("root.a__b", "a__b"),
        ("root.c__5f_d", "c__5f_d"),
        ("root.c__d", "c__d"),
    ]


def test_a_symlink_is_what_it_was_made_as(connection: Connection) -> None:
    parent = make(connection, "/a")
    made = naming.make_symlink(connection, parent, "lien é", "../b/é", OWNERSHIP)
    assert reading.find_child(connection, parent, "lien é") == made
    assert (made.target, made.ownership) == ("../b/é", OWNERSHIP)


def test_of_eight_that_make_one_directory_at_once_one_succeeds(migrated: str) -> None:
    ready = threading.Barrier(8)

    def attempt(_: int) -> bool:
        with connect(migrated, autocommit=True) as connection:
            configure(connection, deadline=30)
            ready.wait(30)
            try:
                naming.make_directory(connection, top, "x", OWNERSHIP)
            except NameTaken:
                return False
            return True

    top = Directory(id=1, path=AssetPath(), made=True)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_eight_that_make_one_path_at_once_agree(migrated: str) -> None:
    ready = threading.Barrier(8)

    def attempt(_: int) -> Directory:
        with connect(migrated, autocommit=True) as connection:
            configure(connection, deadline=30)
            ready.wait(30)
            return make(connection, "/a/b/c/d")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(attempt, range(8)))) == 1
