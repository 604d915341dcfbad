"""The entries that drafts lie over: others rename and remove them meanwhile, and a rename puts a draft over another.

A draft and its entry are one file with one number. Used by `tree`, which finds entries, and by `moves`.
"""

import logging
from typing import Final
from uuid import UUID

from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import MovedOn, NameTaken, StoreUnreachable
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.drafts import Draft, Drafts

log = logging.getLogger(__name__)

_PATIENCE: Final = 1.0


class Bases:
    """Keeps drafts and their entries together. Thread-safe; who names a draft to it holds its lock."""

    def __init__(self, metadata: MetadataStore, drafts: Drafts) -> None:
        self._metadata = metadata
        self._drafts = drafts

    def followed(self, found: Entry) -> Entry | Draft:
        """Give what an entry is that was found under its name: the draft over it, which has the name from now on.

        It is the entry while another stores the draft, which may take long; who asks holds no draft's lock.
        """
        draft = self._drafts.find_by_id(found.id)
        if draft is None or not draft.lock.acquire(timeout=_PATIENCE):
            return found
        try:
            return draft if self._drafts.holds(draft) and self.find_out(draft) and draft.base else found
        finally:
            draft.lock.release()

    def find_out(self, draft: Draft) -> bool:
        """Find out whether the entry below a draft is elsewhere, where the draft follows, or gone; gives whether so."""
        base = draft.base
        if base is None or draft.name is None:
            return False
        now = self._metadata.refresh(base)
        if not isinstance(now, Entry):
            draft.base = None
            return True
        if now.name is None or (now.path, now.name) == (draft.directory.path, draft.name):
            return False
        return self._follow(draft, base, now)

    def follow(self, draft: Draft, asset_id: UUID) -> None:
        """Let a draft that is brought back follow the entry that it lay over: its last rename may be in no record."""
        now = self._metadata.find_asset(asset_id)
        if now is not None and now.name is not None:
            self._follow(draft, now, now)

    def _follow(self, draft: Draft, base: Entry, now: Entry) -> bool:
        directory = self._metadata.refresh(Directory(id=0, path=now.path, made=False))
        if not isinstance(directory, Directory):
            return False
        try:
            self._drafts.readdress(draft, directory, now.name or "", draft.id)
        except NameTaken:
            return False
        draft.base = base._replace(path=now.path, name=now.name)
        return True

    def describe(self, draft: Draft) -> None:
        """Let the entry say what its draft does; raises what `MetadataStore.edit_annotations` raises."""
        if draft.base is not None and draft.edit != AnnotationEdit():
            self._metadata.edit_annotations(draft.base, draft.edit)
            draft.edit = AnnotationEdit()

    def renumber(self, draft: Draft) -> None:
        """Let the entry that a draft was renamed over have its number: who has that open has another file open now."""
        if draft.base is None:
            return
        try:
            draft.base = self._metadata.renumber(draft.base, draft.id)
        except MovedOn:
            draft.base = None
        except StoreUnreachable as error:
            log.warning("%s keeps the number of what it was renamed over: %s", draft.name, error)
