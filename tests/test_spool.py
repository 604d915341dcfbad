"""The spool by itself, on a temporary directory."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from konifer_fs.domain.errors import ContentUnreadable, SpoolFull, SpoolInUse
from konifer_fs.domain.variant import Fingerprint
from konifer_fs.spool import Spool, SpoolFile


def make_spool(directory: Path, *, owner: str = "store/", max_bytes: int = 1000, local_max_bytes: int = 100) -> Spool:
    return Spool(directory / "spool", owner=owner, max_bytes=max_bytes, local_max_bytes=local_max_bytes)


def test_bytes_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = make_spool(tmp_path).create()
    file.pwrite(b"hello", 3)
    assert (file.size, file.pread(100, 0)) == (8, b"\0\0\0hello")
    file.truncate(4)
    assert (file.size, file.pread(100, 0)) == (4, b"\0\0\0h")


def test_a_write_over_the_cap_changes_nothing(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    file = spool.create()
    file.pwrite(b"x" * 900, 0)
    with pytest.raises(SpoolFull):
        file.pwrite(b"y" * 200, 850)
    with pytest.raises(SpoolFull):
        file.truncate(1001)
    assert (file.size, file.pread(1000, 0), spool.drafts.used) == (900, b"x" * 900, 900)
    file.pwrite(b"y" * 100, 900)
    file.discard()
    assert spool.drafts.used == 0


def test_a_copy_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    file = spool.create()
    source = tmp_path / "source"
    source.write_bytes(b"abc")
    with source.open("rb") as stream:
        with pytest.raises(ContentUnreadable):
            file.fill_from(stream.fileno(), 10)
        assert (file.size, spool.drafts.used, file.pread(10, 0)) == (0, 0, b"")
        file.fill_from(stream.fileno(), 3)
    assert (file.size, spool.drafts.used, file.pread(10, 0)) == (3, 3, b"abc")


def test_a_local_file_is_charged_to_its_own_allowance(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    file = spool.create()
    file.pwrite(b"x" * 90, 0)
    file.charge_to(spool.local)
    assert (spool.drafts.used, spool.local.used) == (0, 90)
    with pytest.raises(SpoolFull):
        file.pwrite(b"x" * 11, 90)
    other = spool.create()
    other.pwrite(b"x" * 50, 0)
    with pytest.raises(SpoolFull):
        other.charge_to(spool.local)
    assert (spool.drafts.used, spool.local.used) == (50, 90)


def test_what_was_noted_or_saved_is_there_for_the_next_process_and_nothing_else(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    saved, noted, blank = spool.create(), spool.create(), spool.create()
    for file, content in ((saved, b"saved"), (noted, b"noted"), (blank, b"blank")):
        file.pwrite(content, 0)
    saved.save({"name": "saved"})
    noted.record.note({"name": "noted"})
    spool.close()
    spool = make_spool(tmp_path, max_bytes=1)
    found = {kept.record["name"]: kept for kept in spool.load()}
    assert {name: kept.is_certain for name, kept in found.items()} == {"saved": True, "noted": True}
    for name, kept in found.items():
        assert dict(kept.record) == {"name": name}
        with kept.file.opened():
            assert kept.file.fingerprint() == Fingerprint(5, hashlib.sha256(name.encode()).digest())
    assert spool.drafts.used == 10
    for kept in found.values():
        kept.file.discard()
    assert list_drafts(tmp_path) == []


def list_drafts(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "spool" / "drafts").iterdir())


def restart_machine(directory: Path) -> None:
    """Let all that was written before be of an earlier start of the machine."""
    for path in (directory / "spool" / "drafts").glob("*.json"):
        record = json.loads(path.read_bytes().partition(b"\n")[0])
        if "boot" in record:
            path.write_text(json.dumps({**record, "boot": "earlier"}))


def test_when_the_machine_stops_what_was_only_noted_is_lost_and_what_was_saved_before_is_in_doubt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = make_spool(tmp_path)
    saved, changed, noted = spool.create(), spool.create(), spool.create()
    saved.save({"name": "saved"})
    changed.save({"name": "changed"})
    changed.record.note({"name": "changed", "state": "writing"})
    noted.record.note({"name": "noted"})
    spool.close()
    restart_machine(tmp_path)
    found = {kept.record["name"]: kept.is_certain for kept in make_spool(tmp_path).load()}
    assert found == {"saved": True, "changed": False}
    assert "noted is lost: it was being written when the machine stopped" in caplog.text
    assert len(list_drafts(tmp_path)) == 4


@pytest.mark.parametrize("is_saved", [False, True])
@pytest.mark.parametrize("sizes", [(10, 5000), (5000, 10), (5000, 6000), (100, 10)])
def test_a_record_is_the_last_one_written_however_long_they_are(
    tmp_path: Path, is_saved: bool, sizes: tuple[int, int]
) -> None:
    spool = make_spool(tmp_path)
    file = spool.create()
    if is_saved:
        file.save({})
    for size in sizes:
        file.record.note({"text": "x" * size})
    spool.close()
    (kept,) = make_spool(tmp_path).load()
    assert kept.record == {"text": "x" * sizes[-1]}


def test_a_record_that_is_forgotten_is_gone_for_the_next_process(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    noted, saved = spool.create(), spool.create()
    noted.record.note({})
    saved.save({})
    noted.record.forget()
    saved.record.forget()
    spool.close()
    assert list(make_spool(tmp_path).load()) == []
    assert list_drafts(tmp_path) == []


def test_a_record_that_cannot_be_read_is_left_for_a_person(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    file = spool.create()
    file.save({"name": "a"})
    file.path.with_suffix(".json").write_text('{"name"')
    spool.close()
    spool = make_spool(tmp_path)
    assert list(spool.load()) == []
    spool.close()
    assert list_drafts(tmp_path) == sorted([file.path.name, file.path.with_suffix(".json").name])
    with pytest.raises(SpoolInUse, match="holds drafts"):
        make_spool(tmp_path, owner="another/")


def test_the_files_of_a_saved_draft_are_nobody_elses(tmp_path: Path) -> None:
    """Its record may come back when the machine stops, and must not find other bytes."""
    spool = make_spool(tmp_path)
    saved = spool.create()
    saved.save({})
    saved.discard()
    assert list_drafts(tmp_path) == []
    assert spool.create().path != saved.path


def test_leftovers_are_remembered_until_they_are_dropped(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.note_leftover("one", {"key": "a"})
    spool.close()
    with pytest.raises(SpoolInUse, match="holds drafts"):
        make_spool(tmp_path, owner="another/")
    spool = make_spool(tmp_path)
    assert list(spool.list_leftovers(before=0)) == []
    ((name, noted),) = spool.list_leftovers(before=1e11)
    assert (name, noted["key"]) == ("one", "a")
    spool.drop_leftover("one")
    assert list(spool.list_leftovers(before=1e11)) == []


@pytest.mark.parametrize("left", [b"", bytes(80), b'{"key"', b"\n", b"\xff\n"])
def test_a_leftover_that_the_end_of_the_machine_has_emptied_is_dropped_and_the_others_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: bytes
) -> None:
    spool = make_spool(tmp_path)
    for name in ("a", "b", "c"):
        spool.note_leftover(name, {"key": name})
    note = spool.directory / "leftovers" / "b"
    note.write_bytes(left)
    assert list(spool.list_leftovers(before=0)) == []
    assert note.exists()
    for _ in range(2):
        assert [(name, noted["key"]) for name, noted in spool.list_leftovers(before=1e11)] == [("a", "a"), ("c", "c")]
        assert not note.exists()
    assert caplog.text.count("upload b is lost") == 1


def test_a_discarded_file_is_emptied_for_the_next_draft(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    first = spool.create()
    first.pwrite(b"first", 0)
    first.discard()
    second = spool.create()
    assert (second.path, second.size, second.pread(10, 0)) == (first.path, 0, b"")
    assert second.number != first.number
    second.record.note({"name": "second"})
    second.pwrite(b"second", 0)
    assert (second.pread(10, 0), spool.drafts.used) == (b"second", 6)
    second.discard()
    assert len(list_drafts(tmp_path)) == 2
    assert second.path.stat().st_size == 0
    spool.close()
    assert list_drafts(tmp_path) == []


def test_a_file_that_became_an_object_is_copied_before_it_changes(tmp_path: Path) -> None:
    spool, taken = make_spool(tmp_path), tmp_path / "object"
    changes: list[tuple[Callable[[SpoolFile], None], bytes]] = [
        (lambda file: file.pwrite(b"X", 1), b"aXcd"),
        (lambda file: file.truncate(2), b"ab"),
        (lambda file: file.truncate(0), b""),
        (lambda file: file.truncate(6), b"abcd\0\0"),
    ]
    for change, expected in changes:
        file = spool.create()
        file.pwrite(b"abcd", 0)
        taken.hardlink_to(file.path)
        change(file)
        assert (file.pread(10, 0), file.path.read_bytes(), file.size) == (expected, expected, len(expected))
        assert taken.read_bytes() == b"abcd"
        file.discard()
        taken.unlink()
    assert spool.drafts.used == 0


def test_an_object_is_not_emptied_for_the_next_draft(tmp_path: Path) -> None:
    spool, taken = make_spool(tmp_path), tmp_path / "object"
    file = spool.create()
    file.pwrite(b"abcd", 0)
    taken.hardlink_to(file.path)
    file.discard()
    following = spool.create()
    following.pwrite(b"efgh", 0)
    assert taken.read_bytes() == b"abcd"
    assert (taken.stat().st_nlink, following.path.read_bytes()) == (1, b"efgh")


def test_a_spool_is_held_once_and_by_its_owner_only(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    with pytest.raises(SpoolInUse):
        make_spool(tmp_path)
    spool.close()
    other = make_spool(tmp_path, owner="another/")
    other.create().save({})
    other.close()
    with pytest.raises(SpoolInUse, match="holds drafts of another/"):
        make_spool(tmp_path)
    make_spool(tmp_path, owner="another/").close()


def test_drafts_of_nobody_are_not_taken(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    spool.create().save({})
    spool.close()
    (tmp_path / "spool" / "owner").write_bytes(b"")
    with pytest.raises(SpoolInUse, match="owner does not tell whose they are, this mount is of store/"):
        make_spool(tmp_path)


def test_whose_a_spool_is_is_on_disk_before_it_holds_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    make_spool(tmp_path).close()
    assert synced == ["owner.new", "spool"]
    make_spool(tmp_path).close()
    assert synced == ["owner.new", "spool"]


def test_a_scratch_file_has_no_name(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    before = set(os.walk(tmp_path).__next__()[2])
    with spool.scratch() as file:
        file.write(b"x" * 100)
        names = {name for _, _, files in os.walk(tmp_path / "spool") for name in files}
    assert names <= {"lock", "owner"}
    assert before == set()
