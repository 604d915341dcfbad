"""Recording drafts: the rows that Konifer will read, overwriting, keeping, names that are taken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import Connection
from uuid_utils.compat import uuid7

from konifer_fs.adapters.postgres import editing, moving, naming, reading, recording, removing
from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import NameTaken, TooManyAttributes
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Directory, Ownership, derived_id
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Attributes, Fingerprint
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, entry_at, make, new_entry, node_id

LABELS = AnnotationEdit(
    alt="a cat", source_url="https://example.org/cat", tags=("b", "a"), labels={"k": "v"}, private={"user.x": b"\0"}
)


def test_a_recorded_draft_is_what_konifer_itself_would_have_written(connection: Connection) -> None:
    directory, node = make(connection, "/users/7"), node_id(connection)
    new = replace(
        new_entry(directory, "cat.gif", node),
        attributes=Attributes(format=ImageFormat.GIF, width=6, height=4, page_count=3, loop=0),
    )
    entry = recording.record(connection, new)
    asset = ledger.row(
        connection,
        "SELECT path::text, entry_id, alt, source, source_url, is_ready, created_at = modified_at, created_at"
        "  FROM asset_tree WHERE id = %s",
        new.asset_id,
    )
    assert asset[:7] == ("root.users.7", 0, "", "UPLOAD", None, True, True)
    assert abs(asset[7] - datetime.now(UTC)) < timedelta(minutes=5)
    assert ledger.row(
        connection,
        "SELECT object_store_bucket, object_store_key, transformation, attributes, lqip, original_variant,"
        " v.created_at = a.created_at, uploaded_at = a.created_at, expires_at, last_accessed_at"
        " FROM asset_variant v JOIN asset_tree a ON a.id = asset_id",
    ) == (
        *("assets", new.original.key),
        {"width": 6, "height": 4, "format": "gif", "colorSpace": "unknown"},
        {"width": 6, "height": 4, "format": "gif", "pageCount": 3, "loop": 0},
        *({}, True, True, True, None, None),
    )
    assert entry == entry_at(connection, directory, "cat.gif")
    assert (entry.id, entry.ownership, entry.size) == (node, OWNERSHIP, 12345)
    ledger.check(connection)


def test_entry_ids_count_from_0_and_never_come_back(connection: Connection) -> None:
    directory = make(connection, "/a")
    entries = [recording.record(connection, new_entry(directory, f"{n}.jpg", node_id(connection))) for n in range(3)]
    assert [entry.entry_id for entry in entries] == [0, 1, 2]
    for entry in entries:
        removing.remove_entry(connection, directory, entry, 1)
    assert recording.record(connection, new_entry(directory, "new.jpg", node_id(connection))).entry_id == 3


def test_overwriting_keeps_the_inode_and_annotations_and_deletes_the_old_entry(connection: Connection) -> None:
    directory = make(connection, "/a")
    old = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=LABELS))
    variant = trees.add_variant(connection, old.asset_id, {"width": 1, "height": 1, "format": "png"})
    given = Ownership(mode=0o600, uid=1, gid=2, mtime_ns=3, ctime_ns=4)
    new = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), ownership=given))
    assert (new.id, new.entry_id, new.ownership) == (old.id, 1, given)
    assert entry_at(connection, directory, "x.jpg") == new
    said = reading.read_facts(connection, new).annotations
    assert (said.alt, said.source_url, said.tags) == ("a cat", "https://example.org/cat", ("b", "a"))
    assert (said.labels, said.private) == ({"k": "v"}, {"user.x": b"\0"})
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 1
    assert ledger.is_told(connection, old.original)
    assert old.original
    assert ledger.told(connection) == {variant, old.original.key}
    ledger.check(connection)


def test_an_edit_is_applied_over_what_the_old_entry_had(connection: Connection) -> None:
    directory = make(connection, "/a")
    recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=LABELS))
    edit = AnnotationEdit(alt="", labels={"k": None, "l": "w"}, tags=("a",), private={"user.y": b"1"})
    new = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=edit))
    said = reading.read_facts(connection, new).annotations
    assert (said.alt, said.labels, said.tags) == ("", {"l": "w"}, ("a",))
    assert said.private == {"user.x": b"\0", "user.y": b"1"}
    assert ledger.one(connection, "SELECT created_at = modified_at FROM asset_tree")
    ledger.check(connection)


def test_a_draft_with_too_many_labels_leaves_everything_as_it_was(connection: Connection) -> None:
    directory = make(connection, "/a")
    old = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=LABELS))
    edit = AnnotationEdit(labels={f"l{n}": "v" for n in range(50)})
    with pytest.raises(TooManyAttributes):
        recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=edit))
    assert entry_at(connection, directory, "x.jpg") == old
    assert ledger.told(connection) == set()


def test_what_may_replace_only_what_it_began_from_leaves_others_alone(connection: Connection) -> None:
    directory = make(connection, "/a")
    began, rival, late = (new_entry(directory, "x.jpg", node_id(connection)) for _ in range(3))
    recording.record(connection, began)
    recording.record(connection, rival)
    with pytest.raises(NameTaken):
        recording.record(connection, replace(late, over=frozenset({began.asset_id})))
    assert entry_at(connection, directory, "x.jpg").asset_id == rival.asset_id
    recording.record(connection, replace(late, over=frozenset({began.asset_id, rival.asset_id})))
    assert entry_at(connection, directory, "x.jpg").asset_id == late.asset_id
    first = replace(new_entry(directory, "new.jpg", node_id(connection)), over=frozenset())
    assert recording.record(connection, first).name == "new.jpg"
    ledger.check(connection)


def test_under_keep_the_old_entry_stays_without_its_name(connection: Connection) -> None:
    directory = make(connection, "/a")
    old = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=LABELS))
    new = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), keep=True))
    assert new.id == old.id
    assert entry_at(connection, directory, "x.jpg") == new
    kept = entry_at(connection, directory, "0.jpeg")
    assert (kept.asset_id, kept.id, kept.made) == (old.asset_id, derived_id(old.asset_id), True)
    assert (kept.size, kept.ownership) == (old.size, old.ownership)
    assert reading.read_facts(connection, kept).annotations == reading.read_facts(connection, new).annotations
    assert ledger.told(connection) == set()
    ledger.check(connection)


def test_what_was_received_and_placeholders_are_of_the_asset(connection: Connection) -> None:
    directory = make(connection, "/a")
    received = Fingerprint(99, b"\1" * 32)
    made = replace(new_entry(directory, "x.jpg", node_id(connection)), lqip={"blurhash": "UIEML4"}, received=received)
    old = recording.record(connection, made)
    facts = reading.read_facts(connection, old)
    assert (facts.received, facts.lqip) == (received, {"blurhash": "UIEML4"})
    ledger.check(connection)
    new = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), keep=True))
    kept = reading.read_facts(connection, entry_at(connection, directory, "0.jpeg"))
    assert (kept.received, kept.lqip) == (received, {"blurhash": "UIEML4"})
    facts = reading.read_facts(connection, new)
    assert (facts.received, facts.lqip) == (Fingerprint(12345, bytes(32)), {})
    recording.record(connection, replace(made, asset_id=uuid7(), original=made.original._replace(key="k")))
    again = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    assert reading.read_facts(connection, again).received == Fingerprint(12345, bytes(32))


def test_a_later_commit_of_the_same_opening_replaces_the_earlier_even_under_keep(connection: Connection) -> None:
    directory = make(connection, "/a")
    node = node_id(connection)
    first = recording.record(connection, new_entry(directory, "x.jpg", node, keep=True))
    second = recording.record(connection, new_entry(directory, "x.jpg", node, keep=True, replaces=first.asset_id))
    assert second.id == node
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 1
    assert ledger.is_told(connection, first.original)


def test_the_earlier_commit_goes_though_another_mount_took_its_name_away(connection: Connection) -> None:
    directory = make(connection, "/a")
    first = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    moving.move(connection, directory, "x.jpg", directory, "y.jpg", OnClash.REPLACE, 1)
    draft = new_entry(directory, "x.jpg", first.id, replaces=first.asset_id)
    assert recording.record(connection, draft).id == first.id
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 1
    ledger.check(connection)


@pytest.mark.parametrize("keep", [False, True])
def test_a_foreign_entry_is_overwritten_by_its_default_name(connection: Connection, keep: bool) -> None:
    asset = trees.add_asset(connection, "root.a", labels={"k": "v"})
    directory = make(connection, "/a")
    old = entry_at(connection, directory, "0.jpeg")
    new = recording.record(connection, new_entry(directory, "0.jpeg", node_id(connection), keep=keep))
    assert (new.id, new.entry_id) == (old.id, 1)
    assert reading.read_facts(connection, new).annotations.labels == {"k": "v"}
    found = reading.find_child(connection, directory, f"0.{asset}.jpeg")
    assert (found is not None) is keep
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 1 + keep
    ledger.check(connection)


def test_a_name_that_only_looks_like_a_default_name_overwrites_nothing(connection: Connection) -> None:
    trees.add_asset(connection, "root.a")
    directory = make(connection, "/a")
    recording.record(connection, new_entry(directory, "0.png", node_id(connection)))
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 2
    ledger.check(connection)


@pytest.mark.parametrize("name", ["sub", "Summer 2026", "link", "foreign", "a.b"])
def test_a_name_of_a_directory_or_symlink_is_taken(connection: Connection, name: str) -> None:
    directory = make(connection, "/a")
    make(connection, "/a/sub")
    make(connection, "/a/Summer__202026")
    naming.make_symlink(connection, directory, "link", "x", OWNERSHIP)
    trees.add_asset(connection, "root.a.foreign.below")
    trees.add_asset(connection, "root.a.a__2eb")
    for edit in (None, LABELS):
        with pytest.raises(NameTaken):
            recording.record(connection, new_entry(directory, name, node_id(connection), edit=edit))
    assert ledger.one(connection, "SELECT count(*) FROM asset_tree") == 2
    assert not connection.info.transaction_status


def test_an_upload_in_progress_below_does_not_take_a_name(connection: Connection) -> None:
    directory = make(connection, "/a")
    trees.add_asset(connection, "root.a.x", ready=False)
    assert recording.record(connection, new_entry(directory, "x", node_id(connection))).name == "x"


def test_a_name_whose_asset_another_writer_moved_away_is_free(connection: Connection) -> None:
    directory = make(connection, "/a")
    old = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    connection.execute("UPDATE asset_tree SET path = 'root.b'")
    new = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    assert new.id != old.id
    moved = entry_at(connection, Directory(id=0, path=AssetPath(("b",)), made=False), "0.jpeg")
    assert (moved.asset_id, moved.id) == (old.asset_id, old.id)
    assert ledger.told(connection) == set()


def test_a_draft_makes_its_removed_directory_again(connection: Connection) -> None:
    directory = make(connection, "/a/b")
    removing.remove_directory(connection, directory, 1)
    removing.remove_directory(connection, make(connection, "/a"), 1)
    entry = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    assert entry.path == directory.path
    ledger.check(connection)


def test_a_draft_follows_its_directory(connection: Connection) -> None:
    top, directory = make(connection, "/"), make(connection, "/a/b")
    trees.add_asset(connection, "root.f")
    foreign = reading.find_directory(connection, AssetPath(("f",)))
    assert foreign
    moving.move(connection, top, "a", top, "c", OnClash.REPLACE, 1)
    moving.move(connection, top, "f", top, "g", OnClash.REPLACE, 1)
    made = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    assert made.path == AssetPath(("c", "b"))
    assert recording.record(connection, new_entry(foreign, "x.jpg", node_id(connection))).path == AssetPath(("g",))
    ledger.check(connection)


def test_a_draft_of_a_foreign_directory_makes_rows_for_it_and_above(connection: Connection) -> None:
    trees.add_asset(connection, "root.a.b.c")
    directory = reading.find_directory(connection, AssetPath(("a", "b")))
    assert directory
    assert not directory.made
    recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    rows = connection.execute("SELECT path::text, name FROM konifer_fs.node WHERE path IS NOT NULL ORDER BY path")
    assert rows.fetchall() == [("root", None), ("root.a", "a"), ("root.a.b", "b")]
    assert ledger.one(connection, "SELECT id FROM konifer_fs.node WHERE path = 'root.a.b'") == directory.id


def test_the_directorys_times_move_when_the_name_came_and_never_back(connection: Connection) -> None:
    directory = make(connection, "/a")
    times = "SELECT mtime, ctime FROM konifer_fs.node WHERE path = 'root.a'"
    recording.record(connection, new_entry(directory, "x.jpg", node_id(connection)))
    assert ledger.row(connection, times) == (None, None)
    recording.record(connection, new_entry(directory, "y.jpg", node_id(connection), named_ns=500))
    recording.record(connection, new_entry(directory, "z.jpg", node_id(connection), named_ns=400))
    assert ledger.row(connection, times) == (500, 500)


def test_an_id_that_is_in_use_is_not_given_twice(connection: Connection) -> None:
    directory, node = make(connection, "/a"), node_id(connection)
    recording.record(connection, new_entry(directory, "x.jpg", node))
    assert recording.record(connection, new_entry(directory, "y.jpg", node)).id != node


def test_an_entry_of_konifer_0_9_gets_its_defaults(connection: Connection) -> None:
    connection.execute(
        "ALTER TABLE asset_variant ADD access_score double precision NOT NULL DEFAULT 0,"
        " ADD access_score_as_of timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')"
    )
    recording.record(connection, new_entry(make(connection, "/a"), "x.jpg", node_id(connection)))
    assert ledger.one(connection, "SELECT access_score FROM asset_variant") == 0


def test_annotations_of_a_kept_entry_are_its_own(connection: Connection) -> None:
    directory = make(connection, "/a")
    old = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), edit=LABELS))
    new = recording.record(connection, new_entry(directory, "x.jpg", node_id(connection), keep=True))
    editing.edit_annotations(connection, old, AnnotationEdit(alt="old", private={"user.x": b"old"}))
    kept = reading.read_facts(connection, entry_at(connection, directory, "0.jpeg")).annotations
    now = reading.read_facts(connection, new).annotations
    assert (kept.alt, kept.private) == ("old", {"user.x": b"old"})
    assert (now.alt, now.private) == ("a cat", {"user.x": b"\0"})
