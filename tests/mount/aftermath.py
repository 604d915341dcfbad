"""What holds after every test that breaks something: both stores agree, and nobody waits for ever.

`conftest` of a suite makes these fixtures of it.
"""

import time
from pathlib import Path

from tests.mount.mounting import konifer_fs, task_state

PATIENCE = 10


def hold_clean(config_file: Path, data_dir: Path, *options: str) -> None:
    """Hold that both stores agree, as `fsck --data` with these options tells."""
    done = konifer_fs("fsck", "-c", config_file, "--data-dir", data_dir, "--data", *options)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def hold_nothing_hangs() -> None:
    """Hold that no task stays in an uninterruptible wait, as one that asked a dead mount would."""
    until = time.monotonic() + PATIENCE
    waiting = uninterruptible()
    while waiting and time.monotonic() < until:
        time.sleep(0.02)
        waiting &= uninterruptible()
    assert waiting == set()


def uninterruptible() -> set[Path]:
    """Give the tasks that are in state D now, by their directories in /proc."""
    return {task for process in Path("/proc").glob("[0-9]*") for task in _tasks(process) if task_state(task) == "D"}


def _tasks(process: Path) -> list[Path]:
    try:
        return list((process / "task").iterdir())
    except OSError:  # It has ended.
        return []
