"""The life of a daemon: stores opened, mounted, served until unmounted or told to end, drained, closed.

Called by `mount`. How stores and file system are put together is in `konifer_fs.wiring`.
"""

import faulthandler
import gc
import logging
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

import pyfuse3
import trio

from konifer_fs.adapters.outage import IN_HASTE
from konifer_fs.wiring import Wired, wire
from konifer_fs.workflows.leftovers import remove_leftovers
from konifer_fs.workflows.reap import Reaper
from konifer_fs.workflows.sweep import sweep
from konifer_fs_daemon.background import CATCH_UP_SECONDS, REAP_SECONDS, SWEEP_SECONDS, repeat
from konifer_fs_daemon.control import serve_control
from konifer_fs_daemon.draining import Drained, drain
from konifer_fs_daemon.hearing import hear_changes
from konifer_fs_daemon.kernel import ask_for_more, fuse_options, mounted
from konifer_fs_daemon.metrics import telling_figures
from konifer_fs_daemon.mounter import asking
from konifer_fs_daemon.mountpoint import MountRefused, find_connection, make_ready
from konifer_fs_daemon.replies import replies
from konifer_fs_daemon.runtime import make_runtime_directory
from konifer_fs_daemon.stacks import dump_on_signal
from konifer_fs_daemon.supervisor import notify
from konifer_fs_daemon.watchdog import Watchdog, interrupting_reads

if TYPE_CHECKING:
    from konifer_fs_daemon.guardian import Guardian
    from konifer_fs_daemon.launch import Readiness
    from konifer_fs_daemon.mount import MountRequest

log = logging.getLogger(__name__)

# With pyfuse3's own 99, as many stuck closes made `statfs` wait for 3 s; with 1,000 it took 7 ms.
_MAX_TASKS: Final = 1000
# A loop that is busy for so long answers nobody, and is not only slow.
_STILL_SECONDS: Final = 30.0
_GARBAGE_THRESHOLD: Final = 20_000
# For so long a thread that computes keeps others from going on, the one that answers the kernel among them.
_SWITCH_SECONDS: Final = 0.0005


def serve(request: "MountRequest", readiness: "Readiness", guardian: "Guardian") -> None:
    """Mount, tell when it answers, and return once it is unmounted and everything is closed.

    Raises:
        MountRefused, KoniferFsError: it cannot be mounted; the mountpoint is as it was.
    """
    # Until trio takes the signals over: unwind, so that nothing is left running.
    signal.signal(signal.SIGTERM, _unwind)
    _prepare_process()
    for doubt in request.config.paths.doubts:
        log.warning("%s", doubt)
    if request.mounter is None:
        make_ready(request.mountpoint, allow_other=request.options.allow_other)
    options = request.options
    with (
        wire(
            request.config,
            name=request.name,
            subpath=request.subpath,
            read_only=options.read_only,
            show_virtual=options.show_virtual,
            root_squash=options.root_squash,
        ) as wired,
        telling_figures(request.config.filesystem.metrics_address, wired.filesystem.reports),
        _mounted(request, wired.operations) as ask_kernel,
        interrupting_reads(),
    ):
        try:
            trio.run(_Life(request, wired, readiness, guardian, ask_kernel).live)
        finally:
            _ignore_signals()
    log.info("ended")


@contextmanager
def _mounted(request: "MountRequest", operations: pyfuse3.Operations) -> Iterator[Callable[[int], None]]:
    """Mount; gives what is to be called with `st_dev` of the mount, once that answers."""
    words = fuse_options(request.options)
    if request.mounter is None:
        with mounted(operations, request.mountpoint, words):
            yield ask_for_more
    else:
        with asking(request.mounter, words) as mounter, mounted(operations, mounter.device, words):
            yield lambda _: mounter.tell_that_it_answers()


class _Life:
    """What runs beside the file system while it is mounted."""

    def __init__(
        self,
        request: "MountRequest",
        wired: Wired,
        readiness: "Readiness",
        guardian: "Guardian",
        ask_kernel: Callable[[int], None],
    ) -> None:
        self._request = request
        self._wired = wired
        self._readiness = readiness
        self._guardian = guardian
        self._ask_kernel = ask_kernel
        patience = max(_STILL_SECONDS, request.config.filesystem.deadline)
        self._watchdog = Watchdog(find_connection(request.mountpoint), patience)
        self._drain_until: float | None = None
        self._failure: MountRefused | None = None

    async def live(self) -> None:
        """Serve until unmounted; then have pending drafts stored."""
        socket = make_runtime_directory() / f"{self._request.name}.sock"
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, socket, replies(self._request, self._wired))
            await nursery.start(dump_on_signal)
            await nursery.start(self._obey_signals)
            nursery.start_soon(self._watchdog.beat)
            latecomers = self._wired.filesystem.latecomers
            nursery.start_soon(hear_changes, self._wired.changes, self._wired.operations, latecomers)
            nursery.start_soon(self._announce)
            if not self._request.options.read_only:
                self._start_background(nursery)
            before = IN_HASTE.set(True)
            await self._wired.operations.reader.main(max_tasks=_MAX_TASKS)
            IN_HASTE.reset(before)
            log.info("unmounted")
            await self._drain()
            nursery.cancel_scope.cancel()
        if self._failure:
            raise self._failure

    def _start_background(self, nursery: trio.Nursery) -> None:
        wired = self._wired
        reaper = Reaper(wired.metadata, wired.objects, wired.filesystem.in_use)
        nursery.start_soon(repeat, reaper.reap, REAP_SECONDS)
        nursery.start_soon(repeat, partial(sweep, wired.metadata), SWEEP_SECONDS)
        nursery.start_soon(repeat, wired.metadata.prune_changes, SWEEP_SECONDS)
        leftovers = partial(remove_leftovers, wired.metadata, wired.objects, wired.spool)
        nursery.start_soon(repeat, leftovers, SWEEP_SECONDS)
        nursery.start_soon(repeat, wired.filesystem.catch_up, CATCH_UP_SECONDS)

    async def _announce(self) -> None:
        """Say that the mount is there once the kernel gets its root from us."""
        mountpoint = self._request.mountpoint
        try:
            found = await trio.to_thread.run_sync(mountpoint.stat, abandon_on_cancel=True)
            reason = "" if found.st_ino == pyfuse3.ROOT_INODE else "it shows another directory"
        except OSError as error:
            reason = str(error.strerror)
        if reason:
            self._failure = MountRefused(f"{mountpoint} does not answer: {reason}")
            self._wired.operations.reader.terminate()
        else:
            self._ask_kernel(found.st_dev)
            self._guardian.guard(found.st_dev)
            log.info("mounted at %s", mountpoint)
            self._readiness.tell_ready()
            notify("READY=1")

    async def _obey_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        """On SIGTERM drain while the mount still answers, then end it; at once on the second."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async with trio.open_nursery() as nursery:
                async for number in signals:
                    log.info("ending on %s", signal.Signals(number).name)
                    notify("STOPPING=1")
                    if self._drain_until is None:
                        nursery.start_soon(self._drain_and_end)
                    else:
                        nursery.start_soon(self._end)

    async def _drain_and_end(self) -> None:
        await self._drain()
        await self._end()

    async def _end(self) -> None:
        """Read no more requests."""
        operations = self._wired.operations
        # What it tells the kernel may wait for a caller who waits for us: as long as requests are answered, it ends.
        await trio.to_thread.run_sync(operations.kernel_caches.close)
        operations.reader.terminate()

    async def _drain(self) -> None:
        """Have pending drafts stored, for `filesystem.drain` seconds in all; the rest stays in the spool."""
        if self._drain_until is None:
            self._drain_until = trio.current_time() + self._request.config.filesystem.drain
        drained = Drained()
        with trio.move_on_at(self._drain_until):
            await trio.to_thread.run_sync(drain, self._wired.filesystem, drained, abandon_on_cancel=True)
        left = len(drained.left) + drained.total - drained.done
        if left:
            log.warning("%d of %d drafts stay in the spool for the next mount", left, drained.total)


def _prepare_process() -> None:
    """Allow as many files as the system does; a crash leaves its stacks in the log.

    Rounds of garbage collection, which look at what stays anyway, are fewer: copying files became 8 % faster.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    faulthandler.enable()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 20)
    sys.setswitchinterval(_SWITCH_SECONDS)


def _ignore_signals() -> None:
    """Let nothing cut off the closing of the stores, which waits for the embedded server to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _unwind(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
