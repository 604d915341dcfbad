"""Changing ownership, annotations and private attributes: only what differs is written, and Konifer is told."""

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres import editing, naming, reading, recording, removing
from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import MovedOn, TextTooLong, TooManyAttributes
from konifer_fs.domain.node import Directory, Entry, Node, Ownership
from konifer_fs.domain.path import AssetPath
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, entry_at, make, new_entry, node_id


def foreign(connection: Connection) -> Entry:
    """An entry that another writer made, read by its default name."""
    trees.add_asset(connection, "root.a.b", alt=None, labels={"old": "1", "same": "2"}, tags=("t", "u", "v"))
    return entry_at(connection, Directory(id=0, path=AssetPath(("a", "b")), made=False), "0.jpeg")


def test_ownership_is_set_part_by_part(connection: Connection) -> None:
    directory = make(connection, "/a")
    entry: Node = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    entry = editing.set_ownership(connection, entry, Ownership(mode=0o600, ctime_ns=5))
    expected = Ownership(mode=0o600, uid=1000, gid=1000, mtime_ns=OWNERSHIP.mtime_ns, ctime_ns=5)
    assert entry == entry_at(connection, directory, "x.jpg")
    assert entry.ownership == expected


@pytest.mark.parametrize("name", ["0.jpeg", None])
def test_a_foreign_node_gets_a_row_with_the_id_it_was_shown_with(connection: Connection, name: str | None) -> None:
    entry = foreign(connection)
    directory = reading.find_directory(connection, entry.path)
    assert directory
    node: Node = entry if name else directory
    given = Ownership(mode=0o700, uid=5, gid=6, mtime_ns=-7, ctime_ns=8)
    changed = editing.set_ownership(connection, node, given)
    again = reading.find_child(connection, directory, name) if name else reading.find_directory(connection, entry.path)
    assert again == changed
    assert (changed.id, changed.ownership) == (node.id, given)
    assert editing.set_ownership(connection, node, Ownership(uid=9)).ownership.uid == 9
    ledger.check_names(connection)


def test_what_is_gone_has_no_ownership(connection: Connection) -> None:
    entry, directory = foreign(connection), make(connection, "/c")
    link = naming.make_symlink(connection, directory, "l", "x", OWNERSHIP)
    removing.remove_symlink(connection, directory, link, 1)
    removing.remove_directory(connection, directory, 1)
    removing.remove_entry(connection, make(connection, "/a/b"), entry, 1)
    for node in (entry, link, directory):
        with pytest.raises(MovedOn):
            editing.set_ownership(connection, node, Ownership(mode=0o600))


def test_annotations_are_changed_and_konifer_is_told_when(connection: Connection) -> None:
    entry = foreign(connection)
    labels = "SELECT label_key, label_value, id FROM asset_label ORDER BY label_key"
    same = connection.execute(labels).fetchall()[1]
    edit = AnnotationEdit(
        alt="a cat",
        source_url="https://example.org/é",
        labels={"old": None, "new": "é"},
        tags=("t", "z", "u", "z"),
        private={"user.x": b"\xff"},
    )
    editing.edit_annotations(connection, entry, edit)
    facts = reading.read_facts(connection, entry)
    said = facts.annotations
    assert (said.alt, said.source_url) == ("a cat", "https://example.org/é")
    assert (said.labels, said.tags) == ({"same": "2", "new": "é"}, ("t", "z", "u"))
    assert said.private == {"user.x": b"\xff"}
    assert datetime.now(UTC) - facts.modified_at < timedelta(minutes=5)
    assert connection.execute(labels).fetchall()[1] == same
    assert ledger.one(connection, "SELECT source FROM asset_tree") == "URL"
    ledger.check_names(connection)


def test_annotations_can_all_be_removed(connection: Connection) -> None:
    entry = foreign(connection)
    editing.edit_annotations(connection, entry, AnnotationEdit(alt="x", source_url="https://example.org"))
    edit = AnnotationEdit(alt="", source_url="", tags=(), labels={"old": None, "same": None, "never": None})
    editing.edit_annotations(connection, entry, edit)
    row = ledger.row(connection, "SELECT alt, source, source_url FROM asset_tree")
    assert row == ("", "UPLOAD", None)
    counts = "SELECT (SELECT count(*) FROM asset_label), (SELECT count(*) FROM asset_tag)"
    assert ledger.row(connection, counts) == (0, 0)


def test_an_edit_that_changes_nothing_writes_nothing(connection: Connection) -> None:
    entry = foreign(connection)
    before = [connection.execute(f"SELECT xmin::text, * FROM {t}").fetchall() for t in ("asset_tree", "asset_label")]
    editing.edit_annotations(connection, entry, AnnotationEdit(alt="", labels={"same": "2"}, tags=("t", "u", "v")))
    after = [connection.execute(f"SELECT xmin::text, * FROM {t}").fetchall() for t in ("asset_tree", "asset_label")]
    assert after == before
    assert ledger.one(connection, "SELECT count(*) FROM konifer_fs.node") == 1


def test_private_attributes_move_our_time_and_not_konifers(connection: Connection) -> None:
    entry = foreign(connection)
    editing.edit_annotations(connection, entry, AnnotationEdit(private={"user.x": b"1", "user.y": b""}))
    editing.edit_annotations(connection, entry, AnnotationEdit(private={"user.x": None, "user.y": b"2"}))
    facts = reading.read_facts(connection, entry)
    assert facts.annotations.private == {"user.y": b"2"}
    assert facts.modified_at == entry.modified_at
    ctime = ledger.one(connection, "SELECT ctime FROM konifer_fs.node WHERE asset_id = %s", entry.asset_id)
    assert ctime > 1_700_000_000_000_000_000


def test_one_of_a_keys_several_values_is_replaced_with_all_others(connection: Connection) -> None:
    entry = foreign(connection)
    connection.execute("INSERT INTO asset_label SELECT gen_random_uuid(), id, 'old', '3', now() FROM asset_tree")
    editing.edit_annotations(connection, entry, AnnotationEdit(labels={"old": "4"}))
    rows = connection.execute("SELECT label_value FROM asset_label WHERE label_key = 'old'").fetchall()
    assert rows == [("4",)]


def test_a_refused_edit_changes_nothing(connection: Connection) -> None:
    entry = foreign(connection)
    with pytest.raises(TooManyAttributes):
        editing.edit_annotations(connection, entry, AnnotationEdit(alt="x", labels={f"k{n}": "v" for n in range(49)}))
    with pytest.raises(TextTooLong):
        editing.edit_annotations(connection, entry, AnnotationEdit(alt="x" * 126))
    assert ledger.row(connection, "SELECT alt, (SELECT count(*) FROM asset_label) FROM asset_tree") == (None, 2)


def test_a_deleted_entry_cannot_be_edited(connection: Connection) -> None:
    entry = foreign(connection)
    removing.remove_entry(connection, make(connection, "/a/b"), entry, 1)
    with pytest.raises(MovedOn):
        editing.edit_annotations(connection, entry, AnnotationEdit(alt="x"))


def test_directories_and_symlinks_have_private_attributes(connection: Connection) -> None:
    directory = reading.find_directory(connection, foreign(connection).path)
    assert directory
    editing.edit_private(connection, directory, {"user.DOSATTRIB": b"\0\1", "user.y": b"2"})
    editing.edit_private(connection, directory, {"user.y": None, "user.never": None})
    made = make(connection, "/a/b")
    assert reading.read_private(connection, made) == {"user.DOSATTRIB": b"\0\1"}
    assert made.id == directory.id
    assert made.ownership.ctime_ns
    link = naming.make_symlink(connection, made, "l", "x", OWNERSHIP)
    editing.edit_private(connection, link, {"user.x": b"1"})
    assert reading.read_private(connection, link) == {"user.x": b"1"}
    with pytest.raises(TooManyAttributes):
        editing.edit_private(connection, link, {"user.big": bytes(65537)})
    removing.remove_symlink(connection, made, link, 1)
    with pytest.raises(MovedOn):
        editing.edit_private(connection, link, {"user.x": b"2"})
