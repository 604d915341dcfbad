"""Having pending drafts stored before a mount goes: once each, since the stores answer now or they do not.

Run in a thread, by `umount`'s request and when the daemon is told to end. What cannot be stored stays in the spool.
"""

import logging
from dataclasses import dataclass, field
from typing import Final

from konifer_fs.domain.errors import StoreUnreachable
from konifer_fs.vfs.drafts import DraftState
from konifer_fs.vfs.filesystem import FileSystem

log = logging.getLogger(__name__)

_UNSETTLED: Final = {DraftState.WRITING, DraftState.PENDING}


@dataclass(slots=True, kw_only=True)
class Drained:
    """How far it has come; written by the thread that drains, read by the one that tells of it.

    `done` are those that were tried, `left` what is pending still, and `why` says what a store answered last.
    """

    total: int = 0
    done: int = 0
    left: list[str] = field(default_factory=list)
    why: str = ""


def drain(filesystem: FileSystem, drained: Drained) -> None:
    """Wait for commits that run, and try each pending draft until one finds a store out of reach."""
    unsettled = [draft for draft in filesystem.list_drafts() if draft.state in _UNSETTLED]
    drained.total = len(unsettled)
    unreachable = False
    for draft in unsettled:
        with draft.lock:
            pending = draft.state is DraftState.PENDING
            drained.why = draft.error or drained.why
        if pending and not unreachable and (error := filesystem.retries.commit(draft)):
            log.warning("%s is not stored: %s", filesystem.place_of(draft), error)
            unreachable, drained.why = isinstance(error, StoreUnreachable), str(error)
        if draft.state is DraftState.PENDING:
            drained.left.append(filesystem.place_of(draft))
        drained.done += 1
