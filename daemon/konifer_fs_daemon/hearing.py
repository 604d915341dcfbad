"""Hearing what others change, for as long as a mount lives. Run by `serve` beside the file system."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from konifer_fs.domain.changes import Change
from konifer_fs.fuse.operations import Operations
from konifer_fs.ports.changes import ChangeFeed, Listener
from konifer_fs.vfs.latecomers import Latecomers

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 0.25


async def hear_changes(feed: ChangeFeed, operations: Operations, latecomers: Latecomers) -> None:
    """Let the mount believe what it has read while the feed tells of changes; it tells of none of ours."""
    token = trio.lowlevel.current_trio_token()

    def tell(changes: Sequence[Change] | None) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(operations.coherence.hear, changes)

    def tell_made() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(operations.coherence.doubt_all)

    latecomers.on_made = tell_made
    operations.kernel_caches.start()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_follow, feed, tell)
            while True:
                operations.coherence.check()
                await trio.sleep(_CHECK_SECONDS)
    finally:
        feed.close()
        operations.kernel_caches.close()


async def _follow(feed: ChangeFeed, tell: Listener) -> None:
    try:
        await trio.to_thread.run_sync(feed.follow, tell, abandon_on_cancel=True)
    except Exception:
        log.exception("the change feed ended: what is cached is asked for again each second")
