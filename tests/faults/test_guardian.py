"""A daemon that is killed while a thread of it waits in the kernel: who waits for it is freed, and nothing stays."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from konifer_fs_daemon.control import NobodyAnswers
from tests.faults.test_watchdog import CONTROLLED
from tests.mount.aftermath import uninterruptible
from tests.mount.elsewhere import database, query, wait_until
from tests.mount.mounting import Mount, MountFactory, ask_status, has_ended

FREED = pytest.mark.semantics("Who waits for a daemon that is killed is told so")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount fusectl")
MAKE = b"""
INSERT INTO konifer_fs.node (parent, name, target) SELECT id, 'told', '' FROM konifer_fs.node WHERE path = 'root.a'
"""
HOLD = b"SELECT id FROM konifer_fs.node WHERE path = 'root.a' FOR NO KEY UPDATE"

WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def is_stuck(pid: int) -> bool:
    return any(task.parts[2] == str(pid) for task in uninterruptible())


def hold_freed(mount: Mount, inside: Sequence[str] = (), *, is_detached: bool = False) -> None:
    """Kill a daemon that waits for a caller who waits for it: a `mkdir`, run by the command `inside`.

    The database keeps the `mkdir` waiting, so that its directory is held, and tells of another change there.
    """
    with database(mount) as holder, holder.transaction(), database(mount) as elsewhere:
        holder.execute(HOLD)
        command = [*inside, "mkdir", str(mount.path / "a" / "new")]
        caller = subprocess.Popen(command, env={**os.environ, "LC_ALL": "C"}, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: query(mount, WAITING))
        elsewhere.execute(MAKE)
        wait_until(lambda: is_stuck(mount.pid))
        os.kill(mount.pid, 9)
        if is_detached:
            subprocess.run(["umount", "--lazy", mount.path], check=True, timeout=10)
        _, said = caller.communicate(timeout=3)
    assert "Software caused connection abort" in said
    wait_until(lambda: has_ended(mount.pid) and not is_stuck(mount.pid), 3)


@FREED
@as_root
@pytest.mark.parametrize("is_detached", [False, True])
def test_a_killed_daemon_that_cannot_end_frees_its_callers(mounted: MountFactory, is_detached: bool) -> None:
    mount = mounted()
    (mount.path / "a").mkdir()
    hold_freed(mount, is_detached=is_detached)
    assert "the connection to the kernel was aborted" in mount.log()
    mount.mount()
    # The database had all of the `mkdir`, and may have gone on with it.
    assert {path.name for path in (mount.path / "a").iterdir()} - {"new"} == {"told"}


@FREED
@as_root
def test_the_list_of_connections_is_used_where_it_is_mounted(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "a").mkdir()
    mount.umount()
    places = ["-c", mount.config_file, "--data-dir", mount.data_dir, mount.path]
    command = [sys.executable, "-m", "konifer_fs_daemon", "mount", "--foreground", *map(str, places)]
    with (mount.config_file.parent / "said").open("w+") as said:
        daemon = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", CONTROLLED + shlex.join(command)], env=mount.environ, stderr=said
        )
        mount.pid = daemon.pid
        wait_until(lambda: answers(mount))
        hold_freed(mount, ["nsenter", f"--mount=/proc/{daemon.pid}/ns/mnt"])
        daemon.wait(10)
        said.seek(0)
        assert "the connection to the kernel was aborted" in said.read()


def answers(mount: Mount) -> bool:
    try:
        return bool(ask_status(mount.path, Path(mount.environ["XDG_RUNTIME_DIR"])))
    except NobodyAnswers:
        return False
