"""Drafts over existing entries: begun from the entry's bytes, or empty when it was opened with O_TRUNC."""

import threading
from typing import Final

from konifer_fs.domain.errors import NameTaken
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.ports import MetadataStore
from konifer_fs.spool import Spool, SpoolFile
from konifer_fs.vfs.drafts import Draft, Drafts, DraftState
from konifer_fs.vfs.nodes import Defaults
from konifer_fs.workflows.fetch_content import Contents

_STRIPES: Final = 64


class Shadows:
    """Begins them, one for each entry. Thread-safe."""

    def __init__(
        self, metadata: MetadataStore, contents: Contents, spool: Spool, drafts: Drafts, defaults: Defaults
    ) -> None:
        self._metadata = metadata
        self._contents = contents
        self._spool = spool
        self._drafts = drafts
        self._defaults = defaults
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]

    def begin(self, entry: Entry, *, copy: bool) -> Draft:
        """Give the draft over an entry, making it when there is none; with `copy` it begins with the entry's bytes.

        That of an entry that is gone has no name.
        """
        with self._stripes[entry.id % _STRIPES]:
            existing = self._drafts.find_by_id(entry.id)
            if existing is not None:
                return existing
            current = self._metadata.refresh(entry)
            if isinstance(current, Entry):
                entry = entry._replace(path=current.path, name=current.name, ownership=current.ownership)
                directory = self._metadata.make_directories(entry.path)
                draft = self._add_named(entry, directory, copy=copy)
                if self._metadata.refresh(entry) is None:  # Who removed it meanwhile may have seen no draft yet.
                    self._drafts.rename(draft, directory, None)
                return draft
            return self._add(entry, Directory(id=0, path=entry.path, made=False), None, copy=copy)

    def _add_named(self, entry: Entry, directory: Directory, *, copy: bool) -> Draft:
        """Add it under the entry's name, or without one, as a replaced file, when another draft lies over that."""
        name = self._name(directory, entry)
        try:
            return self._add(entry, directory, name, copy=copy)
        except NameTaken:
            return self._add(entry, directory, None, copy=copy)

    def _add(self, entry: Entry, directory: Directory, name: str | None, *, copy: bool) -> Draft:
        draft = Draft(
            id=entry.id,
            directory=directory,
            name=name,
            file=self._spool.create(),
            base=entry,
            ownership=self._defaults.complete(entry),
        )
        try:
            if copy:
                self._copy_content(entry, draft.file)
                draft.holds_base = True
                draft.stored_version, draft.state = draft.version, DraftState.STORED
            self._drafts.add(draft)
        except BaseException:
            draft.file.discard()
            raise
        return draft

    def _name(self, directory: Directory, entry: Entry) -> str:
        if entry.name is not None:
            return entry.name
        taken = self._metadata.find_taken(directory, [entry.default_name])
        return entry.clashing_name if taken else entry.default_name

    def _copy_content(self, entry: Entry, target: SpoolFile) -> None:
        content = self._contents.acquire_original(entry)
        try:
            source = self._contents.fetch(content)
            target.fill_from(source.fileno(), content.size)
        finally:
            self._contents.release(content)
