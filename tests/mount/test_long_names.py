"""What becomes of names and paths that are too long, for the file system or for Konifer's index."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENAMETOOLONG
from pathlib import Path

import pytest

from konifer_fs.domain.path import MAX_STORED_BYTES
from tests.mount.elsewhere import PICTURE, add_entry, all_fail, ltree, names, query
from tests.mount.mounting import Mount
from tests.mount.saving import asset_path, failing

TOO_LONG = pytest.mark.semantics("A name over 255 bytes, a directory whose encoded label is over 1,000 characters")


def make_deep(place: Path, levels: int) -> Path:
    """Make directories called `d` in each other; gives the deepest."""
    deepest = place.joinpath(*"d" * levels)
    deepest.mkdir(parents=True)
    return deepest


def levels_left(mount: Mount, place: Path) -> int:
    """Give how many directories with names of up to 6 bytes can lie in each other below `place`."""
    return (MAX_STORED_BYTES - asset_path(mount, place).stored_bytes) // 8


@contextmanager
def nothing_changes(place: Path) -> Iterator[None]:
    before = sorted(str(path) for path in place.rglob("*"))
    yield
    assert sorted(str(path) for path in place.rglob("*")) == before


@TOO_LONG
@pytest.mark.parametrize("name", ["x" * 256, "é" * 128, "x" * 1000])
def test_names_over_255_bytes_are_refused(place: Path, name: str) -> None:
    (place / "a.jpg").write_bytes(PICTURE)
    (place / "directory").mkdir()
    with nothing_changes(place):
        all_fail(
            ENAMETOOLONG,
            (place / name).mkdir,
            lambda: (place / name).symlink_to("x"),
            lambda: (place / name).write_bytes(PICTURE),
            lambda: (place / "a.jpg").rename(place / name),
            lambda: (place / "directory").rename(place / name),
            (place / name).stat,
            (place / name).read_bytes,
            (place / name).unlink,
            (place / name).rmdir,
            lambda: (place / name).rename(place / "new"),
        )


@TOO_LONG
def test_a_directory_whose_label_is_over_1000_characters_is_refused_but_not_such_a_file(place: Path) -> None:
    name = "é" * 126  # 252 bytes, each of which takes four characters.
    (place / "directory").mkdir()
    with nothing_changes(place):
        with failing(ENAMETOOLONG):
            (place / name).mkdir()
        with failing(ENAMETOOLONG):
            (place / "directory").rename(place / name)
        assert not (place / name).exists()
    (place / name).write_bytes(PICTURE)
    assert (place / name).read_bytes() == PICTURE
    (place / ("é" * 125)).mkdir()
    assert names(place) == ["directory", "é" * 125, name]


@TOO_LONG
def test_a_path_that_is_too_long_is_refused_and_the_longest_is_used_like_any(shared_mount: Mount, place: Path) -> None:
    deepest = make_deep(place, levels_left(shared_mount, place))
    with failing(ENAMETOOLONG):
        (deepest / "d").mkdir()
    (deepest / ("x" * 255)).write_bytes(PICTURE)
    (deepest / "link").symlink_to("x")
    assert names(deepest) == ["link", "x" * 255]
    assert (deepest / ("x" * 255)).read_bytes() == PICTURE


@TOO_LONG
def test_a_rename_that_makes_a_descendant_too_long_is_refused_and_changes_nothing(
    shared_mount: Mount, place: Path
) -> None:
    """Three things may lie deepest: a directory that was made, a foreign entry, and a draft."""
    levels = levels_left(shared_mount, place) - 1
    for top in ("made", "entry", "draft"):
        (place / top).mkdir()
    deepest = make_deep(place / "made", levels)
    add_entry(shared_mount, ".".join([ltree(shared_mount, place), "entry", *"d" * levels]))
    make_deep(place / "draft", levels).joinpath("draft.jpg").touch()
    (place / "one").mkdir()
    for top in ("made", "entry", "draft"):
        with failing(ENAMETOOLONG):
            (place / top).rename(place / "longer_than_before")
        with failing(ENAMETOOLONG):
            (place / top).rename(place / "one" / top)
    assert names(place) == ["draft", "entry", "made", "one"]
    assert names(place / "one") == []
    assert deepest.is_dir()
    (place / "made").rename(place / "other")
    assert names(place) == ["draft", "entry", "one", "other"]
    assert place.joinpath("other", *deepest.relative_to(place / "made").parts).is_dir()


@TOO_LONG
def test_nothing_is_made_in_a_foreign_directory_that_is_too_deep(shared_mount: Mount, place: Path) -> None:
    levels = levels_left(shared_mount, place) + 1
    add_entry(shared_mount, ".".join([ltree(shared_mount, place), *"d" * levels]))
    deepest = place.joinpath(*"d" * levels)
    assert (deepest / "0.jpeg").read_bytes() == PICTURE
    all_fail(
        ENAMETOOLONG,
        lambda: (deepest / "new.jpg").write_bytes(PICTURE),
        lambda: (deepest / "link").symlink_to("x"),
        (deepest / "directory").mkdir,
        lambda: os.mknod(deepest / "node"),
    )
    assert names(deepest) == ["0.jpeg"]


@TOO_LONG
def test_many_refused_paths_leave_konifers_index_as_it_was(shared_mount: Mount, place: Path) -> None:
    levels = levels_left(shared_mount, place)
    deepest = make_deep(place, levels)
    (place / "wide").mkdir()
    for number in range(30):
        with failing(ENAMETOOLONG):
            (deepest / f"n{number}").mkdir()
        with failing(ENAMETOOLONG):
            (place / "d").rename(place / f"longer_than_six_{number}")
        with failing(ENAMETOOLONG):
            (place / "d").rename(place / "wide" / "d")
    for number in range(20):
        add_entry(shared_mount, f"{ltree(shared_mount, place)}.short{number}", content=None)
    ((found,),) = query(shared_mount, "SELECT count(*) FROM asset_tree WHERE path ~ %s", f"root.{place.name}.short*.*")
    assert found == 20
