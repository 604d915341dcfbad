"""What the daemon is doing right now, for a log: the stack of every thread and of every task.

Installed by `serve`; `kill -USR1` asks for it. Threads are dumped by C code, so also when the event loop is stuck.
"""

import faulthandler
import signal
import sys
import traceback

import trio


async def dump_on_signal(*, task_status: trio.TaskStatus[None]) -> None:
    """On each SIGUSR1 write all stacks to stderr, until cancelled."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True, chain=True)
        task_status.started()
        async for _ in signals:
            write_tasks(trio.lowlevel.current_root_task())


def write_threads() -> None:
    """Write the stack of every thread to stderr."""
    sys.stderr.flush()
    faulthandler.dump_traceback(sys.stderr, all_threads=True)


def write_tasks(task: trio.lowlevel.Task | None) -> None:
    """Write the stacks of a task and of all below it to stderr; from any thread, while the event loop stands still."""
    if task is None:
        return
    frames = traceback.StackSummary.extract(task.iter_await_frames())
    sys.stderr.write(f"Task {task.name}:\n{''.join(frames.format())}")
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            write_tasks(child)
