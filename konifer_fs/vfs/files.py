"""Opening, reading and writing files. All handles on one file of this mount share one draft.

An opened entry reads its object; the first change starts a draft from the entry's bytes and turns every handle on that
file over to it. Thread-safe: drafts lock themselves.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NoReturn

from konifer_fs.domain.errors import (
    ContentTooLarge,
    KoniferFsError,
    MovedOn,
    NameTaken,
    NotWhole,
    WrongMediumType,
)
from konifer_fs.domain.formats import can_begin_image
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.domain.path import check_name
from konifer_fs.ports import MetadataStore
from konifer_fs.spool import Spool
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft, Drafts, DraftState
from konifer_fs.vfs.names import may_be_local
from konifer_fs.vfs.numbers import Numbers
from konifer_fs.vfs.opened import Opened, OpenFile
from konifer_fs.vfs.settings import Settings
from konifer_fs.vfs.shadows import Shadows
from konifer_fs.workflows.fetch_content import Contents

log = logging.getLogger(__name__)

_LONGEST_MAGIC: Final = 32


class Files:
    """The files of a mount that are open or being written.

    `on_stored` is told of an entry that was recorded here once its last handle is closed; it must not block.
    """

    def __init__(
        self,
        metadata: MetadataStore,
        contents: Contents,
        spool: Spool,
        drafts: Drafts,
        commits: Commits,
        settings: Settings,
        on_stored: Callable[[Entry], None],
    ) -> None:
        self._on_stored = on_stored
        self._metadata = metadata
        self._contents = contents
        self._spool = spool
        self._drafts = drafts
        self._commits = commits
        self._settings = settings
        self._numbers = Numbers(metadata)
        self.opened: Final = Opened()
        self._shadows = Shadows(metadata, contents, spool, drafts, settings.defaults)

    # Opening and closing.
    def create(self, directory: Directory, name: str, ownership: Ownership) -> tuple[Draft, OpenFile]:
        """Make a new, empty draft and open it for writing, under a name that the stored tree is known not to have.

        Raises:
            NameTaken: another draft has it.
            NameReserved, NameTooLong, NameNotText: no file can be called so.
        """
        check_name(name)
        if not directory.made:
            directory = self._metadata.make_directories(directory.path)
        now_ns = time.time_ns()
        draft = Draft(
            id=self._numbers.take(), directory=directory, name=name, file=self._spool.create(), named_ns=now_ns,
            ownership=replace(ownership, mtime_ns=now_ns, ctime_ns=now_ns),
        )  # fmt: skip
        try:
            self._drafts.add(draft)
        except NameTaken:
            draft.file.discard()
            raise
        opened = OpenFile(entry=None, writable=True)
        opened.changed = True
        with draft.lock:
            self.opened.attach(opened, draft)
        return draft, opened

    def is_ready_to_create(self, directory: Directory) -> bool:
        """Whether `create` will not have to ask the metadata store for anything."""
        return directory.made and self._numbers.is_ready

    def open(self, node: Entry | Draft, *, writable: bool, truncate: bool) -> OpenFile:
        """Open a file; to truncate it, also when it was replaced elsewhere: the bytes that were there do not matter.

        Raises:
            MovedOn: another entry has the name by now, or none; the caller looks it up again.
            ObjectMissing, ContentUnreadable: the content is not there.
        """
        draft = node if isinstance(node, Draft) else self._drafts.find_by_id(node.id)
        if draft is None and isinstance(node, Entry):
            return self._open_entry(node, writable=writable, truncate=truncate)
        assert draft is not None  # noqa: S101 (for the type checker)
        try:
            return self._open_draft(draft, writable=writable, truncate=truncate)
        except MovedOn:
            if not truncate or draft.base is None:
                raise
        return self._open_entry(draft.base, writable=writable, truncate=truncate)

    def _open_entry(self, entry: Entry, *, writable: bool, truncate: bool) -> OpenFile:
        current = self._metadata.refresh(entry)
        if not isinstance(current, Entry) or (current.asset_id != entry.asset_id and not truncate):
            raise MovedOn
        opened = OpenFile(entry=current, writable=writable)
        if truncate:
            self._begin(opened, truncate=True)
            return opened
        opened.content = self._contents.acquire_original(current)
        self.opened.add(opened)
        if begun_meanwhile := self._drafts.find_by_id(entry.id):
            with begun_meanwhile.lock:
                if self._drafts.holds(begun_meanwhile):
                    self.opened.attach(opened, begun_meanwhile)
        return opened

    def _open_draft(self, draft: Draft, *, writable: bool, truncate: bool) -> OpenFile:
        opened = OpenFile(entry=draft.base, writable=writable)
        if not truncate:
            draft.awaited_by.add(opened)
        with draft.lock:
            draft.awaited_by.discard(opened)
            try:
                if not self._drafts.holds(draft) or self._gave_way(draft):
                    raise MovedOn
                if truncate:
                    self._truncate_for(opened, draft)
                self.opened.attach(opened, draft)
            except KoniferFsError:
                if self._drafts.holds(draft):
                    self.settle(draft)
                raise
        return opened

    def _gave_way(self, draft: Draft) -> bool:
        """Let go of a stored draft that only readers keep if its entry was replaced elsewhere; tells whether it was."""
        if draft.base is None or draft.writers or not draft.is_stored:
            return False
        now = self._metadata.refresh(draft.base)
        if isinstance(now, Entry) and now.asset_id == draft.base.asset_id:
            return False
        self._drafts.discard(draft)
        return True

    def _truncate_for(self, opened: OpenFile, draft: Draft) -> None:
        with draft.file.opened():
            self._truncate(draft, 0)
        opened.changed = True

    def release(self, opened: OpenFile) -> None:
        """Close a handle: what no flush has seen is committed, a refused or unlinked draft goes with the last one."""
        self._release(opened, patient=True)

    def release_now(self, opened: OpenFile) -> bool:
        """Do what `release` does unless it would have to wait for something; gives whether it did."""
        return self._release(opened, patient=False)

    def _release(self, opened: OpenFile, *, patient: bool) -> bool:
        draft = self.opened.close_unless_drafted(opened)
        if draft is None:
            self._release_content(opened)
            return True
        if not draft.lock.acquire(blocking=patient):
            return False
        try:
            if opened.changed and draft.refusal is None and draft.tried_version != draft.version:
                if not patient:
                    return False
                self._commit_late(draft)
            self._detach(opened, draft)
        finally:
            draft.lock.release()
        return True

    def _commit_late(self, draft: Draft) -> None:
        try:
            self._commits.commit(draft)
        except KoniferFsError as error:
            log.warning("%s: what was written after the last flush is not stored: %s", draft.name, error)

    def _detach(self, opened: OpenFile, draft: Draft) -> None:
        self.opened.detach(opened, draft)
        self._release_content(opened)
        self.settle(draft)

    def _release_content(self, opened: OpenFile) -> None:
        if opened.content is not None:
            self._contents.release(opened.content)

    def _hide_refused(self, draft: Draft) -> None:
        """Let nobody who has not opened a refused draft see it any more."""
        if draft.state is DraftState.REFUSED:
            self._drafts.hide(draft)

    def settle(self, draft: Draft) -> None:
        """Let go of a draft that nothing needs any more; the caller holds its lock."""
        if draft.name is None:
            self._commits.let_go(draft)
        if draft.handles == 0:
            is_over = draft.state is DraftState.REFUSED or draft.name is None
            if is_over or (draft.state is DraftState.STORED and not draft.awaited_by):
                self._drafts.discard(draft)
                if draft.recorded is not None and draft.base is not None and draft.name is not None:
                    self._on_stored(draft.base)
            else:
                draft.file.close()
        else:
            self._hide_refused(draft)

    # Reading and writing.
    def read(self, opened: OpenFile, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`; fewer only at the end."""
        if opened.draft is not None:
            return opened.draft.file.pread(length, offset)
        if opened.content is None:
            raise MovedOn
        content = self._contents.pread(opened.content, length, offset)
        opened.bytes_read += len(content)
        return content

    def is_at_hand(self, opened: OpenFile, length: int, offset: int) -> bool:
        """Whether reading will not have to fetch anything first."""
        if opened.draft is not None or opened.content is None:
            return opened.draft is not None
        return self._contents.is_here(opened.content, length, offset)

    def fetch_ahead(self, entries: Sequence[Entry]) -> None:
        """Have the contents of entries here before they are read, where that is of use; does not wait."""
        for entry in entries:
            self._contents.fetch_ahead(entry)

    def write(self, opened: OpenFile, content: bytes, offset: int) -> int:
        """Write all of `content` at `offset`; gives its length.

        Raises:
            WrongMediumType: at offset 0, bytes that cannot begin an image of a supported type.
            ContentTooLarge, SpoolFull: it would go over a limit; nothing was changed.
        """
        draft = self.draft_for(opened)
        with draft.lock:
            return self._write(opened, draft, content, offset)

    def write_now(self, opened: OpenFile, content: bytes, offset: int) -> int | None:
        """Do what `write` does, or give None when that would have to wait for something."""
        draft = opened.draft
        if draft is None or not draft.lock.acquire(blocking=False):
            return None
        try:
            if self._commits.will_sync(draft):
                return None
            return self._write(opened, draft, content, offset)
        finally:
            draft.lock.release()

    def truncate(self, opened: OpenFile, size: int) -> bool:
        """Cut or lengthen an open file; gives whether it had another size, else it is as it was."""
        if opened.draft is None and opened.entry and opened.entry.size == size:
            return False
        draft = self.draft_for(opened)
        with draft.lock:
            if draft.refusal is not None:
                raise draft.refusal
            if size == draft.file.size:
                return False
            self._check_size(draft, size)
            self._truncate(draft, size)
            opened.changed = True
            return True

    def truncate_by_path(self, node: Entry | Draft, size: int) -> bool:
        """Do what `truncate(2)` does: the result is committed. Its failure is this call's, but the size is another."""
        opened = self.open(node, writable=True, truncate=size == 0)
        try:
            is_changed = not size or self.truncate(opened, size)
            self.flush(opened)
            return is_changed
        finally:
            self.release(opened)

    def flush(self, opened: OpenFile) -> None:
        """Commit what this handle changed since its last good flush; raises what `Commits.commit` raises."""
        draft = opened.draft
        if draft is not None and opened.changed:
            with draft.lock:
                try:
                    self._commits.commit(draft)
                finally:
                    self._hide_refused(draft)
                opened.changed = False

    def sync(self, opened: OpenFile) -> None:
        """Do what `flush` does, but be content with the spool for an image that is not whole yet."""
        try:
            self.flush(opened)
        except NotWhole as error:
            log.debug("synced as an incomplete draft: %s", error)

    # Drafts of existing entries.
    def draft_for(self, opened: OpenFile) -> Draft:
        """Give the draft that a handle is on, after beginning one if it is on none; of what is gone it has no name."""
        return opened.draft or self._begin(opened, truncate=False)

    def _begin(self, opened: OpenFile, *, truncate: bool) -> Draft:
        """Start a draft over an entry, from its bytes or empty, for this handle and all that are on these bytes.

        One that somebody else has begun, and let go of meanwhile, is begun again.
        """
        entry = opened.entry
        if entry is None:
            raise MovedOn
        while True:
            draft = self._shadows.begin(entry, copy=not truncate)
            with draft.lock:
                if not self._drafts.holds(draft) or (truncate and self._gave_way(draft)):
                    continue
                if opened.draft not in {None, draft}:  # Somebody has turned the handle over to his meanwhile.
                    self.settle(draft)
                    return opened.draft
                try:
                    if truncate:
                        self._truncate_for(opened, draft)
                    self.opened.attach(opened, draft)
                except BaseException:
                    self._take_back(draft)
                    raise
                self.opened.attach_all_on(entry, draft)
                draft.described = opened.described
                return draft

    def _take_back(self, draft: Draft) -> None:
        """Let go of a draft that was begun for nothing: the entry is seen again."""
        if draft.handles == 0 and draft.version == 1 and draft.state in {DraftState.WRITING, DraftState.STORED}:
            self._drafts.discard(draft)

    # Changing a draft's bytes; the caller holds its lock.
    def _write(self, opened: OpenFile, draft: Draft, content: bytes, offset: int) -> int:
        if draft.refusal is not None:
            raise draft.refusal
        if offset == 0 and not can_begin_image(content[:_LONGEST_MAGIC]):
            self._admit_no_image(draft)
        self._check_size(draft, offset + len(content))
        self._commits.begin_change(draft)
        draft.file.pwrite(content, offset)
        draft.touch(time.time_ns())
        opened.changed = True
        return len(content)

    def _truncate(self, draft: Draft, size: int) -> None:
        self._commits.begin_change(draft)
        draft.file.truncate(size)
        draft.holds_base = draft.holds_base and size > 0
        draft.touch(time.time_ns())

    def _admit_no_image(self, draft: Draft) -> None:
        if draft.name is None:
            return
        if may_be_local(draft.name, draft.directory.path):
            draft.file.charge_to(self._spool.local)
        else:
            self._refuse(draft, WrongMediumType("it does not begin like an image"))

    def _check_size(self, draft: Draft, size: int) -> None:
        limit = self._settings.max_upload_bytes
        if size > limit and draft.name is not None and not may_be_local(draft.name, draft.directory.path):
            self._refuse(draft, ContentTooLarge(f"at most {limit} bytes"))

    def _refuse(self, draft: Draft, reason: KoniferFsError) -> NoReturn:
        self._commits.refuse(draft, reason)
        self._hide_refused(draft)
        raise reason
