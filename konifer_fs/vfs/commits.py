"""Committing: what becomes of a draft when a handle that changed it is closed or synced.

A draft that is a whole supported image goes to both stores. Anything else is kept in the spool (incomplete, pending,
local) or refused; docs/SEMANTICS.md says which.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import (
    ContentTooLarge,
    ContentUnreadable,
    KoniferFsError,
    NameTaken,
    NotWhole,
    OutcomeUnknown,
    SpoolFull,
    StoreUnreachable,
    WrongMediumType,
)
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.domain.variant import Attributes
from konifer_fs.ports import ImageEngine, MetadataStore, NewEntry, ObjectStore
from konifer_fs.spool import Spool
from konifer_fs.vfs.draft_records import to_record
from konifer_fs.vfs.drafts import Draft, DraftState
from konifer_fs.vfs.names import may_be_local
from konifer_fs.vfs.settings import Settings
from konifer_fs.vfs.waiting import Waiting
from konifer_fs.workflows.leftovers import note_leftover
from konifer_fs.workflows.preprocess import Upload, preprocess
from konifer_fs.workflows.store_asset import Attempt, check_content, plan_attempt, store_asset

log = logging.getLogger(__name__)

_UNFIT: Final = WrongMediumType | ContentTooLarge | NotWhole | ContentUnreadable
_KEPT: Final = {DraftState.INCOMPLETE, DraftState.PENDING, DraftState.LOCAL}


class Commits:
    """Stores drafts, and keeps their records. Every method needs the caller to hold the draft's lock."""

    def __init__(
        self,
        metadata: MetadataStore,
        objects: ObjectStore,
        engine: ImageEngine,
        spool: Spool,
        settings: Settings,
        waiting: Waiting,
    ) -> None:
        self._metadata = metadata
        self._objects = objects
        self._engine = engine
        self._spool = spool
        self._settings = settings
        self._waiting = waiting

    def commit(self, draft: Draft) -> None:
        """Store a draft, unless it is stored already, unlinked, empty or a local file.

        Where the spool is durable enough, a whole image is left to be stored later; one that was left so is stored.
        What is pending stays so, whatever is raised.

        Raises:
            WrongMediumType, ContentTooLarge, NameTaken: it is refused, and goes with its last handle.
            NotWhole, ContentUnreadable: it stays as an incomplete draft.
            StoreUnreachable, StoreRefused, StoreFull: it stays as a pending draft.
            SpoolFull: there is no room for what preprocessing makes of it: it stays as a pending draft; or for a local
                file, which goes with its last handle.
        """
        if draft.refusal is not None:
            raise draft.refusal
        if draft.name is None or draft.is_stored:
            return
        draft.tried_version = draft.version
        self._find_again(draft)
        is_local = may_be_local(draft.name, draft.directory.path)
        if draft.file.size == 0:
            self._keep(draft, DraftState.LOCAL if is_local else DraftState.INCOMPLETE)
            return
        with ExitStack() as stack:
            try:
                upload = stack.enter_context(self.prepare(draft, draft.directory))
            except KoniferFsError as error:
                if is_local and isinstance(error, _UNFIT):
                    self._keep(draft, DraftState.LOCAL)
                    return
                self._turn_away(draft, error)
                raise
            self.store(draft, upload)

    @contextmanager
    def prepare(self, draft: Draft, directory: Directory) -> Iterator[Upload | None]:
        """Give what would be stored of a draft in `directory`, None where that is made later.

        Raises what `check_content` and `preprocess` raise, and changes nothing of the draft.
        """
        attributes = self.check(draft, directory)
        if self._settings.durable_in_spool and draft.state is not DraftState.PENDING:
            yield None
        else:
            rules = self._settings.rules.settings_for(directory.path)
            with preprocess(self._engine, self._spool, draft.file, attributes, rules) as upload:
                yield upload

    def store(self, draft: Draft, upload: Upload | None) -> None:
        """Store what was prepared of a draft, or keep it as a pending one; raises as `commit`."""
        if upload is not None:
            self._store(draft, upload)
        else:
            draft.is_acknowledged = True
            self._keep(draft, DraftState.PENDING)

    def promise(self, draft: Draft) -> None:
        """Let a draft that was prepared be stored from now on, now or later; raises SpoolFull."""
        draft.is_acknowledged = True
        draft.file.save(to_record(draft, DraftState.PENDING))

    def store_promised(self, draft: Draft, upload: Upload | None) -> None:
        """Store what was prepared of a promised draft; one that cannot be stored now is kept as a pending one."""
        draft.tried_version = draft.version
        try:
            self.store(draft, upload)
        except KoniferFsError as error:
            log.warning("%s is not stored yet: %s", draft.name, error)

    def postpone(self, draft: Draft, error: KoniferFsError) -> None:
        """Keep a draft as pending, to be tried again."""
        self._keep(draft, DraftState.PENDING, error)

    def refuse(self, draft: Draft, reason: KoniferFsError) -> None:
        """Let every later write and commit of the draft fail with `reason`."""
        draft.state, draft.refusal = DraftState.REFUSED, reason
        self.let_go(draft)

    def let_go(self, draft: Draft) -> None:
        """Let no later process bring the draft back, and have removed what an upload may have left of it."""
        self._abandon(draft)
        draft.file.record.forget()

    def begin_change(self, draft: Draft) -> None:
        """Write down that the bytes are going to change, before they do; raises SpoolFull.

        A local file needs a record, but none of each change: no bytes of it are stored before it is closed.
        """
        self._abandon(draft)
        is_known = draft.file.record.exists and draft.state in {DraftState.WRITING, DraftState.LOCAL}
        if not is_known and draft.name is not None and draft.refusal is None:
            draft.file.record.note(to_record(draft, DraftState.WRITING))

    def will_sync(self, draft: Draft) -> bool:
        """Whether `begin_change` would have to wait for the disk."""
        return draft.file.record.is_saved and draft.state is not DraftState.WRITING

    def save(self, draft: Draft) -> None:
        """Bring the draft's record up to date, after a change of anything but its bytes; raises SpoolFull."""
        if draft.state in _KEPT:
            draft.file.save(to_record(draft, draft.state))
        elif draft.file.record.exists:
            draft.file.record.note(to_record(draft, draft.state))

    def judge(self, draft: Draft, *, is_doubtful: bool) -> DraftState:
        """Tell by its content what a draft is that was being written when its process was killed.

        A doubtful one is not to be stored by itself. Of what is no whole image any more an upload is given up.
        """
        try:
            self.check(draft, draft.directory)
        except KoniferFsError:
            self._abandon(draft)
        else:
            if not is_doubtful:
                return DraftState.PENDING
        return DraftState.LOCAL if may_be_local(draft.name or "", draft.directory.path) else DraftState.INCOMPLETE

    def check(self, draft: Draft, directory: Directory) -> Attributes:
        """Look whether a draft could be stored in `directory`; raises what `check_content` raises."""
        settings = self._settings
        rules = settings.rules.settings_for(directory.path)
        return check_content(self._engine, draft.file.path, draft.file.size, rules, settings.max_upload_bytes)

    def _turn_away(self, draft: Draft, error: KoniferFsError) -> None:
        """Let a draft that cannot be stored as it is be refused, incomplete, or pending."""
        if draft.state is DraftState.PENDING or not isinstance(error, _UNFIT):
            self._keep(draft, DraftState.PENDING, error)
        elif isinstance(error, NotWhole | ContentUnreadable):
            self._keep(draft, DraftState.INCOMPLETE, error)
        else:
            self.refuse(draft, error)

    def _keep(self, draft: Draft, state: DraftState, error: KoniferFsError | None = None) -> None:
        try:
            draft.file.charge_to(self._spool.local if state is DraftState.LOCAL else self._spool.drafts)
        except SpoolFull as full:
            self.refuse(draft, full)
            raise
        draft.state, draft.error = state, str(error or "")
        if state is DraftState.PENDING:
            self._waiting.add(draft, error)
        self.save(draft)

    def _store(self, draft: Draft, upload: Upload) -> None:
        rules = self._settings.rules.settings_for(draft.directory.path)
        self._attempt(draft, plan_attempt(draft.attempt, upload, rules))
        try:
            self.learn(draft)
            if draft.is_stored:
                return
            entry = store_asset(self._metadata, self._objects, upload.path, self._new_entry(draft, upload))
        except KoniferFsError as error:
            if isinstance(error, OutcomeUnknown) and draft.attempt is not None:
                draft.in_doubt = draft.attempt.asset_id
            is_promised = draft.is_acknowledged or draft.state is DraftState.PENDING
            if isinstance(error, NameTaken) and not is_promised:
                draft.attempt = None
                self.refuse(draft, error)
            else:
                self._keep(draft, DraftState.PENDING, error)
            raise
        self._note_stored(draft, entry, is_faithful=upload.is_faithful)

    def learn(self, draft: Draft) -> None:
        """Find out what became of a commit that was not answered, before anything else is done with its draft.

        One that was stored is let go of by the next retry, which comes at once. Raises StoreUnreachable.
        """
        if draft.in_doubt is None:
            return
        entry = self._metadata.find_outcome(draft.in_doubt)
        is_of_these_bytes = draft.attempt is not None and draft.attempt.asset_id == draft.in_doubt
        draft.in_doubt = None
        if entry is not None and is_of_these_bytes:
            self._note_stored(draft, entry, is_faithful=False)
            self._waiting.add(draft)
        elif entry is not None:
            draft.base, draft.recorded = entry, entry.asset_id

    @staticmethod
    def _note_stored(draft: Draft, entry: Entry, *, is_faithful: bool) -> None:
        draft.base, draft.recorded = entry, entry.asset_id
        draft.stored_version, draft.state = draft.version, DraftState.STORED
        draft.is_faithful, draft.holds_base, draft.is_acknowledged = is_faithful, True, False
        draft.edit, draft.attempt, draft.error = AnnotationEdit(), None, ""
        draft.file.record.forget()

    def _find_again(self, draft: Draft) -> None:
        """Find out where the draft's directory is, if others may have renamed it: other rules may hold there."""
        if draft.may_be_elsewhere:
            try:
                now = self._metadata.refresh(draft.directory)
            except StoreUnreachable:
                return  # It will be pending, and looked for before it is stored.
            draft.may_be_elsewhere = False
            if isinstance(now, Directory):
                draft.directory = now

    def _attempt(self, draft: Draft, attempt: Attempt) -> None:
        """Write down what is going to be uploaded: a later process finds out by it whether that was recorded."""
        if attempt != draft.attempt:
            self._abandon(draft)
            draft.attempt = attempt
            self.save(draft)

    def _abandon(self, draft: Draft) -> None:
        """Give an upload up: its object is removed later, unless it was recorded after all."""
        if draft.attempt is not None:
            note_leftover(self._spool, draft.attempt)
            draft.attempt = None

    def _new_entry(self, draft: Draft, upload: Upload) -> NewEntry:
        attempt = draft.attempt
        assert attempt is not None  # noqa: S101 (for the type checker)
        return NewEntry(
            directory=draft.directory,
            name=None if draft.is_nameless else draft.name,
            node_id=draft.id,
            asset_id=attempt.asset_id,
            original=attempt.original,
            attributes=upload.attributes,
            lqip=upload.lqip,
            size=upload.content.size,
            sha256=upload.content.sha256,
            received=None if upload.is_faithful else upload.received,
            ownership=draft.ownership,
            edit=draft.edit,
            replaces=draft.recorded,
            keep=self._settings.keep,
            over=draft.assets if draft.state is DraftState.PENDING else None,
            named_ns=draft.named_ns,
        )
