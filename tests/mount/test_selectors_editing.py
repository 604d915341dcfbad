"""Konifer's selectors of a path as directories: editing labels and tags by making, moving and removing links."""

import os
from errno import EEXIST, EINVAL, EISDIR, ENODATA, ENOENT, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Final

import pytest

from tests.mount.elsewhere import all_fail, names, query
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import failing, jpeg, run

EDITS: Final = pytest.mark.semantics("Making a link in a directory of labels or tags")
READ_ONLY: Final = pytest.mark.semantics("Anything else that is written below -")


@pytest.fixture
def photo(place: Path) -> Path:
    """An entry without labels and tags."""
    (place / "photo.jpg").write_bytes(jpeg())
    return place / "photo.jpg"


def attributes(photo: Path) -> dict[str, str]:
    return {name: os.getxattr(photo, name).decode() for name in os.listxattr(photo)}


@EDITS
def test_a_link_gives_a_label_and_its_removal_takes_it(shared_mount: Mount, place: Path, photo: Path) -> None:
    red = place / "-" / "labels" / "team=red"
    run("ln", "-s", "../../../photo.jpg", red)
    assert attributes(photo) == {"user.team": "red"}
    assert query(shared_mount, "SELECT label_value FROM asset_label WHERE label_key = 'team' AND label_value = 'red'")
    assert names(red) == ["photo.jpg"]
    run("rm", red / "photo.jpg")
    assert (attributes(photo), names(red)) == ({}, [])
    assert photo.read_bytes() == jpeg()


@EDITS
def test_a_link_gives_a_tag_and_its_removal_takes_it(place: Path, photo: Path) -> None:
    os.setxattr(photo, "user.xdg.tags", b"tree")
    desert = place / "-" / "tags" / "desert"
    run("ln", "-s", "../../../photo.jpg", desert)
    assert attributes(photo) == {"user.xdg.tags": "tree,desert"}
    (desert / "photo.jpg").unlink()
    assert attributes(photo) == {"user.xdg.tags": "tree"}


@EDITS
def test_a_link_gives_all_that_leads_there(place: Path, photo: Path) -> None:
    narrow = place / "-" / "labels" / "phone=Android" / "team=red"
    run("ln", "-s", "../../../../photo.jpg", narrow)
    assert attributes(photo) == {"user.phone": "Android", "user.team": "red"}
    (narrow / "photo.jpg").unlink()
    assert attributes(photo) == {"user.phone": "Android"}
    labels = place / "-" / "recursive" / "labels"
    (labels / "team=blue" / "photo.jpg").symlink_to("../../../../photo.jpg")
    assert attributes(photo) == {"user.phone": "Android", "user.team": "blue"}


@EDITS
def test_a_moved_link_changes_the_label(place: Path, photo: Path) -> None:
    labels, tags = place / "-" / "labels", place / "-" / "tags"
    (labels / "team=red" / "photo.jpg").symlink_to("../../../photo.jpg")
    run("mv", labels / "team=red" / "photo.jpg", labels / "team=blue")
    assert (attributes(photo), names(labels)) == ({"user.team": "blue"}, ["team=blue"])
    run("mv", labels / "team=blue" / "photo.jpg", tags / "tree")
    assert attributes(photo) == {"user.xdg.tags": "tree"}


@EDITS
def test_another_mount_sees_the_edit(place: Path, photo: Path, second_mount: Mount) -> None:
    red = second_mount.path / place.name / "-" / "labels" / "team=red"
    (red / "photo.jpg").symlink_to("../../../photo.jpg")
    assert attributes(photo) == {"user.team": "red"}


@EDITS
def test_limits_hold(place: Path, photo: Path) -> None:
    for number in range(50):
        os.setxattr(photo, f"user.label{number}", b"x")
    with failing(ENOSPC):
        (place / "-" / "labels" / "one=more" / "photo.jpg").symlink_to("../../../photo.jpg")
    assert len(os.listxattr(photo)) == 50
    with failing(EEXIST):
        (place / "-" / "labels" / "label1=x" / "photo.jpg").symlink_to("../../../photo.jpg")
    with failing(ENOENT):
        (place / "-" / "labels" / "label1=y" / "photo.jpg").unlink()


@pytest.mark.semantics("A link where two values of one label lead")
@pytest.mark.parametrize("below", ["labels", "recursive/labels"])
def test_an_entry_cannot_have_a_label_twice(place: Path, photo: Path, below: str) -> None:
    os.setxattr(photo, "user.team", b"red")
    labels = place / "-" / below
    both, twice = (labels / "team=red" / "phone=Android" / last for last in ("team=blue", "team=red"))
    target = os.path.relpath(photo, both)
    with failing(EINVAL):
        (both / "photo.jpg").symlink_to(target)
    with failing(EINVAL):
        (labels / "team=red" / "photo.jpg").rename(both / "photo.jpg")
    assert attributes(photo) == {"user.team": "red"}
    assert names(both) == []
    (twice / "photo.jpg").symlink_to(target)
    assert attributes(photo) == {"user.team": "red", "user.phone": "Android"}


@READ_ONLY
def test_a_link_that_leads_elsewhere_is_refused(place: Path, photo: Path) -> None:
    (place / "other.jpg").write_bytes(jpeg(1))
    red = place / "-" / "labels" / "team=red"
    for name, target in (
        ("photo.jpg", "../../../other.jpg"),
        ("photo.jpg", "../photo.jpg"),
        ("photo.jpg", str(photo)),
        ("renamed.jpg", "../../../photo.jpg"),
        ("missing.jpg", "../../../missing.jpg"),
    ):
        with failing(EROFS):
            (red / name).symlink_to(target)
    assert attributes(photo) == attributes(place / "other.jpg") == {}


@READ_ONLY
def test_nothing_else_can_be_written(shared_mount: Mount, place: Path, photo: Path) -> None:
    os.setxattr(photo, "user.team", b"red")
    top, red = place / "-", place / "-" / "labels" / "team=red"
    link = red / "photo.jpg"
    all_fail(
        EROFS,
        (top / "new.txt").touch, (red / "new.jpg").touch, (top / "made").mkdir, (red / "made").mkdir,
        lambda: (top / "link").symlink_to("x"), lambda: (top / "labels" / "link").symlink_to("x"),
        (top / "new").unlink, (top / "info.json").unlink, (top / "entry" / "0").unlink,
        (top / "labels").rmdir, red.rmdir,
        lambda: top.chmod(0o700), lambda: os.utime(red, (0, 0)), lambda: (top / "info.json").write_text("x"),
        lambda: os.truncate(top / "info.json", 0), lambda: os.setxattr(red, "user.x", b"y"),
        lambda: os.utime(link, (0, 0), follow_symlinks=False), lambda: (top / "info.json").rename(top / "x.json"),
        lambda: link.rename(place / "taken.jpg"), lambda: photo.rename(red / "photo2.jpg"),
        lambda: red.rename(place / "-" / "labels" / "team=blue"), lambda: link.rename(red / "other.jpg"),
        (shared_mount.path / "-" / "errors").unlink, lambda: (shared_mount.path / "-" / "stats").write_text(""),
    )  # fmt: skip
    with failing(EPERM):
        (red / "hard").hardlink_to(photo)
    assert attributes(photo) == {"user.team": "red"}
    assert names(place) == ["photo.jpg"]


@pytest.mark.semantics("The names - and those ending in @ are reserved")
def test_the_name_itself_cannot_be_taken(place: Path, photo: Path) -> None:
    all_fail(EEXIST, (place / "-").mkdir, lambda: (place / "-").symlink_to("x"))
    with pytest.raises(OSError, match=r"directory|Read-only|exists|permitted") as refused:
        photo.rename(place / "-")
    assert refused.value.errno in {EEXIST, EISDIR, EPERM, EROFS}
    assert refused.value.errno != EINVAL
    with failing(EROFS):
        (place / "-").rmdir()
    assert names(place) == ["photo.jpg"]


@READ_ONLY
def test_a_read_only_mount_takes_no_edits(mounted: MountFactory) -> None:
    writing = mounted()
    (writing.path / "photo.jpg").write_bytes(jpeg())
    os.setxattr(writing.path / "photo.jpg", "user.team", b"red")
    mount = mounted(options="ro")
    labels = mount.path / "-" / "labels"
    assert names(labels / "team=red") == ["photo.jpg"]
    with failing(EROFS):
        (labels / "team=red" / "photo.jpg").unlink()
    with failing(EROFS):
        (labels / "team=blue" / "photo.jpg").symlink_to("../../../photo.jpg")
    with failing(ENODATA):
        os.getxattr(mount.path / "photo.jpg", "user.blue")


@pytest.fixture
def showing(mounted: MountFactory) -> Path:
    """A mount that lists virtual names, with one entry."""
    path = mounted(options="show_virtual").path
    (path / "photo.jpg").write_bytes(jpeg())
    return path


@pytest.mark.semantics("With -o show_virtual the labels and tags")
def test_walking_all_that_is_shown_ends(showing: Path) -> None:
    for number in range(9):
        os.setxattr(showing / "photo.jpg", f"user.label{number}", b"x")
    os.setxattr(showing / "photo.jpg", "user.xdg.tags", b"desert,tree")
    labels, tags = showing / "-" / "labels", showing / "-" / "tags"
    walked = run("find", showing, "-name", "photo.jpg").stdout.splitlines()
    assert len(walked) == 1 + 2 * (9 + 2)
    assert names(showing) == ["-", "photo.jpg", "photo.jpg@"]
    assert len(names(labels)) == 9
    assert names(labels / "label0=x") == names(tags / "tree") == ["photo.jpg"]
    assert names(labels / "label0=x" / "label1=x") == names(tags / "tree" / "desert") == ["photo.jpg"]
    with failing(EEXIST):  # It opens already, as anything well-formed does.
        (labels / "made=here").mkdir()


@pytest.mark.semantics("A mount with -o show_virtual is for looking")
def test_walking_programs_meet_what_is_shown(showing: Path, tmp_path: Path) -> None:
    run("cp", "-r", showing, tmp_path / "copied")
    assert names(tmp_path / "copied") == ["-", "photo.jpg", "photo.jpg@"]
    (showing / "below").mkdir()
    (showing / "photo.jpg").rename(showing / "below" / "photo.jpg")
    assert b"Read-only" in run("rm", "-r", showing / "below", code=1).stderr
    assert names(showing / "below") == ["-"]
