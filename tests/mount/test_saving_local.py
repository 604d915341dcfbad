"""Local files and incomplete drafts: what may hold any bytes, what survives, what becomes an entry, and the caps."""

import errno
import os
from pathlib import Path

import pytest

from tests.mount.mounting import Mount, MountFactory
from tests.mount.renaming import EXCHANGE, rename_with
from tests.mount.saving import annotate, annotations, failing, jpeg, shell, state, tell

TEXT = b"any bytes\n"


@pytest.mark.semantics("A file whose name begins with . or ends in ~")
def test_hidden_files_and_backups_may_hold_any_bytes(shared_mount: Mount, place: Path) -> None:
    hidden = place / ".git" / "refs"
    hidden.mkdir(parents=True)
    for file in (place / ".note", place / "note~", hidden / "main"):
        file.write_bytes(TEXT)
        with file.open("ab") as stream:
            stream.write(TEXT)
        assert file.read_bytes() == TEXT + TEXT
        assert state(file) == "local"
    (place / ".empty").touch()
    tell(shared_mount, place, {}, drafts={".note": "local", "note~": "local", ".empty": "local"})
    tell(shared_mount, hidden, {}, drafts={"main": "local"})
    with failing(errno.ENOTEMPTY):
        hidden.rmdir()
    shell("rm -r .git .note note~ .empty", place)
    assert not list(place.iterdir())


@pytest.mark.semantics("A whole image under such a name")
def test_a_picture_under_a_hidden_name_is_an_entry(shared_mount: Mount, place: Path) -> None:
    (place / ".thumbs").mkdir()
    for file in (place / ".photo.jpg", place / "photo.jpg~", place / ".thumbs" / "photo.jpg"):
        file.write_bytes(jpeg(1))
        assert state(file) == "ready"
    tell(shared_mount, place, {".photo.jpg": jpeg(1), "photo.jpg~": jpeg(1)})
    tell(shared_mount, place / ".thumbs", {"photo.jpg": jpeg(1)})
    shell("mv .photo.jpg photo.jpg && mv photo.jpg .again", place)
    tell(shared_mount, place, {".again": jpeg(1), "photo.jpg~": jpeg(1)})


def test_a_local_file_that_becomes_a_picture_is_an_entry_and_the_other_way(shared_mount: Mount, place: Path) -> None:
    file = place / ".photo"
    file.write_bytes(TEXT)
    file.write_bytes(jpeg(1))
    tell(shared_mount, place, {".photo": jpeg(1)})
    file.write_bytes(TEXT)
    assert file.read_bytes() == TEXT
    tell(shared_mount, place, {".photo": jpeg(1)}, drafts={".photo": "local"})


@pytest.mark.semantics("A local file that gets an ordinary name")
def test_a_local_file_is_judged_when_it_gets_an_ordinary_name(shared_mount: Mount, place: Path) -> None:
    (place / "photo.jpg").write_bytes(jpeg(1))
    said = annotate(place / "photo.jpg")
    files = {".text": (TEXT, errno.EMEDIUMTYPE), ".part": (jpeg(2)[:-20], errno.EBADMSG)}
    for name, (content, number) in files.items():
        (place / name).write_bytes(content)
        for target in ("new.jpg", "photo.jpg"):
            with failing(number):
                (place / name).rename(place / target)
        assert (place / name).read_bytes() == content
    left = dict.fromkeys(files, "local")
    tell(shared_mount, place, {"photo.jpg": jpeg(1)}, drafts=left)
    (place / ".text").rename(place / "text~")
    (place / ".part").rename(place / ".still")
    tell(shared_mount, place, {"photo.jpg": jpeg(1)}, drafts={"text~": "local", ".still": "local"})
    assert annotations(place / "photo.jpg") == said


def test_a_whole_local_file_is_committed_by_its_rename(shared_mount: Mount, place: Path) -> None:
    (place / "photo.jpg").write_bytes(jpeg(1))
    said = annotate(place / "photo.jpg")
    for target in ("photo.jpg", "new.jpg"):
        hidden = os.open(place / ".new", os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(hidden, jpeg(2))
        (place / ".new").rename(place / target)
        assert state(place / target) == "ready"
        os.close(hidden)
    assert tell(shared_mount, place, {"photo.jpg": jpeg(2), "new.jpg": jpeg(2)})["photo.jpg"].alt
    assert annotations(place / "photo.jpg") == said


@pytest.mark.semantics("A local file that gets an ordinary name")
def test_a_local_file_is_judged_when_it_is_exchanged_for_an_ordinary_name(shared_mount: Mount, place: Path) -> None:
    (place / "photo.jpg").write_bytes(jpeg(1))
    (place / "empty.jpg").touch()
    (place / ".text").write_bytes(TEXT)
    for name in ("photo.jpg", "empty.jpg"):
        for pair in ((".text", name), (name, ".text")):
            with failing(errno.EMEDIUMTYPE):
                rename_with(EXCHANGE, *(place / one for one in pair))
    left = {".text": "local", "empty.jpg": "incomplete"}
    tell(shared_mount, place, {"photo.jpg": jpeg(1)}, drafts=left)
    with (place / ".new").open("wb", buffering=0) as hidden:
        hidden.write(jpeg(2))
        rename_with(EXCHANGE, place / ".new", place / "empty.jpg")
        assert state(place / "empty.jpg") == "ready"
    left = {".text": "local", ".new": "local"}
    tell(shared_mount, place, {"photo.jpg": jpeg(1), "empty.jpg": jpeg(2)}, drafts=left)


@pytest.mark.semantics("A local file that gets an ordinary name")
def test_a_hidden_directory_gets_an_ordinary_name_only_without_local_files(shared_mount: Mount, place: Path) -> None:
    below = place / ".hidden" / "below"
    below.mkdir(parents=True)
    (below / "text").write_bytes(TEXT)
    (below / "photo.jpg").write_bytes(jpeg(1))
    with failing(errno.EMEDIUMTYPE):
        (place / ".hidden").rename(place / "shown")
    with failing(errno.EMEDIUMTYPE):
        below.rename(place / "shown")
    tell(shared_mount, below, {"photo.jpg": jpeg(1)}, drafts={"text": "local"})
    (below / "text").rename(below / ".text")
    (place / ".hidden").rename(place / "shown")
    tell(shared_mount, place / "shown" / "below", {"photo.jpg": jpeg(1)}, drafts={".text": "local"})


@pytest.mark.semantics("Incomplete drafts and local files survive a remount")
def test_what_is_not_stored_survives_a_remount(mounted: MountFactory) -> None:
    mount = mounted()
    place = mount.path / "album"
    place.mkdir()
    (place / "photo.jpg").write_bytes(jpeg(1))
    os.truncate(place / "photo.jpg", 0)
    (place / "empty.jpg").touch(mode=0o640)
    with failing(errno.EBADMSG):
        (place / "part.jpg").write_bytes(jpeg(2)[:-20])
    said = annotate(place / "part.jpg")
    os.utime(place / "part.jpg", ns=(0, -1_500_000_000))
    (place / ".note").write_bytes(TEXT)
    shell("mv part.jpg moved.jpg && mv .note note~", place)
    before = {path.name: path.stat() for path in place.iterdir()}
    drafts = {"photo.jpg": "incomplete", "empty.jpg": "incomplete", "moved.jpg": "incomplete", "note~": "local"}
    mount.remount()
    tell(mount, place, {"photo.jpg": jpeg(1)}, drafts=drafts)
    after = {path.name: path.stat() for path in place.iterdir()}
    for name, known in before.items():
        kept = after[name]
        assert (kept.st_ino, kept.st_mode, kept.st_size) == (known.st_ino, known.st_mode, known.st_size)
        assert kept.st_mtime_ns == known.st_mtime_ns
    assert (place / "note~").read_bytes() == TEXT
    assert annotations(place / "moved.jpg") == said
    with (place / "moved.jpg").open("ab") as stream:
        stream.write(jpeg(2)[-20:])
    (place / "empty.jpg").write_bytes(jpeg(3))
    (place / "photo.jpg").unlink()
    tell(mount, place, {"moved.jpg": jpeg(2), "empty.jpg": jpeg(3)}, drafts={"note~": "local"})
    assert annotations(place / "moved.jpg") == said


def test_a_draft_whose_directory_was_moved_or_removed_elsewhere_comes_back(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "old").mkdir()
    (mount.path / "old" / ".note").write_bytes(TEXT)
    (mount.path / "gone").mkdir()
    (mount.path / "gone" / ".note").write_bytes(TEXT)
    mount.umount()
    other = mounted()
    shell("mv old new && rmdir gone", other.path)
    mount.mount()
    assert (mount.path / "new" / ".note").read_bytes() == TEXT
    assert (mount.path / "gone" / ".note").read_bytes() == TEXT
    assert not (mount.path / "old").exists()


@pytest.mark.semantics("Local files over filesystem.local-max-bytes")
def test_full_caps_are_no_space_and_reading_goes_on(mounted: MountFactory) -> None:
    mount = mounted(config="filesystem { local-max-bytes = 100000, spool-max-bytes = 300000 }")
    place = mount.path
    (place / "photo.jpg").write_bytes(jpeg(1))
    (place / ".small").write_bytes(TEXT)
    with failing(errno.ENOSPC):
        (place / ".big").write_bytes(bytes([7]) * 200_000)
    with failing(errno.ENOSPC):
        (place / "big.jpg").write_bytes(jpeg(1) + bytes(400_000))
    with failing(errno.ENOSPC):
        os.truncate(place / "photo.jpg", 400_000)
    with failing(errno.ENOSPC), (place / ".small").open("ab") as stream:
        stream.write(bytes(100_000))
    assert "write /.big: The spool is full: filesystem.local-max-bytes is 100000 bytes" in mount.log()
    assert "write /big.jpg: The spool is full: filesystem.spool-max-bytes is 300000 bytes" in mount.log()
    assert (place / "photo.jpg").read_bytes() == jpeg(1)
    assert (place / ".small").read_bytes().startswith(TEXT)
    shell("rm -f .big big.jpg", place)
    (place / "photo.jpg").write_bytes(jpeg(2) + bytes(200_000))
    tell(mount, place, {"photo.jpg": jpeg(2) + bytes(200_000)}, drafts={".small": "local"})
    assert mount.status()["spool"]["bytes"] == 0
    assert mount.status()["spool"]["local_bytes"] == (place / ".small").stat().st_size
