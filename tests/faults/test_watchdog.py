"""Event loops that stand still: whoever waits is freed, and the log tells where."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from konifer_fs_daemon.watchdog import EXIT_CODE
from tests.mount.mounting import detach

WEDGED = Path(__file__).with_name("wedged.py")
CONTROLLED = "mount -t fusectl none /sys/fs/fuse/connections && exec "


def run_wedged(mountpoint: Path, how: str, *, controlled: bool) -> "subprocess.CompletedProcess[str]":
    """Run it, in a mount namespace of its own where the kernel's side of FUSE can be controlled."""
    command = [sys.executable, str(WEDGED), str(mountpoint), how]
    if controlled:
        command = ["unshare", "--mount", "sh", "-c", CONTROLLED + shlex.join(command)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        detach(mountpoint)


@pytest.mark.parametrize("controlled", [False, True])
def test_a_loop_that_stands_still_is_told_of_and_its_callers_are_freed(
    fuse: Path, tmp_path: Path, controlled: bool
) -> None:
    if controlled and os.geteuid():
        pytest.skip("only root can mount fusectl")
    done = run_wedged(tmp_path, "looking-up", controlled=controlled)
    assert done.returncode == EXIT_CODE
    assert "cannot stat" in done.stderr
    assert "wedged.py" in done.stderr
    assert "in lookup" in done.stderr
    assert "Task " in done.stderr
    assert ("the connection to the kernel was aborted" in done.stderr) or not controlled


def test_a_read_that_finds_no_request_does_not_stop_the_loop(fuse: Path, tmp_path: Path) -> None:
    done = run_wedged(tmp_path, "reading", controlled=False)
    assert done.returncode == 0, done.stderr
    assert "the loop turns" in done.stderr
