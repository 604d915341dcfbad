"""Konifer's selectors of a path as directories: what they show."""

import json
import os
import subprocess
import tarfile
from contextlib import suppress
from datetime import datetime
from errno import EINVAL, ENOENT, ENOTDIR, ENOTEMPTY
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from tests.mount.elsewhere import add_entry as add_foreign
from tests.mount.elsewhere import all_fail, database, ltree, names, remove_entry, rows_below
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import eventually, failing, jpeg, run

LABELS: Final = pytest.mark.semantics("D/-/labels/<key>=<value>/ holds links")
TAGS: Final = pytest.mark.semantics("D/-/tags/<tag>/ and what is below it")
RECURSIVE: Final = pytest.mark.semantics("D/-/recursive/labels/ and")
ENCODED: Final = pytest.mark.semantics("Names of selectors are percent-encoded")
RELATIVE: Final = pytest.mark.semantics("Links of selectors are relative")


def store(place: Path, name: str, *, labels: dict[str, str] | None = None, tags: str = "") -> Path:
    """Store an entry with labels and tags."""
    photo = place / name
    photo.write_bytes(jpeg(len(name)))
    for key, value in (labels or {}).items():
        os.setxattr(photo, f"user.{key}", value.encode())
    if tags:
        os.setxattr(photo, "user.xdg.tags", tags.encode())
    return photo


def describe(mount: Mount, place: Path, statement: str) -> None:
    """Run a statement on the assets of a directory, which are called `here`."""
    here = "WITH here AS (SELECT id, entry_id FROM asset_tree WHERE path = %s::text::ltree) "
    with database(mount) as connection:
        connection.execute((here + statement).encode(), [ltree(mount, place)])


def links(directory: Path) -> dict[str, Path]:
    """Give where the links of a directory lead, by name; each is relative."""
    targets = {link.name: link.readlink() for link in directory.iterdir()}
    assert not any(target.is_absolute() for target in targets.values())
    return {name: (directory / target).resolve(strict=True) for name, target in targets.items()}


@pytest.mark.semantics("D/-/new and D/-/modified")
def test_the_newest_and_the_last_modified_entry(place: Path) -> None:
    all_fail(ENOENT, (place / "-" / "new").readlink, (place / "-" / "modified").readlink)
    assert names(place / "-") == ["entry", "info.json", "labels", "recursive", "tags"]
    first, second = store(place, "a.jpg"), store(place, "b.jpg")
    (place / "below").mkdir()
    store(place / "below", "c.jpg")
    os.setxattr(first, "user.team", b"red")
    assert (place / "-" / "new").readlink() == Path("../b.jpg")
    assert (place / "-" / "new").read_bytes() == second.read_bytes()
    assert (place / "-" / "modified").resolve() == first
    assert names(place / "-") == ["entry", "info.json", "labels", "modified", "new", "recursive", "tags"]


@pytest.mark.semantics("D/-/new and D/-/modified")
def test_of_entries_of_one_time_the_last_id_is_the_newest(shared_mount: Mount, place: Path) -> None:
    for _ in range(3):
        row = add_foreign(shared_mount, ltree(shared_mount, place), created_at="2026-01-02 03:04:05")
    assert (place / "-" / "new").readlink() == Path(f"../{row.entry_id}.jpeg")
    assert (place / "-" / "modified").readlink() == Path(f"../{row.entry_id}.jpeg")


@pytest.mark.slow
@pytest.mark.semantics("Links of selectors are relative")
def test_the_newest_can_be_read_while_another_process_writes(shared_mount: Mount, place: Path) -> None:
    script = f"for n in $(seq 40); do cp {place}/seed.jpg {place}/$n.jpg || exit; done"
    (place / "seed.jpg").write_bytes(jpeg())
    read = 0
    with subprocess.Popen(["/bin/sh", "-c", script]) as writer:
        while writer.poll() is None:
            assert run("cat", os.path.realpath(place / "-" / "new")).stdout == jpeg()
            read += 1
    assert (writer.returncode, (place / "-" / "new").readlink()) == (0, Path("../40.jpg"))
    assert read > 3


@pytest.mark.semantics("D/-/entry/<N>")
def test_entries_by_their_ids(shared_mount: Mount, place: Path) -> None:
    store(place, "a.jpg")
    store(place, "b.jpg")
    foreign = add_foreign(shared_mount, ltree(shared_mount, place))
    ids = {row.entry_id for row in rows_below(shared_mount, place)}
    found = links(place / "-" / "entry")
    assert set(found) == {str(number) for number in ids}
    assert {path.name for path in found.values()} == {"a.jpg", "b.jpg", f"{foreign.entry_id}.jpeg"}
    missing = [place / "-" / "entry" / name for name in ("99", "01", "x", "-1", "9" * 30)]
    all_fail(ENOENT, *(path.readlink for path in missing))


@LABELS
def test_labels_select_and_narrow(place: Path) -> None:
    both = store(place, "both.jpg", labels={"phone": "Android", "team": "red"})
    one = store(place, "one.jpg", labels={"phone": "Android", "team": "blue"})
    (place / "below").mkdir()
    store(place / "below", "not-here.jpg", labels={"phone": "Android"})
    labels = place / "-" / "labels"
    assert names(labels) == ["phone=Android", "team=blue", "team=red"]
    assert links(labels / "phone=Android") == {"both.jpg": both, "one.jpg": one}
    assert links(labels / "phone=Android" / "team=red") == {"both.jpg": both}
    assert links(labels / "team=red" / "phone=Android") == {"both.jpg": both}
    assert names(labels / "team=red" / "team=blue") == []
    assert (labels / "phone=Android" / "both.jpg").read_bytes() == both.read_bytes()


@TAGS
def test_tags_select_and_narrow(place: Path) -> None:
    both = store(place, "both.jpg", tags="desert,tree")
    one = store(place, "one.jpg", tags="tree")
    tags = place / "-" / "tags"
    assert names(tags) == ["desert", "tree"]
    assert links(tags / "tree") == {"both.jpg": both, "one.jpg": one}
    assert links(tags / "tree" / "desert") == {"both.jpg": both}


@RECURSIVE
def test_recursive_selectors_search_all_below(shared_mount: Mount, place: Path) -> None:
    (place / "a b" / "c").mkdir(parents=True)
    (place / "other").mkdir()
    here = store(place, "x.jpg", labels={"team": "red"}, tags="tree")
    deep = store(place / "a b" / "c", "x.jpg", labels={"team": "red"}, tags="tree")
    other = store(place / "other", "x.jpg", labels={"team": "red", "phone": "Android"})
    recursive = place / "-" / "recursive"
    assert names(recursive) == ["labels", "tags"]
    assert names(recursive / "labels") == ["phone=Android", "team=red"]
    assert links(recursive / "labels" / "team=red") == {
        "x.jpg": here, "a b%2Fc%2Fx.jpg": deep, "other%2Fx.jpg": other,
    }  # fmt: skip
    assert links(recursive / "labels" / "team=red" / "phone=Android") == {"other%2Fx.jpg": other}
    assert links(recursive / "tags" / "tree") == {"x.jpg": here, "a b%2Fc%2Fx.jpg": deep}
    assert links(place / "a b" / "-" / "recursive" / "tags" / "tree") == {"c%2Fx.jpg": deep}
    at_root = shared_mount.path / "-" / "recursive" / "labels" / "team=red" / f"{place.name}%2Fx.jpg"
    assert at_root.resolve() == here


TEXTS: Final = [
    "50%",
    "a/b",
    "a\nb",
    "a=b",
    ".",
    "..",
    "\U0001f335",
    "é" * 256,
    "x" * 256,
    " padded ",
    "a\x7fb",
    "%2F",
    "-",
]


@ENCODED
@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_every_text_has_a_name(place: Path, text: str) -> None:
    photo = store(place, "a.jpg", labels={"key": text})
    escaped = text.replace("\\", "\\\\").replace(",", "\\,")
    os.setxattr(photo, "user.xdg.tags", escaped.encode())
    (label,), (tag,) = names(place / "-" / "labels"), names(place / "-" / "tags")
    assert links(place / "-" / "labels" / label) == links(place / "-" / "tags" / tag) == {"a.jpg": photo}
    other = store(place, "b.jpg")
    for selector in (place / "-" / "labels" / label, place / "-" / "tags" / tag):
        (selector / "b.jpg").symlink_to(os.path.relpath(other, selector))
    assert os.getxattr(other, "user.key").decode() == text
    assert os.getxattr(other, "user.xdg.tags").decode() == escaped


@ENCODED
def test_names_are_spelled_as_they_are_told(place: Path) -> None:
    store(place, "a.jpg", labels={"a=b/c": "d=e/f%"}, tags="..")
    assert names(place / "-" / "labels") == ["a%3Db%2Fc=d=e%2Ff%25"]
    assert names(place / "-" / "tags") == ["%2E%2E"]


@ENCODED
def test_a_name_too_long_for_a_listing_can_be_looked_up(shared_mount: Mount, place: Path) -> None:
    add_foreign(shared_mount, ltree(shared_mount, place))
    tag = "INSERT INTO asset_tag SELECT gen_random_uuid(), id, repeat('/', {}), now() FROM here"
    describe(shared_mount, place, tag.format(300))
    describe(shared_mount, place, tag.format(400))
    assert names(place / "-" / "tags") == ["%2F" * 300]
    with suppress(OSError):  # Older kernels take no name of over 1,024 bytes.
        assert len(links(place / "-" / "tags" / ("%2F" * 400))) == 1


@pytest.mark.semantics("Any well-formed")
def test_what_nothing_has_is_empty(place: Path) -> None:
    store(place, "a.jpg", labels={"team": "red"}, tags="tree")
    labels, tags = place / "-" / "labels", place / "-" / "tags"
    assert [names(labels / "team=green"), names(labels / "a=b" / "c=d"), names(tags / "desert")] == [[], [], []]
    all_fail(ENOENT, (labels / "team").stat, (labels / "team=%zz").stat, (tags / "%").stat)


@RELATIVE
def test_links_follow_their_targets(place: Path, second_mount: Mount) -> None:
    photo = store(place, "a.jpg", labels={"team": "red"})
    other = second_mount.path / place.name
    selected, elsewhere = place / "-" / "labels" / "team=red", other / "-" / "labels" / "team=red"
    assert [links(selected), links(elsewhere)] == [{"a.jpg": photo}, {"a.jpg": other / "a.jpg"}]
    (other / "a.jpg").rename(other / "b.jpg")
    assert [links(selected), links(elsewhere)] == [{"b.jpg": place / "b.jpg"}, {"b.jpg": other / "b.jpg"}]
    (place / "b.jpg").write_bytes(jpeg(7))
    assert (elsewhere / "b.jpg").read_bytes() == jpeg(7)
    place.rename(place.with_name(f"{place.name}x"))
    moved = other.with_name(f"{place.name}x") / "-" / "labels" / "team=red"
    eventually(lambda: names(moved), ["b.jpg"])
    (place.with_name(f"{place.name}x") / "b.jpg").unlink()
    assert names(moved) == []


@pytest.mark.semantics("A listing of selectors is one moment")
def test_a_name_keeps_its_place_while_entries_come_and_go(shared_mount: Mount, place: Path) -> None:
    with database(shared_mount) as connection:
        connection.execute(
            "INSERT INTO asset_tree (id, path, alt, source, is_ready, created_at, modified_at)"
            " SELECT gen_random_uuid(), %s::text::ltree, '', 'UPLOAD', true, now(), now()"
            " FROM generate_series(1, 3000)",
            [ltree(shared_mount, place)],
        )
    describe(shared_mount, place, "INSERT INTO asset_tag SELECT gen_random_uuid(), id, 'many', now() FROM here")
    tagged = place / "-" / "tags" / "many"
    expected = names(tagged)
    assert len(expected) == 3000
    with os.scandir(tagged) as listing:
        found = [next(listing).name for _ in range(10)]
        describe(shared_mount, place, "DELETE FROM asset_tag USING here WHERE asset_id = here.id AND entry_id < 1000")
        found += [entry.name for entry in listing]
    assert sorted(found) == expected
    assert len(names(tagged)) == 2000


@pytest.mark.semantics("D/-/info.json")
def test_the_asset_information_is_of_all_entries_the_newest_first(shared_mount: Mount, place: Path) -> None:
    assert json.loads((place / "-" / "info.json").read_bytes()) == []
    store(place, "a.jpg", labels={"team": "red"}, tags="desert,tree")
    store(place, "b.jpg")
    entries = json.loads((place / "-" / "info.json").read_bytes())
    ids = [row.entry_id for row in rows_below(shared_mount, place)]
    assert [entry["entryId"] for entry in entries] == sorted(ids, reverse=True)
    assert entries[1]["labels"] == {"team": "red"}
    assert sorted(entries[1]["tags"]) == ["desert", "tree"]
    assert {**entries[0], "profilesNotRendered": []} == json.loads((place / "b.jpg@" / "info.json").read_bytes())
    datetime.fromisoformat(entries[0]["createdAt"])


@pytest.mark.semantics("At the mount's root only")
def test_figures_and_failures_are_at_the_root(shared_mount: Mount, place: Path) -> None:
    all_fail(ENOENT, (place / "-" / "stats").stat, (place / "-" / "errors").stat)
    with failing(EINVAL):
        (store(place, "a.jpg").with_name("a.jpg@") / "w=nonsense.jpg").stat()
    last = (shared_mount.path / "-" / "errors").read_text().splitlines()[-1].split("\t")
    assert [last[1], *last[2:4]] == [f"/{place.name}/a.jpg@/w=nonsense.jpg", "lookup", "EINVAL"]
    assert datetime.fromisoformat(last[0]).tzinfo is not None
    assert "w" in last[4]
    stats = (shared_mount.path / "-" / "stats").read_text()
    assert 'konifer_fs_operations_total{errno="EINVAL",operation="lookup"}' in stats
    assert len((shared_mount.path / "-" / "errors").read_text().splitlines()) <= 100


@pytest.mark.semantics("At the mount's root only")
def test_reasons_tell_names_as_they_are_shown(shared_mount: Mount, place: Path) -> None:
    directory = place / "Summer 2026"
    directory.mkdir()
    store(directory, "a.jpg")
    with failing(ENOTEMPTY):
        directory.rmdir()
    last = (shared_mount.path / "-" / "errors").read_text().splitlines()[-1].split("\t")
    assert last[4] == f"The directory is not empty: /{place.name}/Summer 2026"


@pytest.mark.semantics("Virtual names answer look-ups")
def test_no_tool_walks_into_selectors(mounted: MountFactory, tmp_path: Path) -> None:
    mount = mounted()
    (mount.path / "d").mkdir()
    store(mount.path / "d", "a.jpg", labels={"team": "red"})
    assert (mount.path / "d" / "-" / "labels" / "team=red" / "a.jpg").exists()
    for command in ("find", "du -a", "ls -AR"):
        printed = run(*command.split(), mount.path).stdout.decode()
        assert "a.jpg" in printed
        assert not {"-", "labels", "team=red"} & set(printed.replace(":", "").replace("/", "\n").split("\n"))
    run("rsync", "-a", f"{mount.path}/", tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy" / "d").iterdir()] == ["a.jpg"]
    run("tar", "-cf", tmp_path / "all.tar", "-C", mount.path, "d")
    with tarfile.open(tmp_path / "all.tar") as archive:
        assert sorted(archive.getnames()) == ["d", "d/a.jpg"]
    run("rm", "-r", mount.path / "d")
    assert names(mount.path) == []
    with failing(ENOENT):
        (mount.path / "d" / "-").stat()


@pytest.mark.semantics("Virtual names answer look-ups")
def test_a_file_has_no_selectors(place: Path) -> None:
    with failing(ENOTDIR):
        (store(place, "a.jpg") / "-").stat()
    assert (place / f"{uuid4().hex}").exists() is False


@RELATIVE
def test_what_another_writer_removes_is_gone(shared_mount: Mount, place: Path) -> None:
    row = add_foreign(shared_mount, ltree(shared_mount, place))
    link = place / "-" / "entry" / str(row.entry_id)
    assert link.resolve(strict=True).name == f"{row.entry_id}.jpeg"
    remove_entry(shared_mount, row)
    with failing(ENOENT):
        link.readlink()
