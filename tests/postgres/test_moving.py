"""Renaming: what rename(2) promises, entry ids, annotations of what is replaced, and whole directories at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres import moving, naming, reading, recording, removing
from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import (
    DirectoryNotEmpty,
    IsADirectory,
    KoniferFsError,
    MovedOn,
    MoveIntoItself,
    NameTaken,
    NameTooLong,
    NoSuchName,
    NotADirectory,
)
from konifer_fs.domain.node import Directory, Entry, Node, Symlink
from konifer_fs.domain.path import MAX_STORED_BYTES, AssetPath
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, entry_at, make, new_entry, node_id

SAID = AnnotationEdit(
    alt="a cat", source_url="https://example.org/", labels={"k": "v"}, tags=("b", "a"), private={"user.x": b"\0"}
)
IDS = "SELECT a.entry_id FROM asset_tree a JOIN konifer_fs.node n ON n.asset_id = a.id WHERE n.name = %s"


def add(connection: Connection, directory: Directory, name: str, edit: AnnotationEdit | None = None) -> Entry:
    return recording.record(connection, new_entry(directory, name, node_id(connection), edit=edit))


def move(
    connection: Connection,
    source: Directory,
    name: str,
    target: Directory,
    new_name: str,
    on_clash: OnClash = OnClash.REPLACE,
) -> Node:
    return moving.move(connection, source, name, target, new_name, on_clash, 77)


def test_a_rename_in_place_changes_the_name_alone(connection: Connection) -> None:
    directory = make(connection, "/a")
    old = add(connection, directory, "x.jpg")
    before = ledger.row(connection, "SELECT * FROM asset_tree")
    new = move(connection, directory, "x.jpg", directory, "y.jpg")
    assert isinstance(new, Entry)
    assert (new.id, new.name, new.entry_id, new.ownership.ctime_ns) == (old.id, "y.jpg", 0, 77)
    assert ledger.row(connection, "SELECT * FROM asset_tree") == before
    assert ledger.row(connection, "SELECT mtime, ctime FROM konifer_fs.node WHERE path = 'root.a'") == (77, 77)
    assert reading.find_child(connection, directory, "x.jpg") is None


def test_an_entry_that_changes_its_path_takes_the_next_id_there(connection: Connection) -> None:
    one, other = make(connection, "/a"), make(connection, "/b")
    add(connection, other, "first.jpg")
    old = add(connection, one, "x.jpg", SAID)
    new = move(connection, one, "x.jpg", other, "y.jpg")
    assert isinstance(new, Entry)
    assert (new.id, new.entry_id, new.asset_id, new.modified_at) == (old.id, 1, old.asset_id, old.modified_at)
    back = move(connection, other, "y.jpg", one, "x.jpg")
    assert isinstance(back, Entry)
    assert back.entry_id == 1
    assert add(connection, other, "last.jpg").entry_id == 2
    assert ledger.told(connection) == set()
    ledger.check(connection)


def test_ids_that_another_writer_is_taking_are_waited_for(connection: Connection, migrated: str) -> None:
    """Else a renaming fails as often as somebody uploads to where the directory goes."""
    trees.add_asset(connection, "root.b")
    trees.add_asset(connection, "root.a")
    connection.execute("DELETE FROM asset_variant WHERE asset_id IN (SELECT id FROM asset_tree WHERE path = 'root.b')")
    connection.execute("DELETE FROM asset_tree WHERE path = 'root.b'")
    root = make(connection, "/")
    with connect(migrated, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            trees.add_asset(other, "root.b", ready=False)
            moving_there = pool.submit(move, connection, root, "a", root, "b")
            while not ledger.one(other, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"):
                assert not moving_there.done()
        assert isinstance(moving_there.result(30), Directory)
    assert connection.execute("SELECT entry_id FROM asset_tree WHERE is_ready").fetchall() == [(2,)]


def test_a_foreign_entry_gets_its_name_by_a_rename(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a.b")
    source = reading.find_directory(connection, AssetPath(("a", "b")))
    assert source
    shown = entry_at(connection, source, "0.jpeg")
    new = move(connection, source, "0.jpeg", make(connection, "/c"), "x.jpg")
    assert isinstance(new, Entry)
    assert (new.id, new.asset_id, new.name, new.path.konifer) == (shown.id, asset, "x.jpg", "/c")
    assert isinstance(reading.find_directory(connection, source.path), Directory)
    ledger.check(connection)


def test_a_replaced_entry_is_deleted_and_leaves_what_was_said_of_it(connection: Connection) -> None:
    one, other = make(connection, "/a"), make(connection, "/b")
    mover = add(connection, one, "new.jpg")
    old = add(connection, other, "x.jpg", SAID)
    said = reading.read_facts(connection, old).annotations
    new = move(connection, one, "new.jpg", other, "x.jpg")
    assert isinstance(new, Entry)
    assert (new.id, new.asset_id) == (mover.id, mover.asset_id)
    assert reading.read_facts(connection, new).annotations == said
    assert new.modified_at > mover.modified_at
    assert ledger.is_told(connection, old.original)
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 1
    ledger.check(connection)


def test_an_entry_that_has_annotations_keeps_its_own(connection: Connection) -> None:
    directory = make(connection, "/a")
    mover = add(connection, directory, "new.jpg", AnnotationEdit(labels={"own": "1"}))
    add(connection, directory, "x.jpg", SAID)
    new = move(connection, directory, "new.jpg", directory, "x.jpg")
    assert isinstance(new, Entry)
    said = reading.read_facts(connection, new).annotations
    assert (said.alt, said.source_url, said.labels, said.tags) == ("", None, {"own": "1"}, ())
    assert said.private == {"user.x": b"\0"}
    assert new.modified_at == mover.modified_at


def test_a_replaced_foreign_entry_is_deleted(connection: Connection) -> None:
    directory = make(connection, "/a")
    trees.add_asset(connection, "root.a", labels={"k": "v"})
    mover = add(connection, directory, "new.jpg")
    new = move(connection, directory, "new.jpg", directory, "0.jpeg")
    assert isinstance(new, Entry)
    assert (new.asset_id, new.name) == (mover.asset_id, "0.jpeg")
    assert reading.read_facts(connection, new).annotations.labels == {"k": "v"}
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 1
    ledger.check(connection)


def test_files_and_symlinks_replace_each_other(connection: Connection) -> None:
    directory = make(connection, "/a")
    for name in ("f", "g"):
        add(connection, directory, name)
    for name in ("l", "m", "n"):
        naming.make_symlink(connection, directory, name, f"to {name}", OWNERSHIP)
    assert isinstance(move(connection, directory, "f", directory, "l"), Entry)
    assert isinstance(move(connection, directory, "m", directory, "g"), Symlink)
    assert isinstance(move(connection, directory, "n", directory, "g"), Symlink)
    names = connection.execute("SELECT name FROM konifer_fs.node WHERE parent = %s", [directory.id]).fetchall()
    assert sorted(names) == [("g",), ("l",)]
    assert len(ledger.told(connection)) == 1
    ledger.check(connection)


@pytest.fixture
def tree(connection: Connection) -> Directory:
    """/t with dir/below/x.jpg, empty, full/x.jpg, busy (with an upload), link, file, 0.jpeg and foreign/0.jpeg."""
    top = make(connection, "/t")
    trees.add_asset(connection, "root.t")
    trees.add_asset(connection, "root.t.foreign")
    trees.add_asset(connection, "root.t.busy", ready=False)
    make(connection, "/t/busy")
    make(connection, "/t/empty")
    add(connection, make(connection, "/t/dir/below"), "x.jpg")
    add(connection, make(connection, "/t/full"), "x.jpg")
    naming.make_symlink(connection, top, "link", "x", OWNERSHIP)
    add(connection, top, "file")
    return top


@pytest.mark.parametrize(
    ("name", "new_name", "on_clash", "error"),
    [
        ("none", "new", OnClash.REPLACE, NoSuchName),
        ("1.png", "new", OnClash.REPLACE, NoSuchName),
        ("none", "file", OnClash.EXCHANGE, NoSuchName),
        ("file", "none", OnClash.EXCHANGE, NoSuchName),
        ("file", "empty", OnClash.REPLACE, IsADirectory),
        ("0.jpeg", "foreign", OnClash.REPLACE, IsADirectory),
        ("link", "empty", OnClash.REPLACE, IsADirectory),
        ("empty", "file", OnClash.REPLACE, NotADirectory),
        ("foreign", "0.jpeg", OnClash.REPLACE, NotADirectory),
        ("empty", "link", OnClash.REPLACE, NotADirectory),
        ("empty", "full", OnClash.REPLACE, DirectoryNotEmpty),
        ("empty", "foreign", OnClash.REPLACE, DirectoryNotEmpty),
        ("empty", "busy", OnClash.REPLACE, DirectoryNotEmpty),
        ("foreign", "dir", OnClash.REPLACE, DirectoryNotEmpty),
        ("dir", "dir/new", OnClash.REPLACE, MoveIntoItself),
        ("dir", "dir/below/new", OnClash.REPLACE, MoveIntoItself),
        ("dir", "dir/below", OnClash.EXCHANGE, MoveIntoItself),
        ("dir/below", "dir", OnClash.EXCHANGE, MoveIntoItself),
        ("dir/below", "dir", OnClash.REPLACE, DirectoryNotEmpty),
        ("file", "full", OnClash.REFUSE, NameTaken),
        ("file", "0.jpeg", OnClash.REFUSE, NameTaken),
        ("dir", "foreign", OnClash.REFUSE, NameTaken),
        ("empty", "link", OnClash.REFUSE, NameTaken),
        ("file", "file", OnClash.REFUSE, NameTaken),
    ],
)
def test_what_rename_refuses_changes_nothing(
    connection: Connection,
    tree: Directory,
    name: str,
    new_name: str,
    on_clash: OnClash,
    error: type[KoniferFsError],
) -> None:
    def split(spelled: str) -> tuple[Directory, str]:
        above, _, last = spelled.rpartition("/")
        return make(connection, f"/t/{above}"), last

    source, target = split(name), split(new_name)
    before = ledger.everything(connection)
    with pytest.raises(error):
        move(connection, *source, *target, on_clash)
    assert ledger.everything(connection) == before


@pytest.mark.parametrize("name", ["file", "0.jpeg", "link", "dir", "foreign"])
def test_a_rename_to_itself_changes_nothing(connection: Connection, tree: Directory, name: str) -> None:
    before = ledger.everything(connection)
    for on_clash in (OnClash.REPLACE, OnClash.EXCHANGE):
        assert move(connection, tree, name, tree, name, on_clash) == reading.find_child(connection, tree, name)
    assert ledger.everything(connection) == before


def contents(connection: Connection, node: Node) -> object:
    """What makes `node` itself wherever it is: what is below a directory, an asset, a target."""
    match node:
        case Directory():
            path = node.path.ltree
            return connection.execute(
                "SELECT id, subpath(path || 'x', nlevel(%s::ltree))::text FROM asset_tree WHERE path <@ %s ORDER BY 1",
                [path, path],
            ).fetchall()
        case Entry():
            return node.asset_id
        case Symlink():
            return node.target


@pytest.mark.parametrize("name", ["file", "0.jpeg", "link", "dir", "foreign", "empty"])
@pytest.mark.parametrize("other", ["file", "0.jpeg", "link", "dir", "foreign", "empty"])
def test_any_two_can_be_exchanged(connection: Connection, tree: Directory, name: str, other: str) -> None:
    target = make(connection, "/u")
    if name != other:
        move(connection, tree, other, target, other)
    else:
        target = tree
    a, b = reading.find_child(connection, tree, name), reading.find_child(connection, target, other)
    assert a
    assert b
    before = (contents(connection, a), contents(connection, b))
    moved = move(connection, tree, name, target, other, OnClash.EXCHANGE)
    back = reading.find_child(connection, tree, name)
    assert back
    assert (moved.id, back.id) == (a.id, b.id)
    assert (contents(connection, moved), contents(connection, back)) == before
    assert ledger.told(connection) == set()
    ledger.check_names(connection)


def test_a_directory_moves_with_all_that_is_below(connection: Connection, tree: Directory) -> None:
    below = reading.find_directory(connection, AssetPath(("t", "dir", "below")))
    trees.add_asset(connection, "root.t.dir.implicit.deeper")
    trees.add_asset(connection, "root.t.dir.below", ready=False)
    target = make(connection, "/u")
    moved = move(connection, tree, "dir", target, "Summer 2026")
    assert isinstance(moved, Directory)
    assert moved.path == AssetPath(("u", "Summer__202026"))
    found = reading.find_directory(connection, moved.path.child("below"))
    assert below
    assert found
    assert (found.id, found.made) == (below.id, True)
    paths = connection.execute("SELECT path::text FROM asset_tree WHERE path <@ 'root.u' ORDER BY path").fetchall()
    assert [path for (path,) in paths] == [
        "root.u.Summer__202026.below",
        "root.u.Summer__202026.below",
        "root.u.Summer__202026.implicit.deeper",
    ]
    assert entry_at(connection, found, "x.jpg").entry_id == 0
    assert reading.find_child(connection, tree, "dir") is None
    assert ledger.row(connection, "SELECT mtime, ctime FROM konifer_fs.node WHERE id = %s", target.id) == (77, 77)
    ledger.check_names(connection)


def test_ids_stay_where_the_new_path_never_held_an_entry_and_go_on_elsewhere(connection: Connection) -> None:
    top = make(connection, "/t")
    source = make(connection, "/t/a")
    for name in ("p", "q", "r"):
        add(connection, source, name)
    removing.remove_entry(connection, source, entry_at(connection, source, "p"), 1)
    used = make(connection, "/t/used")
    for number in range(5):
        removing.remove_entry(connection, used, add(connection, used, f"{number}.jpg"), 1)
    move(connection, top, "a", top, "fresh")
    assert [ledger.one(connection, IDS, name) for name in ("q", "r")] == [1, 2]
    move(connection, top, "fresh", top, "used")
    assert [ledger.one(connection, IDS, name) for name in ("q", "r")] == [5, 6]
    move(connection, top, "used", top, "a")
    assert [ledger.one(connection, IDS, name) for name in ("q", "r")] == [3, 4]
    assert add(connection, make(connection, "/t/a"), "s").entry_id == 5
    counters: dict[str, int] = dict(
        connection.execute("SELECT path::text, last_entry_id FROM path_entry_counter").fetchall()
    )
    assert counters == {"root.t.a": 5, "root.t.fresh": 2, "root.t.used": 6}
    ledger.check(connection)


def test_entries_that_take_other_ids_show_under_the_names_they_had(connection: Connection) -> None:
    top = make(connection, "/t")
    clash = add(connection, make(connection, "/t/a/b"), "2.jpeg")
    assets = [trees.add_asset(connection, "root.t.a.b") for _ in range(3)]
    spent = make(connection, "/t/c/b")
    for number in range(3):
        removing.remove_entry(connection, spent, add(connection, spent, f"{number}.jpg"), 1)
    removing.remove_directory(connection, spent, 1)
    move(connection, top, "a", top, "c")
    there = make(connection, "/t/c/b")
    shown = {name: entry_at(connection, there, name) for name in ("1.jpeg", f"2.{assets[1]}.jpeg", "3.jpeg")}
    assert [entry.asset_id for entry in shown.values()] == assets
    assert [entry.entry_id for entry in shown.values()] == [4, 5, 6]
    assert entry_at(connection, there, "2.jpeg").asset_id == clash.asset_id
    ledger.check_names(connection)


def test_two_directories_are_exchanged_with_ids_that_were_never_used(connection: Connection) -> None:
    top = make(connection, "/t")
    for name, count in (("a", 3), ("b", 2)):
        for number in range(count):
            add(connection, make(connection, f"/t/{name}/s"), f"{name}{number}")
    move(connection, top, "a", top, "b", OnClash.EXCHANGE)
    assert [ledger.one(connection, IDS, name) for name in ("a0", "a1", "a2", "b0", "b1")] == [2, 3, 4, 3, 4]
    assert entry_at(connection, make(connection, "/t/b/s"), "a0").path.konifer == "/t/b/s"
    ledger.check(connection)


@pytest.mark.parametrize("made", [True, False])
def test_no_descendant_may_get_longer_than_konifers_index_bears(connection: Connection, made: bool) -> None:
    top = make(connection, "/t")
    source = make(connection, "/t/a")
    deep = source.path
    while deep.stored_bytes + 208 <= MAX_STORED_BYTES:
        deep = deep.child("x" * 200)
    if made:
        make(connection, deep.konifer)
    else:
        trees.add_asset(connection, deep.ltree, ready=False)
    fits = "y" * (MAX_STORED_BYTES - deep.stored_bytes)
    before = ledger.everything(connection)
    with pytest.raises(NameTooLong):
        move(connection, top, "a", top, fits + "y" * 8)
    assert ledger.everything(connection) == before
    assert move(connection, top, "a", top, fits).id == source.id


def test_a_directory_that_is_gone_takes_nothing(connection: Connection) -> None:
    source, target = make(connection, "/a"), make(connection, "/b")
    add(connection, source, "x.jpg")
    removing.remove_directory(connection, target, 1)
    with pytest.raises(MovedOn):
        move(connection, source, "x.jpg", target, "x.jpg")
    with pytest.raises(MovedOn):
        move(connection, target, "x.jpg", source, "x.jpg")


def test_a_directory_of_1000_files_moves_in_one_transaction_that_copies_nothing(connection: Connection) -> None:
    top, source = make(connection, "/t"), make(connection, "/t/a")
    for number in range(1000):
        add(connection, source, f"{number:04}.jpg")
    objects = ledger.stored(connection)
    ids = connection.execute("SELECT id, entry_id FROM asset_tree ORDER BY id").fetchall()
    move(connection, top, "a", top, "b")
    assert ledger.one(connection, "SELECT count(DISTINCT xmin::text) FROM asset_tree") == 1
    written = "SELECT count(DISTINCT xmin::text) FROM konifer_fs.node WHERE path IN ('root.t', 'root.t.b')"
    assert ledger.one(connection, written) == 1
    assert connection.execute("SELECT id, entry_id FROM asset_tree ORDER BY id").fetchall() == ids
    assert ledger.stored(connection) == objects
    assert ledger.told(connection) == set()
    ledger.check(connection)


def test_a_time_limit_for_statements_does_not_end_a_directorys_rename(connection: Connection) -> None:
    top, source = make(connection, "/t"), make(connection, "/t/a")
    for number in range(100):
        add(connection, source, f"{number}")
    connection.execute(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END'"
    )
    connection.execute("CREATE TRIGGER slowly BEFORE UPDATE ON asset_tree FOR EACH ROW EXECUTE FUNCTION slowly()")
    connection.execute("SET statement_timeout = 200")
    move(connection, top, "a", top, "b")
    assert ledger.one(connection, "SHOW statement_timeout") == "200ms"
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree WHERE path = 'root.t.b'") == 100
