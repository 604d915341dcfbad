"""Stores that cannot be reached, objects that are missing or damaged, and spools that are taken."""

import os
from collections.abc import Callable
from errno import EIO, EOPNOTSUPP
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from konifer_fs_daemon.mountpoint import is_ours
from tests.contracts.relay import Relay, relaying
from tests.mount.elsewhere import PICTURE, add_entry, all_fail, names, object_of, rows_below, wait_until
from tests.mount.killing import IMPATIENT
from tests.mount.mounting import CommandFailed, Mount, MountFactory
from tests.mount.saving import failing, state
from tests.pictures import make_picture
from tests.postgres.wire import Wire
from tests.servers import S3Server

OTHER: Final = make_picture(ImageFormat.JPEG, seed=1)
UNREACHABLE = pytest.mark.semantics("A store that cannot be reached fails the call with EIO")
DAMAGED = pytest.mark.semantics("An object that is missing or has another size")
SPOOL = pytest.mark.semantics("A spool is held by one mount at a time")


@UNREACHABLE
def test_without_the_database_calls_fail_and_the_draft_stays_until_it_is_back(cuttable: Mount, wire: Wire) -> None:
    file = cuttable.path / "file"
    (cuttable.path / "before").write_bytes(PICTURE)
    with (cuttable.path / "before").open("rb") as reading:
        writing = os.open(file, os.O_CREAT | os.O_WRONLY)
        os.write(writing, OTHER)
        wire.fall_silent()
        with failing(EIO):
            os.close(writing)
        assert reading.read() == PICTURE
        all_fail(EIO, (cuttable.path / "new").mkdir)
        assert state(file) == "pending"
        assert file.read_bytes() == OTHER
    with pytest.raises(CommandFailed, match="could not be stored yet: /file"):
        cuttable.umount()
    assert is_ours(cuttable.path)
    wire.speak()
    cuttable.remount()
    assert names(cuttable.path) == ["before", "file"]
    assert {path.name: path.read_bytes() for path in cuttable.path.iterdir()} == {"before": PICTURE, "file": OTHER}
    assert len(rows_below(cuttable, cuttable.path)) == 2


@UNREACHABLE
def test_a_mount_is_as_it_was_when_its_database_is_back(cuttable: Mount, wire: Wire) -> None:
    (cuttable.path / "before").write_bytes(PICTURE)
    wire.fall_silent()
    with failing(EIO):
        (cuttable.path / "new").write_bytes(OTHER)
    wire.speak()
    wait_until(lambda: attempt((cuttable.path / "after").mkdir))
    (cuttable.path / "after" / "file").write_bytes(OTHER)
    assert names(cuttable.path) == ["after", "before"]


def attempt(call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


@pytest.mark.semantics("Attributes outside of user. are EOPNOTSUPP")
def test_attributes_of_other_namespaces_are_answered_without_any_store(cuttable: Mount, wire: Wire) -> None:
    """The kernel asks for `security.capability` before each write."""
    (cuttable.path / "file").write_bytes(PICTURE)
    with (cuttable.path / "file").open("rb") as opened:
        wire.fall_silent()
        for name in ("security.capability", "security.selinux", "system.other"):
            all_fail(
                EOPNOTSUPP,
                lambda name=name: os.getxattr(opened.fileno(), name),  # type: ignore[misc]
                lambda name=name: os.removexattr(opened.fileno(), name),  # type: ignore[misc]
            )
        wire.speak()


@UNREACHABLE
def test_without_the_object_store_calls_fail_and_the_draft_stays(
    mounted: MountFactory, s3_server: dict[str, S3Server]
) -> None:
    with relaying(Relay(), s3_server["moto"].endpoint_url) as relay:
        mount = mounted("moto", config=f'{IMPATIENT}\nobject-store.s3.endpoint-url = "{relay.endpoint_url}"')
        (mount.path / "before").write_bytes(PICTURE)
    with failing(EIO):
        (mount.path / "file").write_bytes(OTHER)
    with failing(EIO):
        (mount.path / "before").read_bytes()
    assert state(mount.path / "file") == "pending"
    assert (mount.path / "file").read_bytes() == OTHER
    with pytest.raises(CommandFailed, match="could not be stored yet: /file"):
        mount.umount()
    mount.umount("--force")
    mount.config_file.write_text(
        f'{mount.config_file.read_text()}\nobject-store.s3.endpoint-url = "{s3_server["moto"].endpoint_url}"'
    )
    mount.mount()
    wait_until(lambda: state(mount.path / "file") == "ready")
    assert {path.name: path.read_bytes() for path in mount.path.iterdir()} == {"before": PICTURE, "file": OTHER}


def remove(file: Path) -> None:
    file.unlink()


def shorten(file: Path) -> None:
    os.truncate(file, len(PICTURE) - 1)


def lengthen(file: Path) -> None:
    file.write_bytes(PICTURE + b"\0")


def empty(file: Path) -> None:
    file.write_bytes(b"")


@DAMAGED
@pytest.mark.parametrize("harm", [remove, shorten, lengthen, empty])
def test_a_missing_or_damaged_object_is_an_error_and_can_be_overwritten(
    shared_mount: Mount, place: Path, harm: Callable[[Path], None]
) -> None:
    file = place / "file"
    file.write_bytes(PICTURE)
    (place / "whole").write_bytes(OTHER)
    rows = {object_of(shared_mount, row) for row in rows_below(shared_mount, place)}
    (damaged,) = [path for path in rows if path.read_bytes() == PICTURE]
    harm(damaged)
    all_fail(EIO, file.read_bytes, lambda: os.open(file, os.O_RDONLY), lambda: os.truncate(file, 10))
    assert file.stat().st_size == len(PICTURE)
    assert (place / "whole").read_bytes() == OTHER
    assert damaged.name in shared_mount.log()
    file.write_bytes(OTHER)
    assert file.read_bytes() == OTHER
    file.unlink()
    assert names(place) == ["whole"]


@DAMAGED
@pytest.mark.parametrize("content", [None, PICTURE[:-1], PICTURE + b"x"])
def test_a_missing_or_damaged_object_of_s3_is_an_error(
    mounted: MountFactory, s3_server: dict[str, S3Server], content: bytes | None
) -> None:
    mount = mounted("moto")
    (mount.path / "file").write_bytes(PICTURE)
    (row,) = rows_below(mount, mount.path)
    with s3_server["moto"].client() as client:
        if content is None:
            client.delete_object(Bucket=row.bucket, Key=row.key)
        else:
            client.put_object(Bucket=row.bucket, Key=row.key, Body=content)
    mount.remount()
    with failing(EIO):
        (mount.path / "file").read_bytes()
    assert row.key in mount.log()
    (mount.path / "file").write_bytes(OTHER)
    assert (mount.path / "file").read_bytes() == OTHER


@DAMAGED
def test_a_foreign_entry_without_an_object_is_an_error(shared_mount: Mount, place: Path) -> None:
    add_entry(shared_mount, f"root.{place.name}", content=None)
    assert names(place) == ["0.jpeg"]
    with failing(EIO):
        (place / "0.jpeg").read_bytes()
    (place / "0.jpeg").unlink()
    assert names(place) == []
