"""What the machine itself can do to a mount: a full disk, a jumping clock, the end of the day."""

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.faults.writers import Writer, writing
from tests.mount.aftermath import hold_clean
from tests.mount.elsewhere import wait_until
from tests.mount.mounting import MountFactory, detach, wait_for_end
from tests.mount.saving import failing, jpeg, state

FAKETIME: Final = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
AT_REST: Final = ("--grace", "0s")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB and up to 100 files."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=100", "none", place], check=True, timeout=60)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True, timeout=60)


def take_bytes(filler: Path) -> None:
    """Leave no byte free on the disk of a directory."""
    free = os.statvfs(filler)
    (filler / "file").write_bytes(bytes(free.f_bavail * free.f_frsize))


def take_names(filler: Path) -> None:
    """Leave no file free on the disk of a directory."""
    for number in range(os.statvfs(filler).f_favail):
        (filler / str(number)).touch()


@as_root
@pytest.mark.semantics("A spool disk that is full")
def test_a_full_disk_fails_writes_and_nothing_else(mounted: MountFactory, small_disk: Path) -> None:
    mount = mounted(config=f'filesystem.spool-dir = "{small_disk}"')
    (mount.path / "stored.jpg").write_bytes(jpeg())
    filler = small_disk / "filler"
    filler.mkdir()
    take_bytes(filler)
    with failing(errno.ENOSPC):
        (mount.path / "large.jpg").write_bytes(jpeg() + bytes(3 << 20))
    with (mount.path / "stored.jpg").open("r+b") as file, failing(errno.ENOSPC):
        os.pwrite(file.fileno(), bytes(3 << 20), len(jpeg()))
    assert (mount.path / "stored.jpg").read_bytes() == jpeg()
    shutil.rmtree(filler)
    for name in ("large.jpg", "stored.jpg"):
        (mount.path / name).write_bytes(jpeg(1))
        assert ((mount.path / name).read_bytes(), state(mount.path / name)) == (jpeg(1), "ready")
    hold_clean(mount.config_file, mount.data_dir, *AT_REST)
    mount.umount()


@as_root
@pytest.mark.parametrize("take", [take_bytes, take_names])
@pytest.mark.semantics("A spool disk that is full")
def test_what_a_full_disk_has_no_room_for_cannot_be_read(
    mounted: MountFactory, small_disk: Path, take: Callable[[Path], object]
) -> None:
    (mounted("moto").path / "stored.jpg").write_bytes(jpeg())
    mount = mounted("moto", config=f'filesystem {{ spool-dir = "{small_disk}", cache-max-bytes = 0 }}')
    filler = small_disk / "filler"
    filler.mkdir()
    take(filler)
    with failing(errno.ENOSPC):
        (mount.path / "new.jpg").write_bytes(jpeg(1))
    for name in ("stored.jpg", "-/info.json"):
        with failing(errno.ENOSPC):
            (mount.path / name).read_bytes()
    assert "Traceback" not in mount.log()
    assert "/stored.jpg: The spool is full: No space left on device" in mount.log()
    shutil.rmtree(filler)
    assert (mount.path / "stored.jpg").read_bytes() == jpeg()


@pytest.mark.semantics("A spool disk that is full")
def test_a_daemon_that_may_open_no_more_files_goes_on(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "stored.jpg").write_bytes(jpeg())
    descriptors = Path("/proc") / str(mount.pid) / "fd"
    usual = resource.prlimit(mount.pid, resource.RLIMIT_NOFILE)
    few = len(list(descriptors.iterdir())) + 20
    opened: list[int] = []
    with (mount.path / "stored.jpg").open("rb") as reading:
        resource.prlimit(mount.pid, resource.RLIMIT_NOFILE, (few, usual[1]))
        with failing(errno.ENFILE):
            while len(opened) < 100:
                opened.append(os.open(mount.path / f"{len(opened)}.jpg", os.O_CREAT | os.O_WRONLY))
        assert 0 < len(opened) < 100
        assert reading.read() == jpeg()
        resource.prlimit(mount.pid, resource.RLIMIT_NOFILE, usual)
    for descriptor in opened:
        os.write(descriptor, jpeg(2))
        os.close(descriptor)
    (mount.path / "late.jpg").write_bytes(jpeg(1))
    assert {state(mount.path / f"{number}.jpg") for number in range(len(opened))} == {"ready"}
    assert state(mount.path / "late.jpg") == "ready"


@pytest.mark.semantics("A plain umount, and a daemon that is told to end")
def test_a_daemon_that_is_told_to_end_under_load_loses_nothing(mounted: MountFactory, tmp_path: Path) -> None:
    mount, other = mounted(config="filesystem.drain = 60s"), mounted()
    with (tmp_path / "manifest").open("w") as manifest:
        writers = [Writer(f"w{number}", random.Random(number), manifest) for number in range(4)]
        for writer in writers:
            (mount.path / writer.name).mkdir()
        with writing(writers, mount.path):
            time.sleep(0.5)
            os.kill(mount.pid, signal.SIGTERM)
            assert wait_for_end(mount.pid)
            detach(mount.path)
        mount.mount()
        wait_until(lambda: "pending" not in mount.status()["drafts"])
        mount.umount()
        for writer in writers:
            writer.hold(other.path)
    assert all(writer.calls for writer in writers)
    hold_clean(other.config_file, other.data_dir, *AT_REST)


def list_children(pid: int) -> list[str]:
    """Give the processes that a process has started."""
    return [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.mark.skipif(FAKETIME is None and not os.environ.get("CI"), reason="libfaketime is not installed")
@pytest.mark.semantics("A pending draft is tried again")
def test_a_jumping_clock_delays_nothing(mounted: MountFactory, tmp_path: Path) -> None:
    assert FAKETIME is not None
    clock = tmp_path / "clock"
    clock.write_text("+0")
    mount = mounted(config="filesystem { deadline = 2s, drain = 1s }")
    mount.umount()
    usual = mount.environ
    mount.environ = {
        **mount.environ, "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    mount.mount()
    for jump in ("+400d", "-400d", "+0"):
        clock.write_text(jump)
        photo = mount.path / f"{jump}.jpg"
        began = time.monotonic()
        photo.write_bytes(jpeg())
        mount.objects.rename(mount.objects.with_name("away"))
        mount.objects.write_text("in the way of a directory")
        with failing(errno.EIO):
            photo.write_bytes(jpeg(1))
        mount.objects.unlink()
        mount.objects.with_name("away").rename(mount.objects)
        wait_until(lambda photo=photo: state(photo) == "ready")  # type: ignore[misc]
        assert photo.read_bytes() == jpeg(1)
        assert time.monotonic() - began < 60
    with closing(psycopg.connect(mount.conninfo)) as session:
        assert session.execute("SELECT count(*) FROM asset_tree").fetchone() == (3,)
    mount.environ, workers = usual, list_children(mount.pid)
    mount.umount()
    for worker in workers:  # libfaketime leaves this of those that are killed.
        for left in Path("/dev/shm").glob(f"*faketime_s[eh]m_{worker}"):
            left.unlink()
    hold_clean(mount.config_file, mount.data_dir, *AT_REST)
