"""Where drafts go that are stored later than they were closed: their names may be others' by then."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.drafts import Draft, Drafts
from konifer_fs.vfs.names import conflict_name


class Latecomers:
    """Looks for rivals of drafts, and finds them other names. The caller holds the draft's lock.

    `on_made` is called, from any thread, when directories were made that nobody asked for.
    """

    def __init__(self, metadata: MetadataStore, drafts: Drafts) -> None:
        self.on_made: Callable[[], None] = lambda: None
        self._metadata = metadata
        self._drafts = drafts

    def find_stored(self, draft: Draft) -> Directory | Entry | Symlink | None:
        """Give what has the draft's name in the store, where its directory is now; a removed one is made again."""
        found = self._metadata.refresh(draft.directory)
        if not isinstance(found, Directory):
            found = self._metadata.find_directory(draft.directory.path)  # Another draft may have had it made.
        if found is None:
            found = self._metadata.make_directories(draft.directory.path)
            self.on_made()
        self._drafts.readdress(draft, found, draft.name or "", draft.id)
        return self._metadata.find_child(found, draft.name or "")

    def step_aside(self, draft: Draft, rival: Directory | Entry | Symlink | Draft) -> None:
        """Give a draft another name and number, beside what has its own; when that fails nothing is changed.

        What was acknowledged is then stored without a name, unless it is an entry that has it.
        """
        beside = self._find_name_beside(draft.directory, draft.name or "")
        (number,) = self._metadata.reserve_ids(1)
        self._drafts.readdress(draft, draft.directory, beside, number)
        draft.is_nameless = draft.is_acknowledged and isinstance(rival, Directory | Symlink)
        draft.base = None

    def _find_name_beside(self, directory: Directory, name: str) -> str:
        """Give a name that nothing has: of now, or of a second later."""
        now = datetime.now(UTC)
        while True:
            beside = conflict_name(name, socket.gethostname(), now)
            if not (self._drafts.find(directory, beside) or self._metadata.find_child(directory, beside)):
                return beside
            now += timedelta(seconds=1)
