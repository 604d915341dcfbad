"""Bringing back the drafts that an earlier mount left in the spool, where their directories are now."""

import logging
from uuid import UUID

from konifer_fs.domain.node import Entry
from konifer_fs.spool import Kept, Spool
from konifer_fs.vfs.bases import Bases
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.draft_records import from_record
from konifer_fs.vfs.drafts import Draft, Drafts, DraftState
from konifer_fs.vfs.latecomers import Latecomers
from konifer_fs.vfs.waiting import Waiting

log = logging.getLogger(__name__)


class Restoring:
    """Brings drafts back before anything else uses them."""

    def __init__(
        self, spool: Spool, drafts: Drafts, commits: Commits, waiting: Waiting, latecomers: Latecomers, bases: Bases
    ) -> None:
        self._spool = spool
        self._drafts = drafts
        self._commits = commits
        self._waiting = waiting
        self._latecomers = latecomers
        self._bases = bases

    def restore(self) -> None:
        """Bring back all that has bytes, or whose bytes were promised; what turns out to be stored is let go of.

        A directory that was removed meanwhile is made again. Where something else has the name by now, the draft shows
        beside it, but an incomplete one lies over an entry as it did before.
        """
        for kept in self._spool.load():
            draft = from_record(kept.file, kept.record)
            if draft.state is DraftState.WRITING and kept.file.size == 0 and not draft.is_acknowledged:
                kept.file.discard()
            else:
                self._restore(draft, kept)

    def _restore(self, draft: Draft, kept: Kept) -> None:
        before = draft.state, draft.name
        if (base := kept.record["base"]) is not None:
            self._bases.follow(draft, UUID(base))
        stored = self._latecomers.find_stored(draft)
        if isinstance(stored, Entry) and draft.attempt and stored.asset_id == draft.attempt.asset_id:
            log.info("%s was stored before its mount ended", draft.name)
            draft.file.discard()
            return
        self._settle_state(draft, kept)
        rival = self._drafts.find(draft.directory, draft.name or "") or stored
        if isinstance(rival, Entry) and not _is_late(draft, rival, kept):
            draft.base = rival
        elif rival is not None:
            self._latecomers.step_aside(draft, rival)
        self._drafts.add(draft)
        if (draft.state, draft.name) != before:
            self._commits.save(draft)
        if draft.state is DraftState.PENDING:
            self._waiting.add(draft)

    def _settle_state(self, draft: Draft, kept: Kept) -> None:
        """Let what was being written be what its bytes are.

        Where they are in doubt, or an entry was being changed in place, only another close stores them.
        """
        if draft.state is DraftState.WRITING:
            draft.state = self._commits.judge(draft, is_doubtful=draft.holds_base or not kept.is_certain)
        if draft.state is DraftState.LOCAL:
            draft.file.charge_to(self._spool.local, anyway=True)


def _is_late(draft: Draft, found: Entry, kept: Kept) -> bool:
    """Whether a whole image finds another entry than it began from."""
    return draft.state is DraftState.PENDING and str(found.asset_id) != kept.record["base"]
