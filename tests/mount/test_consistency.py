"""What is seen, and when: by the next system call here, and on another mount of the same stores."""

import os
import random
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, add_entry, names, query, remove_entry, rows_below, wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.mount.renaming import EXCHANGE, rename_with
from tests.pictures import make_picture

PICTURES: Final = [PICTURE, *(make_picture(ImageFormat.PNG, seed=seed) for seed in range(4))]
# Changes elsewhere are seen within about a second: this is what a busy machine is given for it.
SOON: Final = 20.0


def attempt(change: Callable[[], object]) -> int:
    """Give the errno that a change ends with, or 0."""
    try:
        change()
    except OSError as error:
        return error.errno or 0
    return 0


def describe(root: Path) -> dict[str, tuple[object, ...]]:
    """Give all that can be seen below a directory."""
    shown: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        found = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        shown[str(path.relative_to(root))] = (stat.S_IFMT(found.st_mode), content)
    return shown


def make_change(chance: random.Random) -> Callable[[Path], object]:
    """Give some change of a tree, that may fail."""
    words = ["a", "b", "c", "a/a", "a/b", "b/a", "c/c", "a/b/c"]
    one, other, picture = chance.choice(words), chance.choice(words), chance.choice(PICTURES)
    changes: list[Callable[[Path], object]] = [
        lambda root: (root / one).mkdir(),
        lambda root: (root / one).rmdir(),
        lambda root: (root / one).write_bytes(picture),
        lambda root: (root / one).unlink(),
        lambda root: (root / one).rename(root / other),
        lambda root: (root / one).symlink_to(other.rpartition("/")[2] + "x"),
        lambda root: shutil.rmtree(root / one),
        lambda root: os.close(os.open(root / one, os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
    ]
    return chance.choices(changes, weights=[4, 1, 5, 1, 6, 1, 1, 1])[0]


@pytest.mark.semantics("What one system call did, the next one sees")
@pytest.mark.parametrize("seed", range(4))
def test_a_mount_does_what_a_local_directory_does(place: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(120):
        change = make_change(chance)
        expected = attempt(lambda: change(tmp_path))  # noqa: B023 - called at once
        assert attempt(lambda: change(place)) == expected, f"change {number}"  # noqa: B023
        assert describe(place) == describe(tmp_path), f"change {number}"


ELSEWHERE = pytest.mark.semantics("A change made elsewhere, by another mount or by SQL, is told")


@ELSEWHERE
def test_what_one_mount_does_the_other_sees(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    chance = random.Random(7)
    for number in range(25):
        writer, reader = (here, there) if number % 2 else (there, here)
        for _ in range(4):
            change = make_change(chance)
            attempt(lambda: change(writer.path))  # noqa: B023
        expected = describe(writer.path)
        wait_until(lambda: attempt_describing(reader.path) == expected, SOON)  # noqa: B023


def exchange(one: Path, other: Path) -> None:
    rename_with(EXCHANGE, one, other)


def change_places(one: Path, other: Path) -> None:
    one.rename(one.with_name("between"))
    other.rename(one)
    one.with_name("between").rename(other)


@ELSEWHERE
@pytest.mark.parametrize("swap", [exchange, change_places])
def test_directories_that_change_places_elsewhere_take_along_what_they_hold(
    mounted: MountFactory, swap: Callable[[Path, Path], None]
) -> None:
    here, there = mounted(), mounted()
    for number, path in enumerate(["a/file", "a/sub/other", "b/file", "b/sub/other"]):
        (there.path / path).parent.mkdir(exist_ok=True)
        (there.path / path).write_bytes(PICTURES[number])
    for _ in range(4):
        wait_until(lambda: attempt_describing(here.path) == describe(there.path), SOON)
        swap(there.path / "a", there.path / "b")
    wait_until(lambda: attempt_describing(here.path) == describe(there.path), SOON)


def attempt_describing(root: Path) -> dict[str, tuple[object, ...]]:
    """Describe a tree that may be changing: what goes meanwhile leaves it out."""
    try:
        return describe(root)
    except OSError:
        return {}


@ELSEWHERE
def test_what_sql_does_is_seen(mounted: MountFactory) -> None:
    mount = mounted()
    assert names(mount.path) == []
    row = add_entry(mount, "root.a.b")
    assert not (mount.path / "other").exists()
    wait_until((mount.path / "a" / "b" / "0.jpeg").exists, SOON)
    query(mount, "UPDATE asset_tree SET path = 'root.other' WHERE id = %s RETURNING 1", row.asset_id)
    wait_until(lambda: names(mount.path) == ["other"], SOON)
    wait_until((mount.path / "other" / "0.jpeg").exists, SOON)
    query(mount, "UPDATE asset_tree SET alt = 'a tree' WHERE id = %s RETURNING 1", row.asset_id)
    wait_until(lambda: os.listxattr(mount.path / "other" / "0.jpeg") == ["user.xdg.comment"], SOON)
    remove_entry(mount, row)
    wait_until(lambda: names(mount.path) == [], SOON)
    wait_until(lambda: not (mount.path / "other").exists(), SOON)


@ELSEWHERE
def test_modes_times_and_attributes_are_seen_elsewhere(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "file").write_bytes(PICTURE)
    (here.path / "directory").mkdir()
    for name in ("file", "directory"):
        wait_until((there.path / name).exists, SOON)
        (here.path / name).chmod(0o700)
        os.utime(here.path / name, ns=(1, 2))
        os.setxattr(here.path / name, "user.a", b"text")
        wait_until(lambda name=name: (there.path / name).stat().st_mtime_ns == 2, SOON)  # type: ignore[misc]
        wait_until(lambda name=name: os.listxattr(there.path / name) == ["user.a"], SOON)  # type: ignore[misc]
        assert stat.S_IMODE((there.path / name).stat().st_mode) == 0o700


BOTH = pytest.mark.semantics("Of two mounts that write one name")


def write_on_both(first: Mount, second: Mount, contents: tuple[bytes, bytes]) -> None:
    """Write one name on two mounts at the same time; `second` closes it later."""
    with (second.path / "file").open("wb") as later:
        later.write(contents[1])
        with (first.path / "file").open("wb") as earlier:
            earlier.write(contents[0])


@BOTH
@pytest.mark.parametrize("existed", [False, True])
def test_the_later_of_two_writers_has_the_name(mounted: MountFactory, existed: bool) -> None:
    mounts = mounted(), mounted()
    if existed:
        (mounts[0].path / "file").write_bytes(PICTURE)
        wait_until((mounts[1].path / "file").exists)
    for round_ in range(3):
        content = PICTURES[round_ + 1]
        later = mounts[round_ % 2]
        write_on_both(mounts[1 - round_ % 2], later, (PICTURE, content))
        for mount in mounts:
            wait_until(lambda mount=mount: (mount.path / "file").read_bytes() == content, SOON)  # type: ignore[misc]  # noqa: B023
            assert names(mount.path) == ["file"]
        assert len(rows_below(mounts[0], mounts[0].path)) == 1


@BOTH
def test_both_entries_stay_where_overwriting_keeps(mounted: MountFactory) -> None:
    config = "filesystem.on-overwrite = keep"
    mounts = mounted(config=config), mounted(config=config)
    write_on_both(mounts[0], mounts[1], (PICTURES[0], PICTURES[1]))
    for mount in mounts:
        wait_until(lambda mount=mount: names(mount.path) == ["0.jpeg", "file"], SOON)  # type: ignore[misc]
        wait_until(lambda mount=mount: (mount.path / "file").read_bytes() == PICTURES[1], SOON)  # type: ignore[misc]
        assert (mount.path / "0.jpeg").read_bytes() == PICTURES[0]


@BOTH
def test_two_mounts_that_race_for_a_name_lose_nothing_else(mounted: MountFactory) -> None:
    mounts = mounted(), mounted()
    failures: list[BaseException] = []

    def write_often(mount: Mount, content: bytes) -> None:
        try:
            for _ in range(50):
                (mount.path / "file").write_bytes(content)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write_often, args=pair) for pair in zip(mounts, PICTURES[1:3], strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert len(rows_below(mounts[0], mounts[0].path)) == 1
    wait_until(lambda: (mounts[0].path / "file").read_bytes() == (mounts[1].path / "file").read_bytes(), SOON)
    assert (mounts[0].path / "file").read_bytes() in PICTURES[1:3]
