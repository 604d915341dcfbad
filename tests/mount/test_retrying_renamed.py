"""What gets an ordinary name while a store is away: it has that name, and is stored under it when the store is back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EIO

import pytest

from tests.mount.elsewhere import names, rows_below, wait_until
from tests.mount.killing import IMPATIENT, objects, restart_machine, revive
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import failing, jpeg, state, tell

PENDING = pytest.mark.semantics("What cannot be stored when it gets an ordinary name")


@contextmanager
def away(mount: Mount) -> Iterator[None]:
    """Have no object store meanwhile."""
    elsewhere = mount.objects.with_name("elsewhere")
    mount.objects.rename(elsewhere)
    mount.objects.write_text("in the way of a directory")
    try:
        yield
    finally:
        mount.objects.unlink()
        elsewhere.rename(mount.objects)


@PENDING
@pytest.mark.parametrize("durability", ["close", "spool"])
def test_what_is_pending_stays_so(mounted: MountFactory, durability: str) -> None:
    mount = mounted(config=f"{IMPATIENT}\nfilesystem.durability = {durability}")
    with away(mount):
        if durability == "spool":
            (mount.path / ".p.jpg").write_bytes(jpeg(1))
        else:
            with failing(EIO):
                (mount.path / ".p.jpg").write_bytes(jpeg(1))
        (mount.path / ".p.jpg").rename(mount.path / "p.jpg")
        assert (names(mount.path), state(mount.path / "p.jpg")) == (["p.jpg"], "pending")
    wait_until(lambda: state(mount.path / "p.jpg") == "ready")
    tell(mount, mount.path, {"p.jpg": jpeg(1)})


@PENDING
@pytest.mark.parametrize("target", ["nothing", "entry", "symlink"])
def test_what_was_local_is_pending_by_its_new_name(mounted: MountFactory, target: str) -> None:
    mount = mounted(config=IMPATIENT)
    (mount.path / "x.jpg").write_bytes(jpeg(9))
    if target == "entry":
        (mount.path / "p.jpg").write_bytes(jpeg(8))
    elif target == "symlink":
        (mount.path / "p.jpg").symlink_to("x.jpg")
    descriptor = os.open(mount.path / ".p.jpg", os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, jpeg(1))
    with away(mount):
        (mount.path / ".p.jpg").rename(mount.path / "p.jpg")
        assert (names(mount.path), state(mount.path / "p.jpg")) == (["p.jpg", "x.jpg"], "pending")
        assert (mount.path / "p.jpg").read_bytes() == jpeg(1)
    wait_until(lambda: state(mount.path / "p.jpg") == "ready")
    os.close(descriptor)
    tell(mount, mount.path, {"p.jpg": jpeg(1), "x.jpg": jpeg(9)})


@pytest.mark.semantics("A local file that gets an ordinary name")
def test_whole_local_files_below_a_hidden_directory_that_is_shown_are_stored(mounted: MountFactory) -> None:
    mount = mounted(config=IMPATIENT)
    hidden, shown = mount.path / ".hidden", mount.path / "shown"
    hidden.mkdir()
    (hidden / "empty.jpg").touch()
    descriptor = os.open(hidden / "p.jpg", os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, jpeg(1)[:100])
    os.fsync(descriptor)
    os.write(descriptor, jpeg(1)[100:])
    mount.kill()
    with suppress(OSError):  # ECONNABORTED or ENOTCONN: the mount is gone.
        os.close(descriptor)
    restart_machine(mount)  # So nobody knows whether it was written to its end.
    revive(mount)
    assert {name: state(hidden / name) for name in names(hidden)} == {"empty.jpg": "local", "p.jpg": "local"}
    hidden.rename(shown)
    assert {name: state(shown / name) for name in names(shown)} == {"empty.jpg": "incomplete", "p.jpg": "ready"}
    assert (len(rows_below(mount, shown)), objects(mount)) == (1, [jpeg(1)])
