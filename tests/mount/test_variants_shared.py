"""Variants beside other readers, mounts, writers and tools: what is made once, and what nobody asked for."""

import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import EROFS
from pathlib import Path
from typing import Final

import pytest

from tests.mount.elsewhere import add_entry, all_fail, database, ltree, names, query, remove_entry, wait_until
from tests.mount.mounting import MountFactory
from tests.mount.saving import eventually, run
from tests.mount.variants import OTHER, PICTURE, PROFILES, described, of, renderings, stored_variants

WALKING: Final = pytest.mark.semantics("Virtual names answer look-ups")
MANY: Final = pytest.mark.semantics("Many readers of one missing variant")
FRESH: Final = pytest.mark.semantics("Nothing below photo.jpg@ is remembered")
EAGER: Final = pytest.mark.semantics("The eager-variants of a path")
IDLE: Final = pytest.mark.semantics("Where variants expire when idle")
LOCAL: Final = pytest.mark.semantics("A mount with -o ro renders into its own spool")
READERS: Final = 64


def read_all(*paths: Path) -> set[bytes]:
    """Read files all at once; gives the different contents."""
    with ThreadPoolExecutor(len(paths)) as threads:
        return set(threads.map(Path.read_bytes, paths))


@WALKING
def test_no_tool_walks_into_variants(mounted: MountFactory, tmp_path: Path) -> None:
    mount = mounted(config=PROFILES)
    place = mount.path / "place"
    place.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (place / name).write_bytes(PICTURE)
    of(place / "a.png", "thumbnail").stat()
    assert names(place) == ["a.png", "b.png", "c.png"]
    for target in ("synced", "copied"):
        (tmp_path / target).mkdir()
    walks: list[Callable[[], object]] = [
        lambda: run("find", place, "-ls"),
        lambda: run("du", "-a", place),
        lambda: run("rsync", "-aX", f"{place}/", tmp_path / "synced"),
        lambda: run("cp", "-a", f"{place}/.", tmp_path / "copied"),
        lambda: run("tar", "-cf", tmp_path / "all.tar", place),
        lambda: run("ls", "-laR", place),
    ]
    for walk in walks:
        walk()
    assert names(tmp_path / "synced") == names(tmp_path / "copied") == names(place)
    with tarfile.open(tmp_path / "all.tar") as archive:
        assert len(archive.getnames()) == 4
    run("rm", "-r", place)
    assert names(mount.path) == []
    assert renderings(mount) == 1


@WALKING
@pytest.mark.semantics("With -o show_virtual the profiles")
def test_a_mount_can_list_virtual_names(mounted: MountFactory) -> None:
    mount = mounted(config=PROFILES, options="show_virtual")
    photo = mount.path / "photo.png"
    photo.write_bytes(PICTURE)
    (mount.path / "directory").mkdir()
    (mount.path / "draft.png").touch()
    of(photo, "thumbnail").stat()
    assert names(mount.path) == ["-", "directory", "draft.png", "photo.png", "photo.png@"]
    listed = ["huge.png", "info.json", "original.png", "square.png", "thumbnail.webp", "upright.png"]
    assert names(of(photo, "")) == listed
    assert renderings(mount) == 1
    assert described(of(photo, "square.png").read_bytes()) == ("PNG", (8, 8))
    (row,) = [row for row in os.scandir(of(photo, "")) if row.name == "square.png"]
    assert row.stat().st_size == len(of(photo, "square.png").read_bytes())


@MANY
def test_many_readers_cause_one_rendering(mounted: MountFactory) -> None:
    mount = mounted()
    photo = mount.path / "photo.png"
    photo.write_bytes(PICTURE)
    assert len(read_all(*[of(photo, "w=2000.avif")] * READERS)) == 1
    assert renderings(mount) == 1
    assert len(stored_variants(mount, mount.path)) == 1


@MANY
def test_two_mounts_leave_one_row_and_one_object(mounted: MountFactory) -> None:
    first, second = mounted(), mounted()
    (first.path / "photo.png").write_bytes(PICTURE)
    wait_until((second.path / "photo.png").exists)
    photos = [mount.path / "photo.png" for mount in (first, second)]
    for width in range(100, 110):
        assert len(read_all(*[of(photo, f"w={width}.webp") for photo in photos] * 8)) == 1
    assert renderings(first) + renderings(second) >= 10
    stored = stored_variants(first, first.path)
    assert [row.transformation["width"] for row in stored] == list(range(100, 110))
    eventually(lambda: len(list(first.objects.iterdir())), 1 + len(stored))


@FRESH
def test_what_another_mount_does_to_variants_is_seen_at_once(mounted: MountFactory) -> None:
    here, there = (mount.path / "photo.png" for mount in (mounted(), mounted()))
    here.write_bytes(PICTURE)
    wait_until(there.exists)
    for _ in range(3):
        content = of(here, "w=24.png").read_bytes()
        assert names(of(there, "")) == names(of(here, "")) == ["info.json", "original.png", "w=24.png"]
        assert of(there, "w=24.png").read_bytes() == content
        of(there, "w=24.png").unlink()
        assert names(of(here, "")) == ["info.json", "original.png"]


@FRESH
def test_a_name_never_gives_the_bytes_of_another_entry(mounted: MountFactory) -> None:
    mounts = mounted(), mounted()
    here, there = (mount.path / "photo.png" for mount in mounts)
    for content, other, size, other_size in (
        (PICTURE, OTHER, (24, 16), (24, 36)),
        (OTHER, PICTURE, (24, 36), (24, 16)),
    ):
        here.write_bytes(content)
        wait_until(lambda content=content: there.exists() and there.read_bytes() == content)  # type: ignore[misc]
        assert described(of(there, "w=24.png").read_bytes())[1] == size
        with of(there, "w=24.png").open("rb") as reading:
            here.write_bytes(other)
            wait_until(lambda other=other: there.read_bytes() == other)  # type: ignore[misc]
            assert described(reading.read())[1] == size
        assert described(of(there, "w=24.png").read_bytes())[1] == other_size
        assert of(there, "original.png").read_bytes() == other
    here.unlink()
    wait_until(lambda: not there.exists())
    assert not of(there, "w=24.png").exists()
    assert not of(there, "").exists()


@FRESH
def test_an_open_directory_of_variants_goes_with_its_entry(mounted: MountFactory) -> None:
    mount = mounted()
    photo = mount.path / "photo.png"
    photo.write_bytes(PICTURE)
    directory = os.open(of(photo, ""), os.O_RDONLY)
    try:
        below = Path(f"/proc/self/fd/{directory}")
        assert described((below / "w=24.png").read_bytes())[1] == (24, 16)
        photo.write_bytes(OTHER)
        assert described((below / "w=24.png").read_bytes())[1] == (24, 36)
        photo.rename(mount.path / "moved.png")
        assert described((below / "w=24.png").read_bytes())[1] == (24, 36)
        (mount.path / "moved.png").unlink()
        with pytest.raises(OSError, match=r"\[Errno"):
            (below / "w=24.png").read_bytes()
    finally:
        os.close(directory)


@FRESH
def test_a_foreign_asset_without_its_original_row_shows_what_is_known(mounted: MountFactory) -> None:
    mount = mounted()
    row = add_entry(mount, ltree(mount, mount.path))
    with database(mount) as connection:
        connection.execute("DELETE FROM asset_variant WHERE asset_id = %s", [row.asset_id])
    wait_until(lambda: names(mount.path) == ["0"])
    assert names(mount.path / "0@") == ["info.json"]
    remove_entry(mount, row)
    wait_until(lambda: not (mount.path / "0@").exists())


@EAGER
def test_eager_variants_are_made_once_a_stored_file_is_closed(mounted: MountFactory) -> None:
    config = PROFILES + 'paths { "/eager/**".transform.eager-variants = [thumbnail, square, upright] }'
    mount = mounted(config=config)
    for name in ("eager", "other"):
        (mount.path / name).mkdir()
        (mount.path / name / "photo.png").write_bytes(PICTURE)
    (mount.path / "eager" / "incomplete.png").write_bytes(b"")
    eventually(lambda: len(stored_variants(mount, mount.path / "eager")), 2)
    assert names(of(mount.path / "eager" / "photo.png", "")) == [
        "info.json", "original.png", "square.png", "thumbnail.webp"
    ]  # fmt: skip
    assert stored_variants(mount, mount.path / "other") == []
    assert renderings(mount) == 2
    mount.umount()


_EXPIRY: Final = "SELECT expires_at > now() AT TIME ZONE 'UTC' + interval '30 minutes' FROM asset_variant"


@IDLE
def test_opening_a_variant_begins_its_time_anew(mounted: MountFactory) -> None:
    mount = mounted(config='paths { "/**".transform.expire { strategy = idle, ttl = 1h } }')
    photo = mount.path / "photo.png"
    photo.write_bytes(PICTURE)
    of(photo, "w=24.png").stat()
    expiry = f"{_EXPIRY} WHERE NOT original_variant"
    assert query(mount, expiry) == [(True,)]
    with database(mount) as connection:
        connection.execute(
            "UPDATE asset_variant SET expires_at = now() AT TIME ZONE 'UTC' + interval '5 minutes',"
            " last_accessed_at = now() AT TIME ZONE 'UTC' - interval '1 hour' WHERE NOT original_variant"
        )
    assert query(mount, expiry) == [(False,)]
    of(photo, "w=24.png").read_bytes()
    of(photo, "original.png").read_bytes()
    mount.umount()
    assert query(mount, expiry) == [(True,)]
    assert query(mount, f"{_EXPIRY} WHERE original_variant") == [(None,)]


@LOCAL
def test_a_read_only_mount_renders_for_itself(mounted: MountFactory) -> None:
    writing, reading = mounted(), mounted(options="ro")
    (writing.path / "photo.png").write_bytes(PICTURE)
    wait_until((reading.path / "photo.png").exists)
    photo = reading.path / "photo.png"
    assert read_all(*[of(photo, "w=24.webp")] * 8) == {of(photo, "w=24.webp").read_bytes()}
    assert described(of(photo, "w=24.webp").read_bytes()) == ("WEBP", (24, 16))
    assert of(photo, "w=24.webp").stat().st_size == len(of(photo, "w=24.webp").read_bytes())
    assert renderings(reading) == 1
    assert names(of(photo, "")) == ["info.json", "original.png"]
    assert stored_variants(writing, writing.path) == []
    assert len(list(writing.objects.iterdir())) == 1
    all_fail(EROFS, of(photo, "w=24.webp").unlink)
    stored = of(writing.path / "photo.png", "w=25.webp").read_bytes()
    assert of(photo, "w=25.webp").read_bytes() == stored
    assert renderings(reading) == 1


@pytest.mark.semantics("photo.jpg@/<expression>.<ext> is a variant")
def test_variants_are_served_from_every_object_store(mounted: MountFactory, object_store: str) -> None:
    mount = mounted(object_store)
    photo = mount.path / "photo.png"
    photo.write_bytes(PICTURE)
    content = of(photo, "r=auto,w=24.webp").read_bytes()
    assert described(content) == ("WEBP", (24, 16))
    assert of(photo, "w=24.webp").stat().st_size == len(content)
    assert of(photo, "original.png").read_bytes() == PICTURE
    if mount.keeps:
        mount.remount()
        assert of(photo, "w=24.webp").read_bytes() == content
        assert renderings(mount) == 0
