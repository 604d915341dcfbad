"""What names and entries are read as, case by case. Trees are made by SQL, as others make them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres import naming, reading
from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import ROOT_ID, Directory, Entry, derived_id
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import ObjectRef
from tests.postgres import trees
from tests.postgres.looking import at, child, entry, list_all


def test_an_entry_of_another_writer_shows_under_its_default_name(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.users.1")
    found = entry(connection, "root.users.1", "0.jpeg")
    assert (found.id, found.made, found.name, found.size) == (derived_id(asset), False, None, None)
    assert found.path == AssetPath(("users", "1"))
    assert found.created_at == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert found.modified_at == datetime(2026, 1, 2, 4, 4, 5, 678901, tzinfo=UTC)
    assert entry(connection, "root.users.1", f"0.{asset}.jpeg") == found


@pytest.mark.parametrize("name", ["0", "00.jpeg", "0.jpg", "0.JPEG", "0.jpeg.", "1.jpeg", "0.png", "-0.jpeg", "9" * 30])
def test_a_default_name_counts_only_as_it_is_spelled(connection: Connection, name: str) -> None:
    trees.add_asset(connection, "root.a")
    assert reading.find_child(connection, at(connection, "root.a"), name) is None


def test_another_assets_id_in_a_clashing_name_is_no_name(connection: Connection) -> None:
    trees.add_asset(connection, "root.a")
    other = trees.add_asset(connection, "root.a")
    assert reading.find_child(connection, at(connection, "root.a"), f"0.{other}.jpeg") is None


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("0", 0),
        ("7.jpeg", 7),
        (f"7.{UUID(int=0)}.jxl", 7),
        (f"{10**18 - 1}.gif", 10**18 - 1),
        (f"{10**18}.gif", None),
        ("7.txt", None),
        ("7.jpg", None),
        ("07.png", None),
    ],
)
def test_who_looks_for_a_default_name_and_who_takes_a_name_agree_on_what_may_be_one(
    name: str, number: int | None
) -> None:
    assert reading.default_entry_id(name) == number
    assert naming.may_be_default(name) == (number is not None)


def test_a_named_file_wins_over_a_default_name(connection: Connection) -> None:
    trees.add_asset(connection, "root.a")
    named = trees.add_asset(connection, "root.a")
    trees.name_asset(connection, trees.add_directory(connection, "root.a"), "0.jpeg", named, size=9)
    found = entry(connection, "root.a", "0.jpeg")
    assert (found.asset_id, found.size, found.made) == (named, 9, True)
    assert reading.find_child(connection, at(connection, "root.a"), "1.jpeg") is None


def test_a_directory_wins_over_a_named_file_which_shows_under_its_default_name(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a")
    trees.name_asset(connection, trees.add_directory(connection, "root.a"), "x", asset)
    assert entry(connection, "root.a", "x").name == "x"
    trees.add_asset(connection, "root.a.x")
    assert isinstance(child(connection, "root.a", "x"), Directory)
    assert entry(connection, "root.a", "0.jpeg").name is None


def test_a_name_is_not_believed_after_another_writer_moved_the_asset(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a")
    trees.name_asset(connection, trees.add_directory(connection, "root.a"), "x.jpg", asset)
    before = entry(connection, "root.a", "x.jpg")
    connection.execute("UPDATE asset_tree SET path = 'root.b', entry_id = 5 WHERE id = %s", [asset])
    assert reading.find_child(connection, at(connection, "root.a"), "x.jpg") is None
    found = entry(connection, "root.b", "5.jpeg")
    assert (found.id, found.name) == (before.id, None)
    assert reading.refresh(connection, before) == found


def test_refreshing_follows_a_made_node_and_forgets_what_is_gone(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a")
    unnamed = entry(connection, "root.a", "0.jpeg")
    implicit = at(connection, "root.a")
    made = trees.add_directory(connection, "root.b")
    trees.name_asset(connection, made, "x.jpg", asset)
    connection.execute("UPDATE asset_tree SET path = 'root.b' WHERE id = %s", [asset])
    connection.execute("UPDATE konifer_fs.node SET path = 'root.c', name = 'c' WHERE id = %s", [made])
    connection.execute("UPDATE asset_tree SET path = 'root.c' WHERE id = %s", [asset])
    moved = reading.refresh(connection, Directory(id=made, path=AssetPath(("b",)), made=True))
    assert moved == at(connection, "root.c")
    again = reading.refresh(connection, unnamed)
    assert again == entry(connection, "root.c", "x.jpg")
    assert reading.find_asset(connection, asset) == again
    assert reading.refresh(connection, implicit) is None
    connection.execute("DELETE FROM asset_variant")
    connection.execute("DELETE FROM asset_tree")
    assert again is not None
    assert reading.refresh(connection, again) is None
    assert reading.refresh(connection, unnamed) is None


def test_what_is_not_ready_is_not_there(connection: Connection) -> None:
    trees.add_asset(connection, "root.a", ready=False)
    assert reading.find_directory(connection, AssetPath(("a",))) is None
    assert list_all(connection, at(connection, "root")) == []
    assert reading.find_child(connection, at(connection, "root"), "a") is None


def test_directories_are_found_by_their_names_and_by_their_labels(connection: Connection) -> None:
    trees.add_asset(connection, "root.Summer__202026")
    trees.add_asset(connection, "root.x__41")
    assert child(connection, "root", "Summer 2026") == child(connection, "root", "Summer__202026")
    assert isinstance(child(connection, "root", "x__41"), Directory)
    assert reading.find_child(connection, at(connection, "root"), "xA") is None
    found = child(connection, "root", "Summer 2026")
    assert found.id == derived_id(AssetPath(("Summer__202026",)))


def test_a_spelled_out_label_wins_over_an_encoded_name(connection: Connection) -> None:
    trees.add_asset(connection, "root.a__5f_b")
    assert child(connection, "root", "a__b").path.label == "a__5f_b"
    trees.add_asset(connection, "root.a__b")
    assert child(connection, "root", "a__b").path.label == "a__b"


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("PNG", ImageFormat.PNG),
        ("png", ImageFormat.PNG),
        ("JPEG", ImageFormat.JPEG),
        ("jpg", ImageFormat.JPEG),
        ("JPEG_XL", ImageFormat.JPEG_XL),
        ("jxl", ImageFormat.JPEG_XL),
        ("HEIC", ImageFormat.HEIC),
        ("bmp", None),
        (7, None),
        (None, None),
    ],
)
def test_formats_of_all_dialects_are_understood(
    connection: Connection, spelling: object, expected: ImageFormat | None
) -> None:
    trees.add_asset(connection, "root", attributes={"width": 1, "height": 1, "format": spelling})
    (found,) = list_all(connection, at(connection, "root"))
    assert isinstance(found, Entry)
    assert found.format is expected
    assert found.default_name == f"0{expected.extension if expected else ''}"


def test_an_asset_that_lost_its_original_is_shown(connection: Connection) -> None:
    trees.add_asset(connection, "root", original=False)
    found = entry(connection, "root", "0")
    assert (found.format, found.original) == (None, None)
    facts = reading.read_facts(connection, found)
    assert (facts.attributes, facts.lqip) == ({}, {})


def test_the_original_is_not_one_of_the_other_variants(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root", original=False)
    trees.add_variant(connection, asset, {"width": 1, "format": "webp"})
    key = trees.add_variant(connection, asset, {"width": 2, "format": "png"}, original=True, bucket="pictures")
    assert entry(connection, "root", "0.png").original == ObjectRef("pictures", key)


def test_times_that_python_has_no_year_for_spoil_nothing(connection: Connection) -> None:
    trees.add_asset(connection, "root", created_at="infinity")
    trees.add_asset(connection, "root", created_at="0044-03-15 12:00:00 BC")
    late, early = list_all(connection, at(connection, "root"))
    assert isinstance(late, Entry)
    assert isinstance(early, Entry)
    assert (late.created_at.year, early.created_at.year) == (9999, 1)


def test_facts_are_all_that_is_known_of_an_entry(connection: Connection) -> None:
    asset = trees.add_asset(
        connection,
        "root",
        alt="a hill",
        source_url="https://example.org/hill.jpg",
        labels={"team": "red", "phone": "Android"},
        tags=("z", "a", "m"),
        attributes={"width": 3, "height": 2, "format": "JPEG"},
    )
    node = trees.name_asset(connection, ROOT_ID, "hill.jpg", asset)
    connection.execute("INSERT INTO konifer_fs.attribute VALUES (%(n)s, 'user.b', ''), (%(n)s, 'user.a', %(v)s)",
                       {"n": node, "v": b"\0\xff"})  # fmt: skip
    facts = reading.read_facts(connection, entry(connection, "root", "hill.jpg"))
    assert facts.annotations.alt == "a hill"
    assert facts.annotations.source_url == "https://example.org/hill.jpg"
    assert facts.annotations.labels == {"team": "red", "phone": "Android"}
    assert facts.annotations.tags == ("z", "a", "m")
    assert facts.annotations.private == {"user.a": b"\0\xff", "user.b": b""}
    assert facts.attributes == {"width": 3, "height": 2, "format": "jpg"}
    assert facts.modified_at == datetime(2026, 1, 2, 4, 4, 5, 678901, tzinfo=UTC)


def test_alt_may_be_null_and_the_latest_of_two_labels_counts(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root", alt=None)
    for value in ("old", "new"):
        connection.execute(
            "INSERT INTO asset_label VALUES (gen_random_uuid(), %s, 'k', %s, clock_timestamp())", [asset, value]
        )
    facts = reading.read_facts(connection, entry(connection, "root", "0.jpeg"))
    assert (facts.annotations.alt, facts.annotations.labels) == ("", {"k": "new"})


def test_facts_of_what_is_gone_are_refused(connection: Connection) -> None:
    trees.add_asset(connection, "root")
    gone = entry(connection, "root", "0.jpeg")
    connection.execute("DELETE FROM asset_variant")
    connection.execute("DELETE FROM asset_tree")
    with pytest.raises(MovedOn):
        reading.read_facts(connection, gone)


def test_facts_of_several_are_those_of_each(connection: Connection) -> None:
    for number in range(3):
        trees.add_asset(connection, "root", alt=f"hill {number}", tags=(f"t{number}",))
    entries = [entry(connection, "root", f"{number}.jpeg") for number in (2, 0, 1)]
    connection.execute("DELETE FROM asset_tag WHERE asset_id = %s", [entries[1].asset_id])
    for table, column in (("asset_variant", "asset_id"), ("asset_tree", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = %s".encode(), [entries[2].asset_id])
    facts = reading.read_facts_of(connection, entries)
    assert facts == [*(reading.read_facts(connection, entry) for entry in entries[:2]), None]
    said = [its.annotations for its in facts if its is not None]
    assert [(its.alt, its.tags) for its in said] == [("hill 2", ("t2",)), ("hill 0", ())]


def test_a_directory_has_private_attributes(connection: Connection) -> None:
    made = trees.add_directory(connection, "root.a")
    connection.execute("INSERT INTO konifer_fs.attribute VALUES (%s, 'user.DOSATTRIB', %s)", [made, b"\1\0"])
    assert reading.read_private(connection, at(connection, "root.a")) == {"user.DOSATTRIB": b"\1\0"}
    assert reading.read_private(connection, at(connection, "root")) == {}
    both = [at(connection, path) for path in ("root", "root.a")]
    assert reading.read_private_of(connection, both) == [{}, {"user.DOSATTRIB": b"\1\0"}]


def test_what_chmod_and_touch_set_is_read_back(connection: Connection) -> None:
    made = trees.add_directory(connection, "root.a")
    connection.execute(
        "UPDATE konifer_fs.node SET mode = 448, uid = 4294967294, gid = 7, mtime = -1, ctime = %s WHERE id = %s",
        [(1 << 63) - 1, made],
    )
    found = at(connection, "root.a").ownership
    assert (found.mode, found.uid, found.gid) == (0o700, 4294967294, 7)
    assert (found.mtime_ns, found.ctime_ns) == (-1, (1 << 63) - 1)


def test_the_identity_is_the_same_each_time(connection: Connection) -> None:
    assert reading.find_identity(connection) == reading.find_identity(connection)
