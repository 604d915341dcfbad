"""Where the same work is done side by side: the local disk, mounts of konifer-fs, and other mounts of S3."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from bench.mounting import SECONDS, Mount, run
from tests.servers import ACCESS_KEY, SECRET_KEY, S3Server, s3_servers

RCLONE: Final = Path(sys.executable).parent / "rclone"
_POLL: Final = 0.05


class Place(Protocol):
    """A directory to work in; `name` is the heading of its column, `has_attributes` whether it takes extended ones."""

    name: str
    has_attributes: bool

    @property
    def path(self) -> Path:
        """The directory."""
        ...

    def settle(self) -> None:
        """Wait until all that was written is stored."""
        ...

    def forget(self) -> None:
        """Have nothing in any cache, but for the kernel's of the local disk; what was kept is moved away, unused."""
        ...


@dataclass(slots=True)
class LocalDisk:
    """What every mount here has below it."""

    path: Path
    name: str = "local disk"
    has_attributes: bool = True

    def settle(self) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class BarePyfuse3:
    """The least that a mount by pyfuse3 takes: `bench.bare`, with the bytes in `directory`."""

    path: Path
    directory: Path
    name: str = "bare pyfuse3"
    has_attributes: bool = True

    def mount(self) -> None:
        """Mount, once: all names are in its memory."""
        subprocess.Popen([sys.executable, "-m", "bench.bare", self.directory, self.path], start_new_session=True)
        while not os.path.ismount(self.path):
            time.sleep(_POLL)

    def settle(self) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class KoniferFs:
    """A mount of ours: what a `cp` has copied is stored when it ends."""

    name: str
    mount: Mount
    has_attributes: bool = True

    @property
    def path(self) -> Path:
        """Where it is mounted."""
        return self.mount.path

    def settle(self) -> None:
        """Do nothing: it is stored."""

    def forget(self) -> None:
        """Mount again with no contents kept."""
        self.mount.umount()
        _move_away(self.mount.data / "cache")
        self.mount.mount()


@dataclass(slots=True)
class RcloneMount:
    """`rclone mount` with the cache that lets programs write; `objects` is what its server has of the bucket."""

    path: Path
    server: S3Server
    bucket: str
    cache: Path
    objects: Path
    name: str = "rclone mount"
    has_attributes: bool = False

    def mount(self) -> None:
        """Mount, with nothing cached."""
        remote = (
            f":s3,provider=Rclone,access_key_id={ACCESS_KEY},secret_access_key={SECRET_KEY},"
            f"endpoint='{self.server.endpoint_url}':{self.bucket}"
        )
        cached = ["--vfs-cache-mode", "writes", "--cache-dir", str(self.cache)]
        run(RCLONE, "mount", remote, self.path, "--config", "", *cached, "--daemon")

    def settle(self) -> None:
        """Wait until its server has each file; it uploads five seconds after a close."""
        wanted = sum(1 for path in self.path.rglob("*") if path.is_file())
        while sum(1 for path in self.objects.rglob("*") if path.is_file()) < wanted:
            time.sleep(_POLL)

    def forget(self) -> None:
        """Mount again with nothing cached."""
        unmount(self.path)
        _move_away(self.cache)
        self.mount()


@dataclass(slots=True)
class S3fs:
    """`s3fs`, of a bucket on moto's server: Debian's release does not get along with rclone's."""

    path: Path
    server: S3Server
    bucket: str
    secrets: Path
    name: str = "s3fs"
    has_attributes: bool = False

    def mount(self) -> None:
        """Mount, with nothing cached."""
        self.secrets.write_text(f"{ACCESS_KEY}:{SECRET_KEY}\n")
        self.secrets.chmod(0o600)
        options = f"url={self.server.endpoint_url},use_path_request_style,passwd_file={self.secrets}"
        run("s3fs", self.bucket, self.path, "-o", options)

    def settle(self) -> None:
        """Do nothing: it uploads when a file is closed."""

    def forget(self) -> None:
        """Mount again."""
        unmount(self.path)
        self.mount()


def unmount(path: Path) -> None:
    """Unmount another's mount, and wait until it is gone."""
    subprocess.run(["fusermount3", "-u", path], check=True, timeout=SECONDS)
    while os.path.ismount(path):
        time.sleep(_POLL)


@contextmanager
def all_places(directory: Path) -> Iterator[tuple[list[Place], S3Server]]:
    """Mount everything below `directory`, which is gone at the end; gives the server that is mounted twice, too."""
    with ExitStack() as stack:
        servers = {}
        for name in ("rclone", "moto"):
            (directory / name).mkdir()
            servers[name] = stack.enter_context(s3_servers[name](directory / name))
        local = LocalDisk(directory / "local")
        local.path.mkdir()
        over_s3 = servers["rclone"].spell_objects(servers["rclone"].make_bucket())
        ours = [
            KoniferFs("konifer-fs", _mounted(stack, directory / "konifer", "")),
            KoniferFs("konifer-fs over S3", _mounted(stack, directory / "konifer-s3", over_s3)),
        ]
        rcloned = servers["rclone"].make_bucket()
        rclone = RcloneMount(
            _new(directory / "rclone-mount"), servers["rclone"], rcloned,
            directory / "rclone-cache", directory / "rclone" / "rclone" / rcloned,
        )  # fmt: skip
        s3fs = S3fs(
            _new(directory / "s3fs-mount"), servers["moto"], servers["moto"].make_bucket(), directory / "s3fs-secrets"
        )
        bare = BarePyfuse3(_new(directory / "bare-mount"), _new(directory / "bare"))
        for other in (rclone, s3fs, bare):
            other.mount()
            stack.callback(unmount, other.path)
        places: list[Place] = [local, bare, *ours, rclone, s3fs]
        yield places, servers["rclone"]


def _mounted(stack: ExitStack, directory: Path, config: str) -> Mount:
    mount = Mount(path=_new(directory / "mount"), data=directory / "data", config=config)
    mount.mount()
    stack.callback(mount.umount)
    return mount


def _move_away(directory: Path) -> None:
    """Let nothing be where a directory is; removed files would make later ones slow on ext4 without a journal."""
    if directory.exists():
        directory.rename(directory.with_name(f"{directory.name}-{uuid4().hex}"))


def _new(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
