"""Contents from S3 that stay on local disk, counted by what the server is asked for."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.contracts.relay import Relay, relaying
from tests.mount.elsewhere import PICTURE, wait_until
from tests.mount.mounting import Mount, MountFactory, konifer_fs
from tests.servers import S3Server

KEPT: Final = pytest.mark.semantics("What was read from S3 is kept on local disk")
ARRIVES: Final = pytest.mark.semantics("A file on S3 is read as it arrives, in pieces of 1 MiB")
AHEAD: Final = pytest.mark.semantics("Who lists a directory and reads its files whole, one after the other")
CHECKED: Final = pytest.mark.semantics("Kept bytes are compared with their checksum when a mount first opens them")
COMPARED: Final = pytest.mark.semantics("What has come whole from S3 is compared with the SHA-256")

LARGE: Final = 16 << 20


def kept_files(mount: Mount) -> dict[str, bytes]:
    """Give what is kept, by the names of the files."""
    kept = {}
    for path in (mount.data_dir / "cache").glob("*/*"):
        with suppress(FileNotFoundError):  # What has not come whole goes when it is closed.
            if path.name != ".bytes":
                kept[path.name] = path.read_bytes()
    return kept


def picture(number: int) -> bytes:
    return PICTURE + bytes([number]) * 1000


def fill(mount: Mount, count: int) -> list[Path]:
    files = [mount.path / "a" / f"{number}.jpg" for number in range(count)]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        file.write_bytes(picture(number))
    mount.remount()  # So that the kernel has nothing of them.
    return files


def run(mount: Mount, *arguments: str | Path, code: int = 0) -> str:
    done = konifer_fs(*arguments, environ=mount.environ)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


@KEPT
@pytest.mark.parametrize("store", ["moto", "rclone"])
def test_what_was_read_is_kept_beyond_a_remount(mounted: MountFactory, store: str) -> None:
    mount = mounted(store)
    files = fill(mount, 3)
    assert kept_files(mount) == {}
    assert [file.read_bytes() for file in files] == [picture(0), picture(1), picture(2)]
    kept = kept_files(mount)
    assert sorted(kept.values()) == [picture(0), picture(1), picture(2)]
    mount.remount()
    inodes = {path.name: path.stat().st_ino for path in (mount.data_dir / "cache").glob("*/[!.]*")}
    assert [file.read_bytes() for file in files] == [picture(0), picture(1), picture(2)]
    assert {path.name: path.stat().st_ino for path in (mount.data_dir / "cache").glob("*/[!.]*")} == inodes


@KEPT
def test_what_is_kept_is_read_while_the_store_is_away(mounted: MountFactory, s3_server: object) -> None:
    mount = mounted("rclone", config="filesystem.deadline = 2s")
    (file,) = fill(mount, 1)
    assert file.read_bytes() == picture(0)
    config = mount.config_file.read_text()
    mount.umount()
    mount.config_file.write_text(config + '\nobject-store.s3.endpoint-url = "http://127.0.0.1:9"\n')
    mount.mount("-o", "ro")
    assert file.read_bytes() == picture(0)


@ARRIVES
@pytest.mark.parametrize("store", ["moto", "rclone"])
def test_a_look_at_a_large_file_fetches_a_part_of_it(
    mounted: MountFactory, s3_server: Mapping[str, S3Server], store: str
) -> None:
    ranges: list[str] = []

    def note(piece: bytes) -> bytes:
        ranges.extend(re.findall(r"^range: bytes=([\d-]*)\r$", piece.decode("latin-1"), re.MULTILINE | re.IGNORECASE))
        return piece

    large = PICTURE + os.urandom(LARGE - len(PICTURE))
    with relaying(Relay(edit_request=note), s3_server[store].endpoint_url) as relay:
        mount = mounted(store, config=f'object-store.s3.endpoint-url = "{relay.endpoint_url}"')
        file = mount.path / "large.jpg"
        file.write_bytes(large)
        mount.remount()
        with file.open("rb", buffering=0) as stream:
            assert os.pread(stream.fileno(), 100, 0) == large[:100]
            assert os.pread(stream.fileno(), 100, LARGE - 50) == large[-50:]
        assert sum(1 + int(stop) - int(start) for start, stop in (part.split("-") for part in ranges)) <= LARGE // 4
        wait_until(lambda: kept_files(mount) == {})
        assert file.read_bytes() == large
        wait_until(lambda: list(kept_files(mount).values()) == [large])


@AHEAD
@pytest.mark.parametrize("order", [sorted, list])
def test_the_next_files_of_a_walk_are_fetched_meanwhile(
    mounted: MountFactory, order: Callable[[Iterable[str]], list[str]]
) -> None:
    mount = mounted("rclone")
    place = mount.path / "a"
    place.mkdir()
    for number in [5, 1, 9, 3, 7, 0, 8, 2, 6, 4]:
        (place / f"{number}.jpg").write_bytes(picture(number))
    mount.remount()
    names = order([path.name for path in place.iterdir()])
    assert (names == sorted(names)) == (order is sorted)
    for name in names[:3]:
        assert (place / name).read_bytes() == picture(int(name[0]))
    wait_until(lambda: picture(int(names[3][0])) in kept_files(mount).values())
    assert (place / names[3]).read_bytes() == picture(int(names[3][0]))
    wait_until(lambda: {picture(int(name[0])) for name in names[4:6]} <= set(kept_files(mount).values()))
    assert picture(int(names[9][0])) not in kept_files(mount).values()


@AHEAD
def test_nothing_is_fetched_for_who_reads_here_and_there(mounted: MountFactory) -> None:
    mount = mounted("rclone")
    files = fill(mount, 10)
    assert len(list(files[0].parent.iterdir())) == 10
    for number in (0, 1, 5, 6, 3, 8):
        assert files[number].read_bytes() == picture(number)
    time.sleep(0.5)
    assert len(kept_files(mount)) == 6


@KEPT
def test_no_more_is_kept_than_may_be(mounted: MountFactory) -> None:
    size = (len(picture(0)) // 4096 + 2) * 4096
    mount = mounted("rclone", config=f"filesystem.cache-max-bytes = {3 * size}")
    files = fill(mount, 6)
    for number, file in enumerate(files):
        assert file.read_bytes() == picture(number)
        assert len(kept_files(mount)) <= 3
    assert picture(5) in kept_files(mount).values()
    mount.umount()
    mount.config_file.write_text(mount.config_file.read_text() + "\nfilesystem.cache-max-bytes = 10\n")
    mount.mount()
    before = kept_files(mount)
    assert files[0].read_bytes() == picture(0)
    assert kept_files(mount) == before


@KEPT
def test_no_more_is_kept_of_what_many_read_at_once(mounted: MountFactory, tmp_path: Path) -> None:
    cap, shared = 1 << 20, tmp_path / "shared"
    config = f'filesystem {{ cache-dir = "{shared}", cache-max-bytes = {cap} }}'
    mounts = [mounted("rclone", config=config) for _ in range(2)]
    contents = [PICTURE + bytes([number]) * (cap * 2 // 5) for number in range(8)]
    for number, content in enumerate(contents):
        (mounts[0].path / f"{number}.jpg").write_bytes(content)
    for mount in mounts:
        mount.remount()
    files = [mount.path / f"{number}.jpg" for number in range(8) for mount in mounts]
    with ThreadPoolExecutor(len(files)) as threads:
        assert list(threads.map(Path.read_bytes, files)) == [content for content in contents for _ in mounts]
    wait_until(lambda: not any(shared.glob("*/.arriving-*")))
    kept = [path.read_bytes() for path in shared.glob("*/[!.]*")]
    assert 0 < sum(map(len, kept)) <= cap
    assert all(content in contents for content in kept)


@CHECKED
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(picture(7)),
        lambda path: path.write_bytes(b"short"),
        lambda path: os.removexattr(path, "user.konifer.sha256"),
    ],
)
def test_damaged_bytes_are_fetched_again(mounted: MountFactory, damage: Callable[[Path], object]) -> None:
    mount = mounted("rclone")
    (file,) = fill(mount, 1)
    assert file.read_bytes() == picture(0)
    mount.umount()
    (kept,) = (mount.data_dir / "cache").glob("*/[!.]*")
    damage(kept)
    mount.mount()
    assert file.read_bytes() == picture(0)
    assert list(kept_files(mount).values()) == [picture(0)]


@COMPARED
@pytest.mark.parametrize(("size", "walks"), [(1000, False), (3 << 20, False), (3 << 20, True)])
def test_other_bytes_than_were_stored_are_not_kept(
    mounted: MountFactory, s3_server: Mapping[str, S3Server], size: int, walks: bool
) -> None:
    """On their way from the store: those of a file, and of one that is fetched ahead; the kernel keeps none of them."""
    damages = threading.Event()
    damages.set()

    def damage(piece: bytes) -> bytes:
        return piece.replace(b"\x03" * 100, b"x" * 100) if damages.is_set() else piece

    with relaying(Relay(edit_response=damage), s3_server["rclone"].endpoint_url) as relay:
        mount = mounted("rclone", config=f'object-store.s3.endpoint-url = "{relay.endpoint_url}"')
        contents = [picture(number) + os.urandom(size) for number in range(6)]
        files = [mount.path / "a" / f"{number}.jpg" for number in range(len(contents))]
        files[0].parent.mkdir()
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        mount.remount()
        assert len(list(files[0].parent.iterdir())) == len(files)
        if walks:
            assert [file.read_bytes() for file in files[:3]] == contents[:3]
        with files[3].open("rb") as opened:
            for _ in range(2):
                opened.seek(0)
                with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                    opened.read()
        damages.clear()
        assert files[3].read_bytes() == contents[3]
        wait_until(lambda: contents[3] in kept_files(mount).values())
        wait_until(lambda: set(kept_files(mount).values()) <= set(contents))
        told = mount.log()
    assert "is not what was stored" in told
    if size > 1000 and not walks:  # What is asked for whole is compared with the server's own checksum before.
        assert "is not what was stored: its SHA-256 is" in told


@KEPT
def test_a_cache_that_is_removed_begins_anew(mounted: MountFactory) -> None:
    mount = mounted("rclone")
    files = fill(mount, 3)
    with files[0].open("rb") as opened:
        assert opened.read(4) == picture(0)[:4]
        for directory in (mount.data_dir / "cache").iterdir():
            shutil.rmtree(directory)
        opened.seek(0)
        assert opened.read() == picture(0)
    assert files[1].read_bytes() == picture(1)
    assert picture(1) in kept_files(mount).values()


@pytest.mark.semantics("konifer-fs warm PATH reads")
def test_warming_and_evicting(mounted: MountFactory) -> None:
    mount = mounted("rclone")
    files = fill(mount, 4)
    (mount.path / "a" / "link").symlink_to("0.jpg")
    assert run(mount, "warm", mount.path / "a") == f"4 files, {4 * len(picture(0)) / 1024:.1f} KiB, 0 failed\n"
    assert sorted(kept_files(mount).values()) == [picture(number) for number in range(4)]
    assert run(mount, "evict", files[0]).startswith("1 entries, ")
    assert sorted(kept_files(mount).values()) == [picture(number) for number in range(1, 4)]
    assert run(mount, "evict", mount.path).startswith("4 entries, ")
    assert kept_files(mount) == {}
    assert [file.read_bytes() for file in files] == [picture(number) for number in range(4)]
    assert run(mount, "evict", mount.path).startswith("4 entries, ")
    run(mount, "warm", mount.path)  # The kernel has the bytes still.
    assert sorted(kept_files(mount).values()) == [picture(number) for number in range(4)]


@pytest.mark.semantics("konifer-fs warm PATH reads")
def test_evicting_by_the_place_of_variants(mounted: MountFactory) -> None:
    mount = mounted("rclone")
    files = fill(mount, 2)
    variants = files[0].with_name("0.jpg@")
    content = (variants / "w=1.png").read_bytes()
    assert content in kept_files(mount).values()
    assert run(mount, "evict", variants).startswith("1 entries, ")
    assert kept_files(mount) == {}
    assert (variants / "w=1.png").read_bytes()
    assert files[1].read_bytes() == picture(1)
    run(mount, "evict", variants / "w=1.png")
    assert list(kept_files(mount).values()) == [picture(1)]
    told = run(mount, "evict", files[0].parent / "-", code=1)
    assert "is made up of other files, which can be evicted by their own names" in told


@pytest.mark.semantics("konifer-fs warm PATH reads")
def test_who_interrupts_warming_does_not_wait_for_a_store_that_is_away(
    mounted: MountFactory, s3_server: Mapping[str, S3Server]
) -> None:
    away = threading.Event()

    def cut(piece: bytes) -> bytes:
        if away.is_set():
            raise ConnectionResetError
        return piece

    with relaying(Relay(edit_request=cut), s3_server["rclone"].endpoint_url) as relay:
        mount = mounted("rclone", config=f'object-store.s3.endpoint-url = "{relay.endpoint_url}"')
        (file,) = fill(mount, 1)
        away.set()
        asked = relay.connections
        # What runs in the background of a script is deaf to SIGINT, and so are its children.
        hearing = ["env", "--default-signal=INT"]
        command = [*hearing, sys.executable, "-m", "konifer_fs_daemon", "warm", str(mount.path)]
        with subprocess.Popen(command, env=mount.environ, stderr=subprocess.PIPE, text=True) as warming:
            wait_until(lambda: relay.connections > asked + 1)
            warming.send_signal(signal.SIGINT)
            assert warming.communicate(timeout=10)[1].endswith("Aborted!\n")
        assert warming.returncode == 1
        away.clear()
        assert file.read_bytes() == picture(0)


def test_what_cannot_be_warmed_or_evicted_is_told(mounted: MountFactory, tmp_path: Path) -> None:
    mount = mounted("rclone")
    for command in ("warm", "evict"):
        assert "is on no mount of konifer-fs" in run(mount, command, tmp_path, code=1)
    assert "it is not there" in run(mount, "evict", mount.path / "none", code=1)
