"""What a running mount answers on its control socket."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import trio

from konifer_fs.domain.errors import KoniferFsError
from konifer_fs.wiring import Wired
from konifer_fs_daemon.control import Command, Message, Tell
from konifer_fs_daemon.draining import Drained, drain
from konifer_fs_daemon.reports import list_drafts, report_drafts, report_process, report_spool

if TYPE_CHECKING:
    from konifer_fs_daemon.mount import MountRequest

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
                "drafts": report_drafts(wired.filesystem),
                "spool": report_spool(wired.spool),
                "renderings": wired.filesystem.renderings,
                "drain_seconds": request.config.filesystem.drain,
                "log": str(request.log_file) if request.log_file else None,
            }
        )

    async def tell_drain(_: Message, tell: Tell) -> None:
        drained = Drained()

        async def tell_progress() -> None:
            while True:
                await tell({"total": drained.total, "done": drained.done})
                await trio.sleep(_TELL_SECONDS)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell_progress)
            await trio.to_thread.run_sync(drain, wired.filesystem, drained)
            nursery.cancel_scope.cancel()
        await tell({"total": drained.total, "done": drained.done, "left": drained.left})

    async def tell_drafts(_: Message, tell: Tell) -> None:
        await tell({"drafts": list_drafts(wired.filesystem)})

    async def drop_draft(asked: Message, tell: Tell) -> None:
        try:
            await trio.to_thread.run_sync(wired.filesystem.drop_draft, str(asked.get("name")))
        except KoniferFsError as error:
            await tell({"error": str(error)})
        else:
            await tell({"dropped": True})

    return {"status": tell_status, "drain": tell_drain, "drafts": tell_drafts, "drop": drop_draft}
