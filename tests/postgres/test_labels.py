"""Labels of new and renamed directories: none is made that is the name of something else in the same place."""

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres import moving, naming, reading, recording
from konifer_fs.domain.errors import NameTaken
from konifer_fs.domain.node import Directory, Node
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import OWNERSHIP, make, new_entry, node_id

KINDS = ["directory", "foreign", "file", "link"]


@pytest.fixture
def place(connection: Connection) -> Directory:
    """Holds one of each kind, called `<kind>__20x`, and the directory `other`."""
    place = make(connection, "/p")
    naming.make_directory(connection, place, "directory__20x", OWNERSHIP)
    naming.make_directory(connection, place, "other", OWNERSHIP)
    trees.add_asset(connection, "root.p.foreign__5f_20x.below")
    add(connection, place, "file__20x")
    naming.make_symlink(connection, place, "link__20x", "other", OWNERSHIP)
    return place


def add(connection: Connection, place: Directory, name: str) -> None:
    recording.record(connection, new_entry(place, name, node_id(connection)))


def move(connection: Connection, place: Directory, old: str, new: str, on_clash: OnClash = OnClash.REPLACE) -> Node:
    return moving.move(connection, place, old, place, new, on_clash, 77)


@pytest.mark.parametrize("kind", KINDS)
def test_no_directory_is_made_with_a_label_that_is_another_name(
    connection: Connection, place: Directory, kind: str
) -> None:
    before = ledger.everything(connection)
    assert reading.find_child(connection, place, f"{kind}__20x")
    with pytest.raises(NameTaken):
        naming.make_directory(connection, place, f"{kind} x", OWNERSHIP)
    assert ledger.everything(connection) == before


def test_a_name_that_reads_like_a_label_has_a_label_as_any(connection: Connection, place: Directory) -> None:
    naming.make_directory(connection, place, "a__5f_20x", OWNERSHIP)
    with pytest.raises(NameTaken):
        naming.make_directory(connection, place, "a__20x", OWNERSHIP)
    assert naming.make_directory(connection, place, "a x", OWNERSHIP).path.label == "a__20x"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("on_clash", [OnClash.REPLACE, OnClash.REFUSE])
def test_no_directory_is_renamed_to_a_label_that_is_another_name(
    connection: Connection, place: Directory, kind: str, on_clash: OnClash
) -> None:
    before = ledger.everything(connection)
    with pytest.raises(NameTaken):
        move(connection, place, "other", f"{kind} x", on_clash)
    assert ledger.everything(connection) == before


@pytest.mark.parametrize("kind", KINDS)
def test_no_directory_is_exchanged_to_such_a_label(connection: Connection, place: Directory, kind: str) -> None:
    add(connection, place, f"{kind} x")
    before = ledger.everything(connection)
    for old, new in (("other", f"{kind} x"), (f"{kind} x", "other")):
        with pytest.raises(NameTaken):
            move(connection, place, old, new, OnClash.EXCHANGE)
    assert ledger.everything(connection) == before


def test_a_directory_may_get_the_label_that_is_its_own_name(connection: Connection, place: Directory) -> None:
    moved = move(connection, place, "directory__20x", "directory x")
    assert reading.find_child(connection, place, "directory x") == moved
    ledger.check_names(connection)


def test_a_directory_takes_over_the_label_of_one_it_replaces(connection: Connection, place: Directory) -> None:
    """Another writer has made two that read alike."""
    make(connection, "/p/directory__20x")
    moved = move(connection, place, "other", "directory x")
    assert isinstance(moved, Directory)
    assert moved.path.label == "directory__20x"
