"""A file of 1 GiB: how little of it the daemon holds in memory, and that nothing of it stays behind."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import eventually, spool_files
from tests.pictures import make_picture
from tests.servers import S3Server

MIB: Final = 1 << 20
PIECES: Final = 1024
GROWTH: Final = 64 * MIB


def pieces() -> Iterator[bytes]:
    """Give a whole photograph, and after its end 1 GiB in which no two pieces are alike."""
    yield make_picture(ImageFormat.JPEG)
    noise = hashlib.shake_256(b"noise").digest(MIB - 8)
    for number in range(PIECES):
        yield number.to_bytes(8) + noise


def read_memory(pid: int, what: str) -> int:
    """Give `VmRSS`, or `VmHWM` (the most since it was last reset), in bytes."""
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(what)


def list_unnamed_files(pid: int) -> list[str]:
    """Give the open files of a process that have no name any more."""
    links = []
    for link in (Path("/proc") / str(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            links.append(str(link.readlink()))
    return [link for link in links if link.endswith("(deleted)")]


def list_objects(mount: Mount, store: str, s3_server: dict[str, S3Server]) -> list[str]:
    if store == "filesystem":
        return [path.name for path in mount.objects.iterdir()]
    bucket = mount.objects.parents[1] / f"bucket-of-{store}"
    return s3_server[store].list_keys(bucket.read_text())


@contextmanager
def uses_little_memory(mount: Mount) -> Iterator[None]:
    """Hold that the daemon's resident memory never grows by 64 MiB meanwhile."""
    (mount.path / "warm.jpg").write_bytes(make_picture(ImageFormat.JPEG))
    (mount.path / "warm.jpg").read_bytes()
    (Path("/proc") / str(mount.pid) / "clear_refs").write_text("5")
    before = read_memory(mount.pid, "VmRSS")
    yield
    assert read_memory(mount.pid, "VmHWM") - before < GROWTH


@pytest.mark.slow
@pytest.mark.parametrize("store", ["filesystem", "rclone"])
def test_a_gibibyte_needs_little_memory_and_leaves_nothing(
    mounted: MountFactory, s3_server: dict[str, S3Server], store: str
) -> None:
    mount, written = mounted(store, config="source.multipart.max-bytes = 2 GiB"), hashlib.sha256()
    with uses_little_memory(mount), (mount.path / "large.jpg").open("wb", buffering=0) as stream:
        for piece in pieces():
            written.update(piece)
            stream.write(piece)
    eventually(lambda: len(spool_files(mount)), 0)

    mount.remount()  # so that it is not the kernel that still has the bytes
    with uses_little_memory(mount), (mount.path / "large.jpg").open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == written.digest()
    eventually(lambda: len(list_unnamed_files(mount.pid)), 0)

    for path in mount.path.iterdir():
        path.unlink()
    eventually(lambda: len(list_objects(mount, store, s3_server)), 0)
