"""Selecting: what has these labels and tags, what is newest, what is in use."""

from psycopg import Connection

from konifer_fs.adapters.postgres import selecting
from konifer_fs.domain.node import Entry
from konifer_fs.ports import Selection
from tests.postgres import looking, trees
from tests.postgres.looking import at


def test_a_selection_gives_what_has_all_its_labels_and_tags(connection: Connection) -> None:
    both = trees.add_asset(connection, "root.a", labels={"team": "red", "phone": "Android"}, tags=("hill",))
    trees.add_asset(connection, "root.a", labels={"team": "red"})
    trees.add_asset(connection, "root.a.b", labels={"team": "red", "phone": "Android"}, tags=("hill",), ready=False)
    wanted = Selection(labels=frozenset({("team", "red"), ("phone", "Android")}), tags=frozenset({"hill"}))
    pages = list(selecting.stream_selected(connection, at(connection, "root.a"), wanted))
    assert [[entry.asset_id for _, entry in page] for page in pages] == [[both]]


def test_entries_are_called_as_their_directory_shows_them(connection: Connection) -> None:
    """Named ones, those without, and those whose name a file, a symlink or a directory has."""
    here = trees.add_directory(connection, "root.a")
    named, plain, taken, linked, hidden = (trees.add_asset(connection, "root.a") for _ in range(5))
    trees.name_asset(connection, here, "2.jpeg", named)
    trees.add_symlink(connection, here, "3.jpeg", "x")
    trees.name_asset(connection, here, "photo", hidden)
    trees.add_asset(connection, "root.a.photo")
    (page,) = selecting.stream_selected(connection, at(connection, "root.a"), Selection())
    assert [(name, entry.asset_id) for name, entry in page] == [
        ("2.jpeg", named),
        ("1.jpeg", plain),
        (f"2.{taken}.jpeg", taken),
        (f"3.{linked}.jpeg", linked),
        ("4.jpeg", hidden),
    ]
    shown = looking.list_all(connection, at(connection, "root.a"))
    assert {node.asset_id: node.name for node in shown if isinstance(node, Entry)}[hidden] is None


def test_entries_of_every_time_are_selected(connection: Connection) -> None:
    times = ["infinity", "-infinity", "4714-11-24 BC", "290000-01-01", "1970-01-01 00:00:01.000002"]
    for time in times:
        trees.add_asset(connection, "root.a", created_at=time)
    (page,) = selecting.stream_selected(connection, at(connection, "root.a"), Selection())
    latest, earliest = 9_214_646_400 * 10**9, -9_214_560_000 * 10**9
    assert [entry.mtime_ns for _, entry in page] == [latest, earliest, earliest, latest, 1_000_002_000]


def test_whether_an_entry_is_selected_is_what_the_selection_says(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root.a", labels={"team": "red"}, tags=("hill",))
    entry = looking.entry(connection, "root.a", "0.jpeg")
    assert entry.asset_id == asset
    for selection, expected in [
        (Selection(), True),
        (Selection(labels=frozenset({("team", "red")}), tags=frozenset({"hill"})), True),
        (Selection(labels=frozenset({("team", "blue")})), False),
        (Selection(tags=frozenset({"hill", "tree"})), False),
        (Selection(tags=frozenset({"hi\0ll"})), False),
    ]:
        assert selecting.is_selected(connection, entry, selection) is expected
