"""Storing pending drafts: those that a close could not store, and those that it left to be stored later."""

import logging
import threading
from typing import Final

from konifer_fs.domain.errors import KoniferFsError, NameTaken, StoreRefused
from konifer_fs.domain.node import Entry
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft, Drafts, DraftState
from konifer_fs.vfs.files import Files
from konifer_fs.vfs.latecomers import Latecomers
from konifer_fs.vfs.waiting import Waiting

log = logging.getLogger(__name__)

THREADS: Final = 4


class Retries:
    """Tries drafts when they are due, in threads of its own. Thread-safe."""

    def __init__(
        self, commits: Commits, files: Files, drafts: Drafts, waiting: Waiting, latecomers: Latecomers
    ) -> None:
        self._commits = commits
        self._files = files
        self._drafts = drafts
        self._waiting = waiting
        self._latecomers = latecomers

    def start(self) -> None:
        """Begin to try what waits."""
        for number in range(THREADS):
            # A daemon thread: at the end what waits for a store is left alone, for it can be cut off anywhere.
            threading.Thread(target=self._run, name=f"retry-{number}", daemon=True).start()

    def close(self) -> None:
        """Begin no other try; the spool keeps what is pending."""
        self._waiting.close()

    def hurry(self) -> None:
        """Try all that is pending now."""
        self._waiting.hurry()

    def commit(self, draft: Draft) -> KoniferFsError | None:
        """Try to store a pending draft; gives why it is still pending, or None."""
        with draft.lock:
            if draft.name is None or not self._drafts.holds(draft):
                return None
            if draft.state is DraftState.STORED:  # By a commit of which that was learned later.
                self._files.settle(draft)
            if draft.state is not DraftState.PENDING:
                return None
            try:
                self._make_way(draft)
            except KoniferFsError as error:
                self._commits.postpone(draft, error)
                return error
            try:
                self._commits.commit(draft)
            except KoniferFsError as error:
                return error
            finally:
                self._files.settle(draft)
        return None

    def _make_way(self, draft: Draft) -> None:
        """Let a draft step aside for what has come to have its name; not while it is open, for its number changes."""
        stored = self._latecomers.find_stored(draft)
        if stored is None or (isinstance(stored, Entry) and stored.asset_id in draft.assets):
            return
        if draft.handles:
            raise NameTaken("and the file is open")
        self._latecomers.step_aside(draft, stored)

    def _run(self) -> None:
        while (draft := self._waiting.take()) is not None:
            try:
                if error := self.commit(draft):
                    log.warning("%s is not stored yet: %s", draft.name, error)
            except Exception:
                log.exception("storing %s failed", draft.name)
                self._waiting.add(draft, StoreRefused("konifer-fs itself failed: its log tells more"))
            finally:
                self._waiting.done(got_through=draft.state is DraftState.STORED)
