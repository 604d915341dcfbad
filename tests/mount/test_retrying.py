"""Drafts that wait for a store, and are stored once it answers; and closes that leave storing to later."""

import os
from contextlib import suppress
from errno import EBADMSG, EIO, EMEDIUMTYPE
from pathlib import Path

import pytest

from tests.contracts.relay import Relay, relaying
from tests.mount.elsewhere import names, rows_below, wait_until
from tests.mount.killing import IMPATIENT, held, objects, records, restart_machine, revive
from tests.mount.mounting import Mount, MountFactory, make_factory
from tests.mount.saving import annotate, annotations, failing, jpeg, state
from tests.postgres.wire import Wire
from tests.servers import S3Server

AGAIN = pytest.mark.semantics("A pending draft is tried again")
LATE = pytest.mark.semantics("A draft that is stored later, and finds another entry")
SPOOL = pytest.mark.semantics("With `filesystem.durability = spool`")
NAMELESS = pytest.mark.semantics("What was acknowledged so, and whose name has become")
DURABLE = f"{IMPATIENT}\nfilesystem.durability = spool"


def contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}


def wait_until_stored(mount: Mount) -> None:
    wait_until(lambda: "pending" not in mount.status()["drafts"])


@AGAIN
def test_what_could_not_be_stored_is_stored_when_the_database_is_back(
    wire: Wire, fuse: Path, database: str, tmp_path: Path, s3_server: dict[str, S3Server]
) -> None:
    with make_factory(wire.conninfo, tmp_path, fuse, s3_server) as factory:
        mount = factory(config=IMPATIENT)
        mount.conninfo = database
        opened = [os.open(mount.path / f"{number}.jpg", os.O_CREAT | os.O_WRONLY) for number in range(3)]
        for number, descriptor in enumerate(opened):
            os.write(descriptor, jpeg(number))
        wire.fall_silent()
        for descriptor in opened:
            with failing(EIO):
                os.close(descriptor)
        assert len(mount.status()["drafts"]["pending"]) == 3
        wire.speak()
        wait_until_stored(mount)
        assert [state(mount.path / name) for name in names(mount.path)] == ["ready"] * 3
        assert len(rows_below(mount, mount.path)) == 3
        wait_until(lambda: objects(mount) == sorted(jpeg(number) for number in range(3)))


@AGAIN
def test_what_could_not_be_stored_is_stored_when_the_object_store_is_back(mounted: MountFactory) -> None:
    mount = mounted()
    mount.objects.rmdir()
    mount.objects.write_text("in the way of a directory")
    with failing(EIO):
        (mount.path / "photo.jpg").write_bytes(jpeg())
    said = annotate(mount.path / "photo.jpg")
    (mount.path / "photo.jpg").rename(mount.path / "renamed.jpg")
    assert state(mount.path / "renamed.jpg") == "pending"
    mount.objects.unlink()
    mount.objects.mkdir()
    wait_until_stored(mount)
    assert contents(mount.path) == {"renamed.jpg": jpeg()}
    assert annotations(mount.path / "renamed.jpg") == said
    assert objects(mount) == [jpeg()]


@LATE
@pytest.mark.parametrize("is_new", [True, False])
def test_what_is_stored_late_leaves_the_entry_of_another_mount_alone(
    mounted: MountFactory, s3_server: dict[str, S3Server], is_new: bool
) -> None:
    with relaying(Relay(), s3_server["moto"].endpoint_url) as relay:
        mount = mounted("moto", config=f'{IMPATIENT}\nobject-store.s3.endpoint-url = "{relay.endpoint_url}"')
        other = mounted("moto")
        if not is_new:
            (mount.path / "photo.jpg").write_bytes(jpeg(0))
        relay.edit_request = lambda _: b""
        with failing(EIO):
            (mount.path / "photo.jpg").write_bytes(jpeg(1))
        (other.path / "photo.jpg").write_bytes(jpeg(2))
        relay.edit_request = bytes
        wait_until_stored(mount)
        hold_both(mount, other)
        mount.umount()


@LATE
def test_neither_is_lost_when_the_other_mount_stores_while_the_late_one_is_uploaded(
    mounted: MountFactory, s3_server: dict[str, S3Server]
) -> None:
    with relaying(Relay(), s3_server["moto"].endpoint_url) as relay:
        mount = mounted("moto", config=f'{IMPATIENT}\nobject-store.s3.endpoint-url = "{relay.endpoint_url}"')
        other = mounted("moto")
        relay.edit_request = lambda _: b""
        with failing(EIO):
            (mount.path / "photo.jpg").write_bytes(jpeg(1))

        def overtake(request: bytes) -> bytes:
            if request.startswith(b"PUT") and not names(other.path):
                (other.path / "photo.jpg").write_bytes(jpeg(2))
            return request

        relay.edit_request = overtake
        wait_until_stored(mount)
        hold_both(mount, other)
        mount.umount()


def hold_both(mount: Mount, other: Mount) -> None:
    """Hold that what `other` stored has its name, and what `mount` stored later is beside it, on both."""
    wait_until(lambda: len(names(other.path)) == 2)
    found = contents(other.path)
    assert found.pop("photo.jpg") == jpeg(2)
    ((beside, content),) = found.items()
    assert beside.startswith(f"photo (conflict {os.uname().nodename} ")
    assert content == jpeg(1)
    assert contents(mount.path) == contents(other.path)


@SPOOL
def test_a_close_is_content_with_the_spool_and_the_upload_follows(mounted: MountFactory) -> None:
    mount = mounted(config=DURABLE)
    with held(mount):
        (mount.path / "photo.jpg").write_bytes(jpeg(1))
        assert state(mount.path / "photo.jpg") == "pending"
        assert (mount.path / "photo.jpg").read_bytes() == jpeg(1)
        assert rows_below(mount, mount.path) == []
    wait_until_stored(mount)
    assert state(mount.path / "photo.jpg") == "ready"
    assert objects(mount) == [jpeg(1)]


@SPOOL
def test_a_close_still_refuses_what_is_no_whole_image(mounted: MountFactory) -> None:
    mount = mounted(config=DURABLE)
    with failing(EBADMSG):
        (mount.path / "half.jpg").write_bytes(jpeg(1)[:400])
    with failing(EMEDIUMTYPE):
        (mount.path / "text.jpg").write_bytes(b"no image")
    assert state(mount.path / "half.jpg") == "incomplete"
    assert names(mount.path) == ["half.jpg"]


@SPOOL
@pytest.mark.parametrize("stops", ["daemon", "machine"])
def test_what_a_close_has_acknowledged_is_stored_by_the_next_mount(mounted: MountFactory, stops: str) -> None:
    mount = mounted(config=DURABLE)
    with held(mount):
        (mount.path / "photo.jpg").write_bytes(jpeg(1))
        (mount.path / "photo.jpg").rename(mount.path / "renamed.jpg")
        mount.kill()
    assert records(mount)["renamed.jpg"]["acknowledged"]
    if stops == "machine":
        restart_machine(mount)
    revive(mount)
    wait_until_stored(mount)
    assert contents(mount.path) == {"renamed.jpg": jpeg(1)}
    wait_until(lambda: objects(mount) == [jpeg(1)])
    assert len(rows_below(mount, mount.path)) == 1


def kill_while_empty(mount: Mount, photo: Path) -> None:
    """Kill the daemon while a program has emptied a file, and written nothing yet."""
    opened = os.open(photo, os.O_WRONLY | os.O_TRUNC)
    mount.kill()
    with suppress(OSError):  # ECONNABORTED or ENOTCONN: the mount is gone.
        os.close(opened)


@pytest.mark.semantics("When the daemon is killed, every draft that has bytes")
@pytest.mark.parametrize("stored", [0, 1])
def test_what_was_acknowledged_and_emptied_is_there_after_a_kill(mounted: MountFactory, stored: int) -> None:
    mount = mounted(config=DURABLE)
    photo = mount.path / "photo.jpg"
    for number in range(stored):
        photo.write_bytes(jpeg(number))
        wait_until_stored(mount)
    with held(mount):
        photo.write_bytes(jpeg(8))
        said = annotate(photo)
        kill_while_empty(mount, photo)
    revive(mount)
    assert (state(photo), photo.stat().st_size, annotations(photo)) == ("incomplete", 0, said)
    photo.write_bytes(jpeg(9))
    wait_until_stored(mount)
    kill_while_empty(mount, photo)
    revive(mount)
    assert contents(mount.path) == {"photo.jpg": jpeg(9)}


@SPOOL
def test_writing_again_before_the_upload_stores_what_was_written_last(mounted: MountFactory) -> None:
    mount = mounted(config=DURABLE)
    with held(mount):
        for number in range(3):
            (mount.path / "photo.jpg").write_bytes(jpeg(number))
    wait_until_stored(mount)
    assert contents(mount.path) == {"photo.jpg": jpeg(2)}
    assert len(rows_below(mount, mount.path)) == 1


@NAMELESS
@pytest.mark.parametrize("is_killed", [False, True])
def test_what_was_acknowledged_is_stored_without_a_name_that_became_a_directorys(
    mounted: MountFactory, s3_server: dict[str, S3Server], is_killed: bool
) -> None:
    with relaying(Relay(), s3_server["moto"].endpoint_url) as relay:
        mount = mounted("moto", config=f'{DURABLE}\nobject-store.s3.endpoint-url = "{relay.endpoint_url}"')
        other = mounted("moto")
        relay.edit_request = lambda _: b""
        (mount.path / "photo.jpg").write_bytes(jpeg(1))
        os.setxattr(mount.path / "photo.jpg", "user.place", b"Mojave")
        (other.path / "photo.jpg").mkdir()
        if is_killed:
            mount.kill()
        relay.edit_request = bytes
        if is_killed:
            revive(mount)
        wait_until_stored(mount)
        for path in (mount.path, other.path):
            assert names(path) == ["0.jpeg", "photo.jpg"]
            assert (path / "photo.jpg").is_dir()
            assert (path / "0.jpeg").read_bytes() == jpeg(1)
            assert os.getxattr(path / "0.jpeg", "user.place") == b"Mojave"
        mount.umount()
