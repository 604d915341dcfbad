"""Daemons that are killed while files are written and stored, and what the next mount makes of it."""

import os
import time
from contextlib import suppress
from errno import EBADMSG, EIO, ENOTCONN
from pathlib import Path
from uuid import UUID

import pytest

from tests.contracts.relay import Relay, relaying
from tests.mount.elsewhere import names, rows_below, wait_until
from tests.mount.killing import IMPATIENT, closing_file, held, objects, records, restart_machine, revive, spool_of
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import annotate, annotations, failing, jpeg, state, write_all
from tests.servers import S3Server

BACK = pytest.mark.semantics("When the daemon is killed, every draft that has bytes is back")
CUT_OFF = pytest.mark.semantics("A commit that was cut off is finished by the next mount")
POWER = pytest.mark.semantics("What `fsync` or a failed `close` has left in the spool outlives a power failure")
GIVEN_UP = pytest.mark.semantics("The object of an upload that was given up")
LATE = pytest.mark.semantics("A draft that is stored later, and finds another entry")


def contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}


def let_go(*descriptors: int) -> None:
    """Close files of a mount that is dead."""
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)


def stored(mount: Mount) -> dict[str, bytes]:
    """Give what another mount would see once all is stored, by having it drained."""
    mount.remount()
    wait_until(lambda: "pending" not in mount.status()["drafts"])
    return contents(mount.path)


@BACK
def test_what_was_being_written_is_back_as_what_it_is(mounted: MountFactory) -> None:
    mount = mounted()
    directory = mount.path / "a b"
    directory.mkdir()
    written = {"whole.jpg": jpeg(1), "half.jpg": jpeg(2)[:500], ".hidden": b"anything", ".whole.jpg": jpeg(3)}
    descriptors = {name: os.open(directory / name, os.O_CREAT | os.O_WRONLY, 0o640) for name in written}
    for name, content in written.items():
        write_all(descriptors[name], content)
    descriptors["empty.jpg"] = os.open(directory / "empty.jpg", os.O_CREAT | os.O_WRONLY)
    said = annotate(directory / "half.jpg")
    (directory / "half.jpg").rename(directory / "moved.jpg")
    number = (directory / "moved.jpg").stat().st_ino
    annotate(directory / ".hidden")
    mount.kill()
    let_go(*descriptors.values())
    revive(mount)
    written["moved.jpg"] = written.pop("half.jpg")
    assert contents(directory) == written
    assert (state(directory / "moved.jpg"), state(directory / ".hidden")) == ("incomplete", "local")
    assert annotations(directory / "moved.jpg") == annotations(directory / ".hidden") == said
    found = (directory / "moved.jpg").stat()
    assert (found.st_ino, found.st_mode & 0o777) == (number, 0o640)
    mount.remount()
    wait_until(lambda: {state(directory / name) for name in ("whole.jpg", ".whole.jpg")} == {"ready"})
    with (directory / "moved.jpg").open("ab") as opened:
        opened.write(jpeg(2)[500:])
    assert annotations(directory / "moved.jpg") == said
    assert objects(mount) == sorted([jpeg(1), jpeg(2), jpeg(3)])


@BACK
def test_a_file_that_was_being_overwritten_is_back_over_its_entry(mounted: MountFactory) -> None:
    mount = mounted()
    file = mount.path / "photo.jpg"
    file.write_bytes(jpeg(1))
    (before,) = rows_below(mount, mount.path)
    descriptor = os.open(file, os.O_RDWR)
    write_all(descriptor, jpeg(2)[:100])
    mount.kill()
    with failing(ENOTCONN):
        os.write(descriptor, b"x")
    let_go(descriptor)
    revive(mount)
    assert file.read_bytes() == jpeg(2)[:100] + jpeg(1)[100:]
    assert rows_below(mount, mount.path) == [before]


def test_what_was_removed_before_a_kill_stays_removed(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "photo.jpg").write_bytes(jpeg(1))
    opened = [os.open(mount.path / name, os.O_CREAT | os.O_RDWR) for name in ("photo.jpg", "new.jpg")]
    for descriptor in opened:
        write_all(descriptor, jpeg(2))
    for name in names(mount.path):
        (mount.path / name).unlink()
    mount.kill()
    let_go(*opened)
    revive(mount)
    assert names(mount.path) == []


@CUT_OFF
@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_kill_between_object_and_row_leaves_one_entry_and_one_object(
    mounted: MountFactory, is_recorded: bool
) -> None:
    mount = mounted()
    (mount.path / "photo.jpg").write_bytes(jpeg(1))
    os.setxattr(mount.path / "photo.jpg", "user.place", b"Mojave")
    with held(mount) as lock, closing_file(mount.path / "photo.jpg", jpeg(2)):
        lock.wait_for_recording()
        mount.kill()
        attempt = records(mount)["photo.jpg"]["attempt"]
        if not is_recorded:
            lock.cut_off()
        lock.close()
    if is_recorded:
        wait_until(lambda: str(rows_below(mount, mount.path)[0].asset_id) == attempt["asset"])
    revive(mount)
    assert contents(mount.path) == {"photo.jpg": jpeg(2)}
    assert stored(mount) == {"photo.jpg": jpeg(2)}
    (row,) = rows_below(mount, mount.path)
    assert (str(row.asset_id), row.key) == (attempt["asset"], attempt["key"])
    assert os.getxattr(mount.path / "photo.jpg", "user.place") == b"Mojave"
    wait_until(lambda: objects(mount) == [jpeg(2)])


@CUT_OFF
def test_a_kill_during_the_upload_leaves_one_entry_and_one_object(
    mounted: MountFactory, s3_server: dict[str, S3Server]
) -> None:
    server = s3_server["moto"]
    with relaying(Relay(), server.endpoint_url) as relay:
        mount = mounted("moto", config=f'object-store.s3.endpoint-url = "{relay.endpoint_url}"')
        (mount.path / "before.jpg").write_bytes(jpeg(1))
        relay.pause = 2
        with closing_file(mount.path / "photo.jpg", jpeg(2)):
            wait_until(lambda: records(mount).get("photo.jpg", {}).get("attempt"))
            mount.kill()
    mount.config_file.write_text(
        f'{mount.config_file.read_text()}\nobject-store.s3.endpoint-url = "{server.endpoint_url}"'
    )
    revive(mount)
    assert stored(mount) == {"before.jpg": jpeg(1), "photo.jpg": jpeg(2)}
    bucket = rows_below(mount, mount.path)[0].bucket
    with server.client() as client:
        assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


@POWER
def test_what_was_synced_outlives_the_machine_and_nothing_is_stored_half(mounted: MountFactory) -> None:
    mount = mounted(config=IMPATIENT)
    synced, changed, lost = (
        os.open(mount.path / name, os.O_CREAT | os.O_WRONLY) for name in ("synced.jpg", "changed.jpg", "lost.jpg")
    )
    for descriptor in (synced, changed):
        write_all(descriptor, jpeg(1)[:400])
        os.fsync(descriptor)
    write_all(changed, jpeg(1)[400:], 400)
    write_all(lost, jpeg(2))
    with held(mount), failing(EIO):
        (mount.path / "pending.jpg").write_bytes(jpeg(3))
    (mount.path / "closed.jpg").write_bytes(jpeg(4))
    mount.kill()
    let_go(synced, changed, lost)
    restart_machine(mount)
    revive(mount)
    assert names(mount.path) == ["changed.jpg", "closed.jpg", "pending.jpg", "synced.jpg"]
    assert "lost.jpg is lost" in mount.log()
    assert state(mount.path / "synced.jpg") == state(mount.path / "changed.jpg") == "incomplete"
    assert (mount.path / "synced.jpg").read_bytes() == jpeg(1)[:400]
    assert stored(mount)["pending.jpg"] == jpeg(3)
    assert state(mount.path / "changed.jpg") == "incomplete"
    assert objects(mount) == sorted([jpeg(3), jpeg(4)])


@GIVEN_UP
@pytest.mark.parametrize("how", ["rewrite", "remove"])
def test_the_object_of_an_upload_that_was_given_up_is_removed(mounted: MountFactory, how: str) -> None:
    mount = mounted(config=IMPATIENT)
    file = mount.path / "photo.jpg"
    with held(mount), failing(EIO):
        file.write_bytes(jpeg(1))
    assert objects(mount) == [jpeg(1)]
    if how == "rewrite":
        file.write_bytes(jpeg(2))
    else:
        file.unlink()
    mount.umount()
    (leftover,) = (spool_of(mount).parent / "leftovers").iterdir()
    os.utime(leftover, (0, time.time() - 1000))
    mount.mount()
    expected = [jpeg(2)] if how == "rewrite" else []
    wait_until(lambda: objects(mount) == expected)
    wait_until(lambda: not leftover.exists())
    assert contents(mount.path) == ({"photo.jpg": jpeg(2)} if how == "rewrite" else {})


@GIVEN_UP
def test_a_note_that_a_power_failure_has_emptied_keeps_no_other_object(mounted: MountFactory) -> None:
    mount = mounted(config=IMPATIENT)
    file = mount.path / "photo.jpg"
    with held(mount), failing(EIO):
        file.write_bytes(jpeg(1))
    file.unlink()
    mount.umount()
    leftovers = spool_of(mount).parent / "leftovers"
    (leftovers / str(UUID(int=0))).write_bytes(b"")
    (leftovers / str(UUID(int=1))).write_bytes(bytes(80))
    for leftover in leftovers.iterdir():
        os.utime(leftover, (0, 0))
    mount.mount()
    wait_until(lambda: [*leftovers.iterdir()] == [])
    assert objects(mount) == []
    assert mount.log().count("the note of upload") == 2


@GIVEN_UP
def test_the_object_of_an_upload_that_was_recorded_after_all_stays(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "photo.jpg").write_bytes(jpeg(1))
    (row,) = rows_below(mount, mount.path)
    mount.umount()
    leftover = spool_of(mount).parent / "leftovers" / str(row.asset_id)
    leftover.write_text(f'{{"bucket": "{row.bucket}", "key": "{row.key}"}}\n')
    os.utime(leftover, (0, 0))
    mount.mount()
    wait_until(lambda: not leftover.exists())
    assert objects(mount) == [jpeg(1)]


@LATE
def test_a_pending_draft_is_back_beside_the_entry_that_was_stored_meanwhile(mounted: MountFactory) -> None:
    mount, other = mounted(config=IMPATIENT), mounted()
    with held(mount), failing(EIO):
        (mount.path / "photo.jpg").write_bytes(jpeg(1))
    mount.kill()
    (other.path / "photo.jpg").write_bytes(jpeg(2))
    revive(mount)
    stored(mount)
    beside, plain = names(other.path)
    assert plain == "photo.jpg"
    assert beside.startswith(f"photo (conflict {os.uname().nodename} ")
    assert beside.endswith("Z).jpg")
    assert contents(other.path) == {beside: jpeg(1), "photo.jpg": jpeg(2)}


def test_an_incomplete_draft_stays_over_the_entry_that_was_stored_meanwhile(mounted: MountFactory) -> None:
    mount, other = mounted(), mounted()
    with failing(EBADMSG):
        (mount.path / "photo.jpg").write_bytes(jpeg(1)[:400])
    mount.kill()
    (other.path / "photo.jpg").write_bytes(jpeg(2))
    revive(mount)
    assert contents(mount.path) == {"photo.jpg": jpeg(1)[:400]}
    with (mount.path / "photo.jpg").open("ab") as opened:
        opened.write(jpeg(1)[400:])
    assert contents(other.path) == {"photo.jpg": jpeg(1)}
