"""Names as the mount shows them, as pure functions."""

from datetime import UTC, datetime

import pytest

from konifer_fs.domain.path import AssetPath
from konifer_fs.vfs.names import conflict_name, may_appear, may_be_local, shown_label, spelling_in_the_way

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "labels", "local"),
    [
        ("a.jpg", (), False),
        (".a.jpg", (), True),
        ("a.jpg~", (), True),
        ("a.jpg", ("__2egit", "objects"), True),
        ("a.jpg", ("__2e",), False),
        ("a.jpg", ("photos",), False),
    ],
)
def test_hidden_names_and_backups_may_hold_any_bytes(name: str, labels: tuple[str, ...], local: bool) -> None:
    assert may_be_local(name, AssetPath(labels)) is local


def test_a_file_whose_name_is_taken_shows_beside_it() -> None:
    assert conflict_name("tree.jpeg", "desk", NOW) == "tree (conflict desk 2026-02-03T04.05.06Z).jpeg"
    assert conflict_name("tree", "desk", NOW) == "tree (conflict desk 2026-02-03T04.05.06Z)"
    longest = conflict_name("é" * 125 + ".jpeg", "desk", NOW)
    assert len(longest.encode()) in {254, 255}
    assert longest.endswith("é (conflict desk 2026-02-03T04.05.06Z).jpeg")


def test_default_virtual_and_conflict_names_may_appear_by_themselves() -> None:
    conflict = conflict_name("a.jpeg", "desk", NOW)
    appearing = ["0.jpeg", "12.x", "-", "a@", conflict]
    assert [name for name in (*appearing, "a.jpeg", "0jpeg", f"{conflict}.tif") if may_appear(name)] == appearing


def test_a_label_is_shown_decoded_unless_its_name_is_spelled_beside_it() -> None:
    assert spelling_in_the_way("a__5f_b") == "a__b"
    assert spelling_in_the_way("a__20b") is None
    assert spelling_in_the_way("plain") is None
    assert shown_label("a__5f_b") == "a__b"
    assert shown_label("a__5f_b", spelling_taken=True) == "a__5f_b"
    assert shown_label("a__b") == "a__b"
