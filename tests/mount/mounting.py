"""Mounts for tests, made by the real command line; `conftest` makes them fixtures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from psycopg.conninfo import conninfo_to_dict

from konifer_fs_daemon.control import NobodyAnswers, ask
from konifer_fs_daemon.mountpoint import list_mounts
from konifer_fs_daemon.runtime import mount_name
from tests.servers import S3Server

SECONDS: Final = 120


class CommandFailed(Exception):
    """A konifer-fs command ended with another code than 0."""


def reason_not_to_mount() -> str:
    """Say why nothing can be mounted here, or nothing."""
    if shutil.which("fusermount3") is None:
        return "fusermount3 is missing"
    return "" if os.access("/dev/fuse", os.R_OK | os.W_OK) else "/dev/fuse is not accessible"


def konifer_fs(
    *arguments: str | Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of konifer-fs and give what became of it."""
    return subprocess.run(
        [sys.executable, "-m", "konifer_fs_daemon", *map(str, arguments)],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=environ, cwd=cwd,
    )  # fmt: skip


def detach(path: Path) -> None:
    """Take a mount away, whatever state it is in; no effect when there is none."""
    while path in list_mounts():
        subprocess.run(["fusermount3", "-uz", "--", path], timeout=SECONDS, check=True, capture_output=True)


def task_state(task: Path) -> str:
    """Give the state of a task by its directory in /proc, as proc(5) spells it; X when there is none."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def has_ended(pid: int) -> bool:
    """Whether a process that is no child of ours has ended, reaped or not."""
    return task_state(Path("/proc") / str(pid)) in "ZX"


def wait_for_end(pid: int, seconds: float = SECONDS) -> bool:
    """Wait until a process that is no child of ours has ended; gives whether it has."""
    until = time.monotonic() + seconds
    while not has_ended(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return has_ended(pid)


def ask_status(path: Path, runtime_directory: Path) -> dict[str, Any]:
    """Give what the daemon of the mount at `path` tells of itself."""
    return dict(next(ask(runtime_directory / "konifer-fs" / f"{mount_name(path)}.sock", "status")))


def end_daemon(pid: int) -> None:
    """End a daemon as a shutdown does, by force if it must be; no effect for pid 0."""
    with suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGTERM)
        if pid and not wait_for_end(pid, 30):
            os.kill(pid, signal.SIGKILL)


def terminate_mount(path: Path, runtime_directory: Path) -> None:
    """Leave nothing mounted at `path` and nothing running for it; no effect when there is nothing."""
    with suppress(NobodyAnswers, StopIteration):  # it may be ending
        end_daemon(ask_status(path, runtime_directory)["pid"])
    detach(path)


@dataclass(slots=True, kw_only=True)
class Mount:
    """A mount at `path`, of the database at `conninfo`; `objects` is the object directory of a filesystem store.

    `keeps` is whether the object store outlives the mount.
    """

    path: Path
    conninfo: str
    objects: Path
    config_file: Path
    data_dir: Path
    keeps: bool = True
    arguments: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    pid: int = 0

    def mount(self, *more: str) -> None:
        """Mount; raises CommandFailed with what the command said."""
        self.run("mount", "-c", self.config_file, "--data-dir", self.data_dir, *self.arguments, *more, self.path)
        self.pid = self.status()["pid"]

    def umount(self, *more: str) -> str:
        """Unmount by `konifer-fs umount`; gives what it said. Raises CommandFailed."""
        said = self.run("umount", *more, self.path)
        self.pid = 0
        return said

    def remount(self, *more: str) -> None:
        """Unmount and mount again."""
        self.umount()
        self.mount(*more)

    def status(self) -> dict[str, Any]:
        """Give what `konifer-fs status --json` tells, without the time that a command takes."""
        return ask_status(self.path, Path(self.environ["XDG_RUNTIME_DIR"]))

    def run(self, *arguments: str | Path) -> str:
        """Run a command of konifer-fs; gives all it printed, raises CommandFailed with it."""
        done = konifer_fs(*arguments, environ=self.environ)
        if done.returncode:
            raise CommandFailed(f"{arguments[0]} ended with {done.returncode}: {done.stderr.strip()}\n{self.log()}")
        return done.stdout + done.stderr

    def log(self) -> str:
        """Give the daemon's log."""
        return "".join(file.read_text() for file in sorted((self.data_dir / "logs").glob("*.log")))

    def kill(self) -> None:
        """Kill the daemon as a crash would; the mountpoint stays behind, dead."""
        os.kill(self.pid, 9)
        assert wait_for_end(self.pid)

    def clean_up(self) -> None:
        """Leave nothing mounted and nothing running, whatever happened."""
        end_daemon(self.pid)
        detach(self.path)


class MountFactory(Protocol):
    """Mounts, and gives what it mounted.

    `object_store` is `filesystem`, `memory`, or one of `tests.servers`; `options` go to `-o`; `config` is more HOCON.
    """

    def __call__(
        self, object_store: str = "filesystem", *, options: str = "", subpath: str = "/", config: str = ""
    ) -> Mount:
        """Mount; raises CommandFailed."""
        ...


@contextmanager
def make_factory(
    conninfo: str,
    directory: Path,
    runtime_directory: Path,
    servers: Mapping[str, S3Server],
    hold: Callable[[Mount], object] = lambda _: None,
) -> Iterator[MountFactory]:
    """Give a factory of mounts of the database at `conninfo`, all below `directory`; at the end they are gone.

    `hold` is done with each of them when the block ended well.
    """
    mounts: list[Mount] = []

    def make(object_store: str = "filesystem", *, options: str = "", subpath: str = "/", config: str = "") -> Mount:
        place = directory / f"mount{len(mounts)}"
        (place / "at").mkdir(parents=True)
        stores = [spell_database(conninfo), _spell_objects(object_store, directory, servers)]
        (place / "konifer.conf").write_text("\n".join([*stores, config, ""]))
        mount = Mount(
            path=place / "at", conninfo=conninfo, objects=directory / "objects" / "assets",
            config_file=place / "konifer.conf", data_dir=place / "data", keeps=object_store != "memory",
            arguments=["--subpath", subpath, *(["-o", options] if options else [])],
            environ={**os.environ, "XDG_RUNTIME_DIR": str(runtime_directory)},
        )  # fmt: skip
        mounts.append(mount)
        mount.mount()
        return mount

    try:
        yield make
        for mount in mounts:
            hold(mount)
    finally:
        for mount in reversed(mounts):
            mount.clean_up()


def spell_database(conninfo: str) -> str:
    """Give the block of a konifer.conf for the database at `conninfo`."""
    where = conninfo_to_dict(conninfo)
    fields = {"host": where["host"], "port": where["port"], "database": where["dbname"], "user": where["user"]}
    lines = "\n".join(f"{key} = {json.dumps(str(value))}" for key, value in fields.items())
    return f"data-store {{ provider = postgresql, postgresql {{\n{lines}\nssl-mode = disable\n}} }}"


def _spell_objects(object_store: str, directory: Path, servers: Mapping[str, S3Server]) -> str:
    if object_store == "filesystem":
        (directory / "objects").mkdir(exist_ok=True)
        return f'object-store {{ provider = filesystem, filesystem.mount-path = "{directory / "objects"}" }}'
    if object_store == "memory":
        return "object-store.provider = in-memory"
    server = servers[object_store]
    bucket = directory / f"bucket-of-{object_store}"
    if not bucket.exists():
        bucket.write_text(server.make_bucket())
    return server.spell_objects(bucket.read_text())
