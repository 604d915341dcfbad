"""What a mount does by itself: reaping objects whose rows are gone, sweeping, telling which variants are used.

Run by `serve` beside the file system; not on a read-only mount. A round that fails is logged and tried again.
"""

import logging
from collections.abc import Callable
from typing import Final

import trio

from konifer_fs.domain.errors import KoniferFsError

log = logging.getLogger(__name__)

REAP_SECONDS: Final = 5.0
SWEEP_SECONDS: Final = 60.0
CATCH_UP_SECONDS: Final = 10.0
AFTER_FAILURE_SECONDS: Final = 30.0


async def repeat(work: Callable[[], object], seconds: float) -> None:
    """Do `work` in a thread, now and `seconds` after it ended, or some more when it failed."""
    while True:
        done = await _attempt(work)
        await trio.sleep(seconds if done else max(seconds, AFTER_FAILURE_SECONDS))


async def _attempt(work: Callable[[], object]) -> bool:
    try:
        # At the end of the mount a round that waits for a store is left alone: all it does can be cut off anywhere.
        await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except KoniferFsError as error:
        log.warning("%s", error)
    except Exception:
        log.exception("a background task failed")
    else:
        return True
    return False
