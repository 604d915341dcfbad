"""Renaming files and directories: what moves with them, what stays, and what is refused."""

import os
import shutil
from dataclasses import replace
from errno import EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, add_entry, all_fail, ltree, names, rows_below
from tests.mount.mounting import Mount
from tests.mount.renaming import EXCHANGE, NOREPLACE, WHITEOUT, rename_with
from tests.mount.saving import failing
from tests.pictures import make_picture

OTHER: Final = make_picture(ImageFormat.JPEG, seed=1)


@pytest.fixture
def tree(place: Path) -> Path:
    """A directory with files, sub-directories, a symbolic link, a draft and a local file."""
    (place / "old" / "deep er" / "deepest").mkdir(parents=True)
    (place / "old" / "empty").mkdir()
    for name in ("a.jpg", "b.jpg", "deep er/c.jpg", "deep er/deepest/d.jpg"):
        (place / "old" / name).write_bytes(PICTURE)
    (place / "old" / "deep er" / "link").symlink_to("../a.jpg")
    (place / "old" / "deep er" / "draft.jpg").touch()
    (place / "old" / "deep er" / ".local").write_text("mine")
    return place / "old"


def listing(directory: Path) -> dict[str, bytes | str | None]:
    """Give everything below a directory."""
    return {
        str(path.relative_to(directory)): str(path.readlink()) if path.is_symlink()
        else path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
    }  # fmt: skip


@pytest.mark.semantics(
    "Renaming a directory is one transaction that copies no object",
    "The entries of a renamed directory keep their ids",
    "A rename does not change modified_at",
)
def test_a_directory_is_renamed_in_one_transaction_and_copies_nothing(
    shared_mount: Mount, place: Path, tree: Path
) -> None:
    (place / "elsewhere").mkdir()
    before, shown = rows_below(shared_mount, tree), listing(tree)
    new = place / "elsewhere" / "brand new"
    tree.rename(new)
    after = rows_below(shared_mount, new)
    assert listing(new) == shown
    assert names(place) == ["elsewhere"]
    assert len({row.written_by for row in after}) == 1
    assert {row.written_by for row in after}.isdisjoint(row.written_by for row in before)
    old, moved = ltree(shared_mount, tree), ltree(shared_mount, new)
    assert after == [
        replace(row, path=moved + row.path.removeprefix(old), written_by=after[0].written_by) for row in before
    ]


@pytest.mark.semantics("The entries of a renamed directory keep their ids")
def test_entries_take_the_next_ids_where_the_new_path_held_entries(
    shared_mount: Mount, place: Path, tree: Path
) -> None:
    (place / "new" / "deep er").mkdir(parents=True)
    (place / "new" / "gone.jpg").write_bytes(PICTURE)
    shutil.rmtree(place / "new")
    shown = listing(tree)
    tree.rename(place / "new")
    assert listing(place / "new") == shown
    found = {(row.path.rpartition(".")[2], row.entry_id) for row in rows_below(shared_mount, place / "new")}
    assert found == {("new", 1), ("new", 2), ("deep__20er", 0), ("deepest", 0)}


@pytest.mark.semantics("The entries of a renamed directory keep their ids")
def test_foreign_entries_keep_their_shown_names_when_their_ids_change(shared_mount: Mount, place: Path) -> None:
    (place / "new").mkdir()
    (place / "new" / "gone.jpg").write_bytes(PICTURE)
    shutil.rmtree(place / "new")
    for content in (PICTURE, OTHER):
        add_entry(shared_mount, f"{ltree(shared_mount, place)}.old", content)
    (place / "old").rename(place / "new")
    assert [row.entry_id for row in rows_below(shared_mount, place / "new")] == [1, 2]
    assert listing(place / "new") == {"0.jpeg": PICTURE, "1.jpeg": OTHER}


@pytest.mark.semantics("An entry that moves to another directory takes that path's next entry id")
def test_ids_are_never_used_again(shared_mount: Mount, place: Path) -> None:
    for name in ("a", "b"):
        (place / name).mkdir()
    for name in ("a/0", "a/1", "b/0"):
        (place / name).write_bytes(PICTURE)

    def ids(name: str) -> list[int]:
        return [row.entry_id for row in rows_below(shared_mount, place / name)]

    (place / "a" / "1").rename(place / "b" / "1")
    assert (ids("a"), ids("b")) == ([0], [0, 1])
    (place / "b" / "1").rename(place / "a" / "1")
    assert (ids("a"), ids("b")) == ([0, 2], [0])
    (place / "a" / "1").rename(place / "a" / "same directory")
    assert ids("a") == [0, 2]
    (place / "a" / "same directory").unlink()
    (place / "a" / "0").unlink()
    (place / "a" / "new").write_bytes(PICTURE)
    assert ids("a") == [3]
    (place / "a" / "new").write_bytes(OTHER)
    assert ids("a") == [4]
    assert add_entry(shared_mount, ltree(shared_mount, place / "b")).entry_id == 2


@pytest.mark.semantics("A rename does not change modified_at")
def test_a_renamed_file_is_the_same_asset(shared_mount: Mount, place: Path) -> None:
    (place / "b").mkdir()
    (place / "a.jpg").write_bytes(PICTURE)
    (before,) = rows_below(shared_mount, place)
    mtime = (place / "a.jpg").stat().st_mtime_ns
    (place / "a.jpg").rename(place / "b.jpg")
    (place / "b.jpg").rename(place / "b" / "c.jpg")
    (after,) = rows_below(shared_mount, place)
    assert (after.asset_id, after.key, after.modified_at) == (before.asset_id, before.key, before.modified_at)
    assert (place / "b" / "c.jpg").stat().st_mtime_ns == mtime
    assert (place / "b" / "c.jpg").read_bytes() == PICTURE


FLAGS = pytest.mark.semantics("RENAME_NOREPLACE and RENAME_EXCHANGE hold")
KINDS = ["file", "directory", "link", "draft", ".local", "foreign"]


def make(mount: Mount, directory: Path, kind: str) -> Path:
    path = directory / kind
    if kind == "directory":
        path.mkdir()
        (path / "in it.jpg").write_bytes(PICTURE)
    elif kind == "link":
        path.symlink_to("anywhere")
    elif kind == "foreign":
        row = add_entry(mount, ltree(mount, directory))
        path = directory / f"{row.entry_id}.jpeg"
    else:
        path.write_bytes({"file": PICTURE, "draft": b"", ".local": b"text"}[kind])
    return path


@FLAGS
@pytest.mark.parametrize("there", KINDS)
def test_noreplace_replaces_nothing(shared_mount: Mount, place: Path, there: str) -> None:
    target = make(shared_mount, place, there)
    for kind in ("file", "directory", "draft"):
        (place / "from").mkdir(exist_ok=True)
        source = make(shared_mount, place / "from", kind)
        before = listing(place)
        with failing(EEXIST):
            rename_with(NOREPLACE, source, target)
        assert listing(place) == before
        rename_with(NOREPLACE, source, place / f"new {kind}")
        assert os.path.lexists(place / f"new {kind}")
        assert not os.path.lexists(source)


@FLAGS
@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_exchange_swaps_two_names(shared_mount: Mount, place: Path, one: str, other: str) -> None:
    (place / "a").mkdir()
    (place / "b").mkdir()
    first = make(shared_mount, place / "a", one)
    second = make(shared_mount, place / "b", other)
    if ".local" in {one, other} and one != other:  # It would be an ordinary file: that is a matter of writing.
        second = second.rename(second.with_name(".second"))
        first = first.rename(first.with_name(".first"))
    numbers = first.lstat().st_ino, second.lstat().st_ino
    shown = listing(place / "a"), listing(place / "b")
    rename_with(EXCHANGE, first, second)
    assert (second.lstat().st_ino, first.lstat().st_ino) == numbers
    assert sorted(map(str, listing(place / "a").values())) == sorted(map(str, shown[1].values()))
    assert sorted(map(str, listing(place / "b").values())) == sorted(map(str, shown[0].values()))


@FLAGS
def test_the_errors_of_renames_are_posixs(shared_mount: Mount, place: Path, tree: Path) -> None:
    (place / "full").mkdir()
    (place / "full" / "x").mkdir()
    (place / "empty").mkdir()
    (place / "file").write_bytes(PICTURE)
    (place / "draft").touch()
    (place / "link").symlink_to("file")
    before = listing(place)
    all_fail(ENOTEMPTY, lambda: (place / "empty").rename(place / "full"), lambda: tree.rename(place / "full"))
    for name in ("file", "draft", "link"):
        all_fail(EISDIR, lambda name=name: (place / name).rename(place / "empty"))  # type: ignore[misc]
        all_fail(ENOTDIR, lambda name=name: (place / "empty").rename(place / name))  # type: ignore[misc]
        all_fail(ENOTDIR, lambda name=name: (place / "file").rename(place / name / "x"))  # type: ignore[misc]
    all_fail(
        EINVAL,
        lambda: tree.rename(tree / "itself"),
        lambda: tree.rename(tree / "deep er" / "itself"),
        lambda: rename_with(EXCHANGE, tree, tree / "deep er"),
        lambda: rename_with(EXCHANGE, tree / "deep er", tree),
        lambda: rename_with(WHITEOUT, place / "file", place / "new"),
        lambda: rename_with(NOREPLACE | EXCHANGE, place / "file", place / "new"),
    )
    all_fail(
        ENOENT,
        lambda: (place / "absent").rename(place / "new"),
        lambda: rename_with(EXCHANGE, place / "file", place / "absent"),
        lambda: rename_with(EXCHANGE, place / "draft", place / "absent"),
    )
    assert listing(place) == before
    tree.rename(place / "empty")
    assert listing(place / "empty").keys() >= {"a.jpg", "empty", "deep er/.local", "deep er/draft.jpg"}


@FLAGS
@pytest.mark.parametrize("kind", ["draft", ".local"])
def test_a_directory_of_drafts_is_not_replaced(place: Path, kind: str) -> None:
    (place / "directory").mkdir()
    (place / "other").mkdir()
    (place / "other" / kind).touch()
    with failing(ENOTEMPTY):
        (place / "directory").rename(place / "other")
    assert names(place / "other") == [kind]


@pytest.mark.semantics("Renaming a directory is one transaction that copies no object")
def test_both_directories_of_an_exchange_move_at_once(shared_mount: Mount, place: Path, tree: Path) -> None:
    (place / "other").mkdir()
    for name in ("x.jpg", "y.jpg"):
        (place / "other" / name).write_bytes(OTHER)
    shown, keys = (listing(tree), listing(place / "other")), {row.key for row in rows_below(shared_mount, place)}
    rename_with(EXCHANGE, tree, place / "other")
    assert (listing(place / "other"), listing(tree)) == shown
    rows = rows_below(shared_mount, place)
    assert {row.key for row in rows} == keys
    assert len({row.written_by for row in rows}) == 1
