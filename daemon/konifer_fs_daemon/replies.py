"""What a running mount answers on its control socket; drafts, of which there may be many, are gone over in threads."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec

import trio

from konifer_fs.domain.errors import KoniferFsError, MovedOn, NoSuchName
from konifer_fs.vfs.evicting import Evicted
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.wiring import Wired
from konifer_fs_daemon.control import Command, Message, Tell
from konifer_fs_daemon.draining import Drained, drain
from konifer_fs_daemon.reports import (
    list_drafts,
    report_drafts,
    report_operations,
    report_process,
    report_spool,
)

if TYPE_CHECKING:
    from konifer_fs_daemon.mount import MountRequest

P = ParamSpec("P")

_TELL_SECONDS: Final = 0.2


def replies(request: "MountRequest", wired: Wired) -> Mapping[str, Command]:
    """Give the commands of a mount that has just started."""
    started = time.monotonic()

    async def tell_status(_: Message, tell: Tell) -> None:
        await tell(
            {
                "mountpoint": str(request.mountpoint),
                **report_process(started, time.monotonic()),
                "read_only": request.options.read_only,
                "subpath": request.subpath.konifer,
                **wired.places,
                "joined": wired.joined,
                "drafts": await trio.to_thread.run_sync(report_drafts, wired.filesystem),
                "spool": report_spool(wired.spool),
                "renderings": wired.filesystem.renderings,
                "operations": report_operations(wired.filesystem.journal),
                "drain_seconds": request.config.filesystem.drain,
                "log": str(request.log_file) if request.log_file else None,
            }
        )

    async def tell_drain(_: Message, tell: Tell) -> None:
        await _drain(wired.filesystem, tell)

    async def tell_drafts(_: Message, tell: Tell) -> None:
        await tell({"drafts": await trio.to_thread.run_sync(list_drafts, wired.filesystem)})

    async def drop_draft(asked: Message, tell: Tell) -> None:
        try:
            await trio.to_thread.run_sync(wired.filesystem.drop_draft, str(asked.get("name")))
        except KoniferFsError as error:
            await tell({"error": str(error)})
        else:
            await tell({"dropped": True})

    async def evict(asked: Message, tell: Tell) -> None:
        await _evict(wired.filesystem, str(asked.get("name")), tell)

    return {"status": tell_status, "drain": tell_drain, "drafts": tell_drafts, "drop": drop_draft, "evict": evict}


async def _drain(filesystem: FileSystem, tell: Tell) -> None:
    drained = Drained()

    def how_far() -> Message:
        return {"total": drained.total, "done": drained.done - len(drained.left), "why": drained.why}

    await _tell_while(tell, how_far, drain, filesystem, drained)
    await tell({**how_far(), "left": drained.left})


async def _evict(filesystem: FileSystem, name: str, tell: Tell) -> None:
    evicted = Evicted()

    def how_far() -> Message:
        return {"total": evicted.total, "done": evicted.done}

    try:
        await _tell_while(tell, how_far, filesystem.evict, name, evicted)
    except (NoSuchName, MovedOn) as error:
        await tell({"error": f"it is not there: {error}"})
    except KoniferFsError as error:
        await tell({"error": str(error)})
    else:
        await tell({**how_far(), "freed": evicted.freed})


async def _tell_while(
    tell: Tell, progress: Callable[[], Message], work: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Do `work` in a thread, and tell how far it is meanwhile; raises the KoniferFsError that it raises."""
    done = trio.Event()

    async def tell_progress() -> None:
        while not done.is_set():
            await tell(progress())
            with trio.move_on_after(_TELL_SECONDS):
                await done.wait()

    failure: KoniferFsError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_progress)
        try:
            await trio.to_thread.run_sync(partial(work, *args, **kwargs))
        except KoniferFsError as error:
            failure = error
        finally:
            done.set()
    if failure is not None:
        raise failure
