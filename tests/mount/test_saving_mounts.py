"""Saving where two mounts show one store: what the other sees, whose name it is, and where a draft goes."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import annotate, annotations, eventually, failing, jpeg, state, tell

Pair = tuple[Path, Path]


@pytest.fixture
def pair(place: Path, second_mount: Mount) -> Pair:
    """The same new directory, `album`, on `shared_mount` and on another mount."""
    (place / "album").mkdir()
    return place / "album", second_mount.path / place.name / "album"


def settled(path: Path) -> tuple[bytes, str]:
    return path.read_bytes(), state(path)


@pytest.mark.semantics("A draft over an existing entry is seen on its mount only")
def test_a_draft_over_an_entry_is_seen_on_its_mount_only(shared_mount: Mount, pair: Pair) -> None:
    here, there = (album / "photo.jpg" for album in pair)
    here.write_bytes(jpeg(1))
    assert there.read_bytes() == jpeg(1)
    os.truncate(here, 0)
    with here.open("r+b", buffering=0) as writing:
        writing.write(jpeg(2)[:500])
        os.fsync(writing)
        assert here.read_bytes() == jpeg(2)[:500]
        assert settled(there) == (jpeg(1), "ready")
        assert there.stat().st_size == len(jpeg(1))
        writing.write(jpeg(2)[500:])
    eventually(lambda: settled(there), (jpeg(2), "ready"))
    tell(shared_mount, here.parent, {"photo.jpg": jpeg(2)})


def test_removing_a_draft_over_an_entry_removes_both(shared_mount: Mount, pair: Pair) -> None:
    here, there = (album / "photo.jpg" for album in pair)
    here.write_bytes(jpeg(1))
    with failing(errno.EBADMSG):
        os.truncate(here, 500)
    assert there.read_bytes() == jpeg(1)
    here.unlink()
    eventually(there.exists, expected=False)
    tell(shared_mount, here.parent, {})


def test_a_new_draft_is_seen_on_its_mount_only(pair: Pair) -> None:
    here, there = (album / "photo.jpg" for album in pair)
    with here.open("wb", buffering=0) as writing:
        writing.write(jpeg(1))
        assert list(here.parent.iterdir()) == [here]
        assert not list(there.parent.iterdir())
    eventually(lambda: list(there.parent.iterdir()), [there])


@pytest.mark.semantics("mkdir, symlink and O_EXCL fail with EEXIST")
@pytest.mark.parametrize("was_looked_for", [False, True])
@pytest.mark.parametrize("is_turned", [False, True])
def test_names_that_exist_on_another_mount_cannot_be_made(
    shared_mount: Mount, second_mount: Mount, pair: Pair, was_looked_for: bool, is_turned: bool
) -> None:
    here, there = reversed(pair) if is_turned else pair
    makers: dict[str, Callable[[Path], object]] = {
        "directory": Path.mkdir,
        "symlink": lambda path: path.symlink_to("nowhere"),
        "file": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)),
    }
    for name in ("directory", "symlink", "file"):
        for kind, make in makers.items():
            if was_looked_for:
                assert not (there / f"{name}-{kind}").exists()
            made = here / f"{name}-{kind}"
            if name == "file":
                made.write_bytes(jpeg(1))
            else:
                makers[name](made)
            with failing(errno.EEXIST):
                make(there / f"{name}-{kind}")
    teller = shared_mount if is_turned else second_mount
    tell(teller, there, {f"file-{kind}": jpeg(1) for kind in makers}, links=[f"symlink-{kind}" for kind in makers])


def test_two_mounts_may_create_one_name_exclusively_and_the_later_has_it(shared_mount: Mount, pair: Pair) -> None:
    here, there = (album / "photo.jpg" for album in pair)
    with here.open("xb") as one:
        with there.open("xb") as other:
            other.write(jpeg(2))
        one.write(jpeg(1))
    eventually(there.read_bytes, jpeg(1))
    assert tell(shared_mount, here.parent, {"photo.jpg": jpeg(1)})["photo.jpg"].entry_id == 1


@pytest.mark.semantics("A close whose name has become a directory")
@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["directory", "symlink"])
def test_a_close_whose_name_was_taken_elsewhere_fails(
    shared_mount: Mount, pair: Pair, make: Callable[[Path], None]
) -> None:
    here, there = (album / "photo.jpg" for album in pair)
    handle = os.open(here, os.O_WRONLY | os.O_CREAT)
    os.write(handle, jpeg(1))
    make(there)
    with failing(errno.EEXIST):
        os.close(handle)
    eventually(lambda: (here.is_dir(), here.is_symlink()), (there.is_dir(), there.is_symlink()))
    tell(shared_mount, here.parent, {}, links=["photo.jpg"] if there.is_symlink() else [])


@pytest.mark.semantics("A draft follows the rename of its directory")
def test_a_draft_follows_its_directory(shared_mount: Mount, pair: Pair) -> None:
    here, there = pair
    (here / "sub").mkdir()
    with (here / "sub" / "photo.jpg").open("wb", buffering=0) as writing:
        writing.write(jpeg(1)[:500])
        here.rename(here.with_name("mine"))
        eventually(there.exists, expected=False)
        there.with_name("mine").rename(there.with_name("theirs"))
        writing.write(jpeg(1)[500:])
    place = here.with_name("theirs") / "sub"
    eventually(lambda: list(place.iterdir()) if place.exists() else [], [place / "photo.jpg"])
    tell(shared_mount, place, {"photo.jpg": jpeg(1)})


def test_a_draft_makes_its_removed_directory_again(shared_mount: Mount, pair: Pair) -> None:
    here, there = pair
    (here / "sub").mkdir()
    with (here / "sub" / "photo.jpg").open("wb", buffering=0) as writing:
        writing.write(jpeg(1))
        with failing(errno.ENOTEMPTY):
            (here / "sub").rmdir()
        (there / "sub").rmdir()
        there.rmdir()
        os.fsync(writing)
    eventually((there / "sub" / "photo.jpg").exists, expected=True)
    tell(shared_mount, here / "sub", {"photo.jpg": jpeg(1)})


def test_a_file_that_was_replaced_elsewhere_meanwhile_is_taken_over(shared_mount: Mount, pair: Pair) -> None:
    here, there = (album / "photo.jpg" for album in pair)
    here.write_bytes(jpeg(1))
    with here.open("r+b", buffering=0) as writing:
        writing.write(jpeg(2))
        there.write_bytes(jpeg(3))
        said = annotate(there)
    eventually(there.read_bytes, jpeg(2))
    tell(shared_mount, here.parent, {"photo.jpg": jpeg(2)})
    assert annotations(here) == said


@pytest.mark.semantics("With filesystem.on-overwrite = keep")
def test_keeping_leaves_the_entry_before_under_its_number(mounted: MountFactory) -> None:
    mount = mounted(config="filesystem.on-overwrite = keep")
    photo = mount.path / "photo.jpg"
    photo.write_bytes(jpeg(1))
    said = annotate(photo)
    with photo.open("r+b", buffering=0) as writing:
        writing.write(jpeg(2))
        os.fsync(writing)
        writing.write(b"tail")
    assert {path.name: path.read_bytes() for path in mount.path.iterdir()} == {
        "photo.jpg": jpeg(2) + b"tail",
        "0.jpeg": jpeg(1),
    }
    assert annotations(photo) == said
    assert annotations(mount.path / "0.jpeg") == said
    assert os.getxattr(photo, "user.konifer.entry-id") == b"2"


def test_a_file_with_tags_of_its_own_keeps_them_when_it_is_renamed_over_an_entry(
    shared_mount: Mount, place: Path
) -> None:
    (place / "photo.jpg").write_bytes(jpeg(1))
    annotate(place / "photo.jpg")
    (place / "new.jpg").write_bytes(jpeg(2))
    os.setxattr(place / "new.jpg", "user.xdg.tags", b"mine")
    (place / "new.jpg").rename(place / "photo.jpg")
    tell(shared_mount, place, {"photo.jpg": jpeg(2)})
    assert annotations(place / "photo.jpg") == {"user.xdg.tags": "mine"}


def test_a_draft_that_is_renamed_over_an_entry_takes_over_what_is_said_of_it(shared_mount: Mount, place: Path) -> None:
    (place / "photo.jpg").write_bytes(jpeg(1))
    said = annotate(place / "photo.jpg")
    with (place / "new.jpg").open("wb", buffering=0) as writing:
        writing.write(jpeg(2))
        (place / "new.jpg").rename(place / "photo.jpg")
    tell(shared_mount, place, {"photo.jpg": jpeg(2)})
    assert annotations(place / "photo.jpg") == said
