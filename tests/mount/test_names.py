"""What names are shown and kept, and how directories become paths."""

import os
import random
import shutil
from errno import EEXIST, EILSEQ, EISDIR, ENOTDIR, EPERM
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, add_entry, all_fail, database, ltree, names, query, remove_entry, wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.mount.renaming import EXCHANGE, rename_with
from tests.mount.saving import failing
from tests.pictures import make_picture
from tests.postgres.trees import add_asset

FILE_NAMES: Final = [
    "with spaces .jpg", "no extension", "dots...in.it.", "a__b__20c.jpg", "0.png", "Ünïcode ☃ 写真.jpg",
    "line\nbreak.jpg",    "back\\slash.jpg", "100%.jpg", "-dash", "@at@begin.jpg",
    "x" * 251 + ".jpg", "é" * 127 + "x", "🖼" * 63 + "jpg",
]  # fmt: skip
DIRECTORY_NAMES: Final = [
    ("plain_name-2026", "plain_name-2026"), ("Summer 2026", "Summer__202026"), ("a.b", "a__2eb"),
    ("é", "__c3__a9"), ("a__b", "a__5f_b"), ("___", "__5f__5f_"), ("__20", "__5f_20"), ("ends-", "ends__2d"),
    ("ends_", "ends_"), ("--", "-__2d"), ("new\nline", "new__0aline"), ("x" * 255, "x" * 255),
    ("é" * 83, "__c3__a9" * 83),    (".hidden", "__2ehidden"), ("@x", "__40x"),
]  # fmt: skip


def tell_path(path: Path) -> str:
    return os.getxattr(path, "user.konifer.path").decode()


@pytest.mark.semantics("A file keeps the name it was created with", "A directory exists while an entry lies")
def test_names_and_empty_directories_survive_a_remount(mounted: MountFactory) -> None:
    mount = mounted()
    for name in FILE_NAMES:
        (mount.path / name).write_bytes(PICTURE)
    for name, _ in DIRECTORY_NAMES:
        (mount.path / name).mkdir()
    expected = sorted([*FILE_NAMES, *(name for name, _ in DIRECTORY_NAMES)])
    assert names(mount.path) == expected
    mount.remount()
    assert names(mount.path) == expected
    assert all((mount.path / name).read_bytes() == PICTURE for name in FILE_NAMES)
    assert all(list((mount.path / name).iterdir()) == [] for name, _ in DIRECTORY_NAMES)


@pytest.mark.semantics("A directory name of letters, digits")
@pytest.mark.parametrize(("name", "label"), DIRECTORY_NAMES)
def test_a_directory_is_stored_under_its_label(shared_mount: Mount, place: Path, name: str, label: str) -> None:
    (place / name).mkdir()
    (place / name / "a.jpg").write_bytes(PICTURE)
    ((path,),) = query(shared_mount, "SELECT path::text FROM asset_tree WHERE path ~ %s", f"root.{place.name}.*{{1}}")
    assert path == f"root.{place.name}.{label}"
    assert names(place) == [name]


@pytest.mark.semantics("A directory exists while an entry lies")
def test_the_directories_above_a_foreign_entry_exist_while_it_does(shared_mount: Mount, place: Path) -> None:
    row = add_entry(shared_mount, f"{ltree(shared_mount, place)}.a.b.c")
    assert names(place / "a" / "b" / "c") == ["0.jpeg"]
    remove_entry(shared_mount, row)
    wait_until(lambda: not (place / "a").exists())
    assert names(place) == []


@pytest.mark.semantics("A directory in which this mount changed something stays")
def test_a_foreign_directory_that_was_changed_here_stays_till_it_is_removed(shared_mount: Mount, place: Path) -> None:
    for path in ("a.b", "a.b", "a.c"):
        add_entry(shared_mount, f"{ltree(shared_mount, place)}.{path}")
    (place / "a" / "b" / "1.jpeg").unlink()
    (place / "a" / "b" / "0.jpeg").unlink()
    (place / "a" / "c" / "0.jpeg").unlink()
    (place / "a" / "c").rmdir()
    assert names(place / "a") == ["b"]
    assert names(place / "a" / "b") == []
    shutil.rmtree(place / "a")
    assert names(place) == []


@pytest.mark.semantics("A directory in which this mount changed something stays")
def test_a_foreign_tree_is_removed_recursively(shared_mount: Mount, place: Path) -> None:
    for path in ("a", "a.b", "a.b.c", "a.b.d.e"):
        add_entry(shared_mount, f"{ltree(shared_mount, place)}.{path}")
    shutil.rmtree(place / "a")
    assert names(place) == []


@pytest.mark.semantics("A foreign directory that no mount changed goes")
def test_a_foreign_directory_goes_with_its_last_entry_but_never_one_made_here(shared_mount: Mount, place: Path) -> None:
    (place / "made").mkdir()
    rows = [add_entry(shared_mount, f"{ltree(shared_mount, place)}.{name}") for name in ("foreign", "made")]
    wait_until(lambda: names(place) == ["foreign", "made"])
    assert (place / "foreign" / "0.jpeg").read_bytes() == PICTURE
    for row in rows:
        remove_entry(shared_mount, row)
    wait_until(lambda: names(place) == ["made"])
    wait_until(lambda: names(place / "made") == [])


@pytest.mark.semantics("One path can hold entries and sub-directories")
def test_entries_and_directories_lie_side_by_side(shared_mount: Mount, place: Path) -> None:
    add_entry(shared_mount, ltree(shared_mount, place))
    add_entry(shared_mount, f"{ltree(shared_mount, place)}.below")
    (place / "named.jpg").write_bytes(PICTURE)
    (place / "made").mkdir()
    assert names(place) == ["0.jpeg", "below", "made", "named.jpg"]


@pytest.mark.semantics("A foreign entry is shown as its entry id")
@pytest.mark.parametrize("image_format", ImageFormat)
def test_a_foreign_entry_is_shown_by_its_id_until_it_gets_a_name(
    shared_mount: Mount, place: Path, image_format: ImageFormat
) -> None:
    picture = make_picture(image_format)
    for _ in range(2):
        add_entry(shared_mount, ltree(shared_mount, place), picture, image_format=image_format)
    extension = image_format.extension
    assert extension in {".jpeg", ".png", ".webp", ".avif", ".jxl", ".heic", ".gif"}
    assert names(place) == [f"0{extension}", f"1{extension}"]
    (place / f"1{extension}").rename(place / "named")
    assert names(place) == [f"0{extension}", "named"]
    assert (place / "named").read_bytes() == picture
    assert not (place / f"1{extension}").exists()


@pytest.mark.semantics("Where a named file, symlink or directory already has")
@pytest.mark.parametrize("kind", ["file", "symlink", "directory", "foreign directory"])
def test_a_foreign_entry_gives_way_to_what_has_its_name(shared_mount: Mount, place: Path, kind: str) -> None:
    other = make_picture(ImageFormat.JPEG, seed=1)
    if kind == "file":
        (place / "1.jpeg").write_bytes(other)  # It takes the id 0.
    elif kind == "symlink":
        (place / "0.jpeg").symlink_to("anywhere")
    elif kind == "directory":
        (place / "0.jpeg").mkdir()
    else:
        add_entry(shared_mount, f"{ltree(shared_mount, place)}.0__2ejpeg")
    row = add_entry(shared_mount, ltree(shared_mount, place))
    default = f"{row.entry_id}.jpeg"
    longer = f"{row.entry_id}.{row.asset_id}.jpeg"
    wait_until(lambda: names(place) == sorted([default, longer]))
    assert (place / longer).read_bytes() == PICTURE
    assert kind != "file" or (place / default).read_bytes() == other
    (place / longer).rename(place / "named.jpg")
    assert names(place) == [default, "named.jpg"]


@pytest.mark.semantics("A label that encodes a name is shown decoded")
def test_a_label_is_shown_decoded_unless_another_is_spelled_so(shared_mount: Mount, place: Path) -> None:
    below = ltree(shared_mount, place)
    for label in ("Summer__202026", "a__5f_b", "x-", "__2g", "a__2fb", "__ff", "__40", "q__5f_q", "q__q"):
        add_entry(shared_mount, f"{below}.{label}")
    shown = {"Summer 2026", "a__b", "x-", "__2g", "a__2fb", "__ff", "__40", "q__5f_q", "q__q"}
    assert set(names(place)) == shown
    assert (place / "a__5f_b" / "0.jpeg").exists()
    add_entry(shared_mount, f"{below}.a__b")
    wait_until(lambda: set(names(place)) == shown | {"a__5f_b"})
    paths = {label: f"/{place.name}/{label}" for label in ("a__5f_b", "a__b", "q__5f_q", "q__q")}
    wait_until(lambda: {label: tell_path(place / label / "0.jpeg") for label in paths} == paths)


@pytest.mark.semantics("A directory that would be stored under a label")
def test_no_directory_takes_the_shown_name_of_another(shared_mount: Mount, place: Path) -> None:
    for name in ("a__20dir", "other"):
        (place / name).mkdir()
    add_entry(shared_mount, f"{ltree(shared_mount, place)}.a__5f_20foreign")
    (place / "a__20file").write_bytes(PICTURE)
    (place / "a__20link").symlink_to("x")
    (place / "a__20draft").touch()
    (place / "a picture").write_bytes(PICTURE)
    (place / "a__20picture").write_bytes(PICTURE)
    shown = names(place)
    for kind in ("dir", "foreign", "file", "link", "draft"):
        all_fail(EEXIST, (place / f"a {kind}").mkdir, partial((place / "other").rename, place / f"a {kind}"))
    all_fail(EEXIST, lambda: rename_with(EXCHANGE, place / "other", place / "a picture"))
    assert names(place) == shown
    assert (place / "a__20dir").is_dir()
    (place / "a__20dir").rename(place / "a dir")
    (place / "a__20file").unlink()
    (place / "a file").mkdir()
    assert {"a dir", "a file"} < set(names(place))


@pytest.mark.semantics("A label that encodes a name is shown decoded")
def test_every_path_is_reached_and_no_two_are_shown_alike(mounted: MountFactory) -> None:
    mount = mounted()
    chance = random.Random(7)
    pieces = ["_", "__", "__5f", "__2d", "-", "a", "5f", "__5f_", "__20", "__c3__a9"]
    labels = {"".join(chance.choices(pieces, k=chance.randint(1, 4))) for _ in range(400)}
    with_entry = sorted(labels - {"-"})  # Konifer's own separator: no path of its has such a segment.
    with database(mount) as connection:
        for label in with_entry:
            add_asset(connection, f"root.{label}")
    shown = names(mount.path)
    assert len(set(shown)) == len(shown) == len(with_entry)
    found = {tell_path(mount.path / name / "0.jpeg") for name in shown}
    assert found == {f"/{label}" for label in with_entry}


@pytest.mark.semantics("A name that is not UTF-8")
def test_a_name_that_is_not_text_is_refused(place: Path) -> None:
    bad = place / os.fsdecode(b"caf\xe9")
    (place / "a.jpg").write_bytes(PICTURE)
    all_fail(
        EILSEQ,
        bad.stat,
        bad.mkdir,
        lambda: bad.symlink_to("x"),
        lambda: bad.write_bytes(PICTURE),
        lambda: (place / "a.jpg").rename(bad),
        lambda: (place / "link").symlink_to(bad.name),
    )
    assert names(place) == ["a.jpg"]


@pytest.mark.semantics("The names - and those ending in @ are reserved")
@pytest.mark.parametrize("name", ["@", "b.jpg@", "other@"])
def test_reserved_names_cannot_be_made(place: Path, name: str) -> None:
    (place / "a.jpg").write_bytes(PICTURE)
    (place / "directory").mkdir()
    (place / "link").symlink_to("a.jpg")
    all_fail(
        EPERM,
        (place / name).mkdir,
        lambda: (place / name).symlink_to("x"),
        lambda: (place / name).write_bytes(PICTURE),
        lambda: os.close(os.open(place / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
        lambda: (place / "a.jpg").rename(place / name),
        lambda: (place / "directory").rename(place / name),
        lambda: (place / "link").rename(place / name),
        lambda: os.mknod(place / name),
    )
    assert names(place) == ["a.jpg", "directory", "link"]
    assert not (place / name).exists()


@pytest.mark.semantics("A file and a directory of one name cannot both")
def test_a_file_and_a_directory_cannot_have_one_name(place: Path) -> None:
    (place / "file").write_bytes(PICTURE)
    (place / "draft").touch()
    (place / "directory").mkdir()
    for name in ("file", "draft"):
        with failing(EEXIST):
            (place / name).mkdir()
        with failing(ENOTDIR):
            (place / "directory").rename(place / name)
        with failing(EISDIR):
            (place / name).rename(place / "directory")
    with failing(EEXIST):
        os.open(place / "directory", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    assert names(place) == ["directory", "draft", "file"]


@pytest.mark.semantics("Where a foreign writer makes a directory with the name of a file")
@pytest.mark.parametrize(("name", "label"), [("clash", "clash"), ("a b.jpg", "a__20b__2ejpg")])
def test_a_foreign_directory_keeps_the_name_of_a_file(shared_mount: Mount, place: Path, name: str, label: str) -> None:
    (place / name).write_bytes(PICTURE)
    row = add_entry(shared_mount, f"{ltree(shared_mount, place)}.{label}")
    wait_until(lambda: names(place) == sorted(["0.jpeg", name]))
    assert (place / name).is_dir()
    assert (place / "0.jpeg").read_bytes() == PICTURE
    remove_entry(shared_mount, row)
    wait_until(lambda: names(place) == [name])
    wait_until((place / name).is_file)
    assert (place / name).read_bytes() == PICTURE
