"""Drafts: files being written, and files that are not stored yet or never will be.

A draft is on this mount only. Its bytes are a spool file; its name, ownership and pending annotations are here, and
in the record beside the bytes (`draft_records`). Whoever changes a draft's bytes, name or state holds its `lock`; the
index of names has a lock of its own, which is never held while waiting for another.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from uuid import UUID

from konifer_fs.domain.asset import AnnotationEdit, Annotations
from konifer_fs.domain.errors import KoniferFsError, NameTaken
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.domain.path import AssetPath, encode_name
from konifer_fs.spool import SpoolFile
from konifer_fs.vfs.by_directory import ByDirectory
from konifer_fs.workflows.store_asset import Attempt

Renamed = tuple[AssetPath, AssetPath]


class DraftState(Enum):
    """What has become of a draft; the value is what `user.konifer.state` shows."""

    WRITING = "writing"
    STORED = "ready"
    INCOMPLETE = "incomplete"
    PENDING = "pending"
    LOCAL = "local"
    REFUSED = "refused"


class Draft:
    """One file being written.

    `base` is the entry it began from or became by its last commit, which it shadows; `recorded` is the asset that this
    opening has committed. `version` counts changes of the bytes; `stored_version` is the one both stores have,
    `tried_version` the last one that a commit looked at. `is_faithful` is whether the stored bytes are the draft's own,
    and not what preprocessing made of them. `name` is None once the file is unlinked. `attempt` is an upload whose
    outcome is not known, `error` says why the last of `failures` tries to store it failed. `since_ns` is when the draft
    was begun. `is_acknowledged` is whether a close has promised that these bytes will be stored, `is_nameless` whether
    they are to be without a name, since that is another's. `in_doubt` is an asset that it may have been recorded as,
    though no answer came. `holds_base` is whether some bytes may be those of `base`; `described` is what was said of it
    when the file was about to lose its name here. `may_be_elsewhere` is whether the directory may have been renamed
    by others since it was read. `awaited_by` are those who wait for the lock to open it: they were told its size, so it
    stays for them when it is stored meanwhile.
    """

    def __init__(
        self,
        *,
        id: int,  # noqa: A002 (the domain's word for an inode number)
        directory: Directory,
        name: str | None,
        file: SpoolFile,
        ownership: Ownership,
        base: Entry | None = None,
        named_ns: int = 0,
    ) -> None:
        self.id = id
        self.directory = directory
        self.name = name
        self.file = file
        self.ownership = ownership
        self.base = base
        self.named_ns = named_ns
        self.state = DraftState.WRITING
        self.edit = AnnotationEdit()
        self.described: Annotations | None = None
        self.version = 1
        self.stored_version = 0
        self.tried_version = 0
        self.is_faithful = True
        self.holds_base = False
        self.may_be_elsewhere = False
        self.refusal: KoniferFsError | None = None
        self.attempt: Attempt | None = None
        self.in_doubt: UUID | None = None
        self.error = ""
        self.failures = 0
        self.is_acknowledged = False
        self.is_nameless = False
        self.since_ns = time.time_ns()
        self.recorded: UUID | None = None
        self.awaited_by: set[object] = set()
        self.handles = 0
        self.writers = 0
        self.lock = threading.Lock()

    @property
    def is_stored(self) -> bool:
        """Whether both stores have these bytes, or what preprocessing made of them."""
        return self.stored_version == self.version

    @property
    def assets(self) -> frozenset[UUID]:
        """The assets that a commit of it may replace: those that it began from, and that it was recorded as."""
        began = {self.base.asset_id} if self.base else set()
        attempted = {self.attempt.asset_id} if self.attempt else set()
        recorded = {self.recorded} if self.recorded else set()
        return frozenset(began | attempted | recorded)

    def note_change(self) -> None:
        """Note that something else than the bytes changed."""
        self.ownership = replace(self.ownership, ctime_ns=time.time_ns())

    def touch(self, now_ns: int) -> None:
        """Note that the bytes changed: times move, and set-id bits go."""
        owned = self.ownership
        mode = owned.mode
        if mode is not None and mode & 0o6000:
            mode &= ~0o4000 & (~0o2000 if mode & 0o010 else ~0)
        self.ownership = Ownership(mode=mode, uid=owned.uid, gid=owned.gid, mtime_ns=now_ns, ctime_ns=now_ns)
        self.version += 1
        self.is_acknowledged = False
        if self.state is not DraftState.REFUSED:
            self.state = DraftState.WRITING


class Drafts:
    """The drafts of this mount by name, and by id. Thread-safe; atomic where it says so."""

    def __init__(self) -> None:
        self._by_name: ByDirectory[Draft] = ByDirectory()
        self._by_id: dict[int, Draft] = {}
        self._renamed_ns: dict[int, int] = {}
        self._lock = threading.Lock()

    def renamed_ns(self, directory: Directory) -> int | None:
        """Give when a draft's name last came to or went from `directory`, in ns, if its row does not tell since."""
        renamed_ns = self._renamed_ns.get(directory.id, 0)
        return renamed_ns if renamed_ns > (directory.ownership.ctime_ns or 0) else None

    def find(self, directory: Directory, name: str) -> Draft | None:
        """Give the draft called `name` in `directory`."""
        return self._by_name.get((directory.id, name))

    def check_label_free(self, directory: Directory, name: str) -> None:
        """Raise NameTaken where a new directory `name` would take a draft's name, too: its label."""
        label = encode_name(name)
        if label != name and self.find(directory, label):
            raise NameTaken(f"{label}, as {name} is stored")

    def find_by_id(self, node_id: int) -> Draft | None:
        """Give the draft with this inode number, also one without a name that is still open."""
        return self._by_id.get(node_id)

    @property
    def are_there(self) -> bool:
        """Whether there is any draft."""
        return bool(self._by_id)

    def holds(self, draft: Draft) -> bool:
        """Whether nobody has let go of a draft: who has its lock may count on that until giving it back."""
        return self._by_id.get(draft.id) is draft

    def add(self, draft: Draft) -> None:
        """Add a draft under its name, if it has one, atomically; raises NameTaken when another has it."""
        with self._lock:
            if draft.name is not None:
                key = (draft.directory.id, draft.name)
                if key in self._by_name:
                    raise NameTaken(draft.name)
                self._by_name[key] = draft
                renamed_ns = self._renamed_ns.get(draft.directory.id, 0)
                self._renamed_ns[draft.directory.id] = max(renamed_ns, draft.named_ns)
            self._by_id[draft.id] = draft

    def rename(self, draft: Draft, directory: Directory, name: str | None) -> None:
        """Give a draft another name, or none; who had that name has none any more. Atomic."""
        with self._lock:
            self._lose_name(draft)
            self._renamed_ns[draft.directory.id] = self._renamed_ns[directory.id] = time.time_ns()
            draft.directory, draft.name = directory, name
            draft.note_change()
            if name is not None:
                before = self._by_name.get((directory.id, name))
                if before is not None:
                    before.name = None
                    before.note_change()
                self._by_name[directory.id, name] = draft

    def exchange(self, one: Draft, other: Draft) -> None:
        """Let two drafts swap their names, atomically."""
        with self._lock:
            one.directory, other.directory = other.directory, one.directory
            one.name, other.name = other.name, one.name
            for draft in (one, other):
                draft.note_change()
                if draft.name is not None:
                    self._by_name[draft.directory.id, draft.name] = draft

    def readdress(self, draft: Draft, directory: Directory, name: str, number: int) -> None:
        """Give a draft another directory, name and number, atomically; one that was not added is not added by it.

        Raises NameTaken, and changes nothing, when another draft has the name.
        """
        with self._lock:
            here, there = (draft.directory.id, draft.name or ""), (directory.id, name)
            is_named = self._by_name.get(here) is draft
            is_numbered = self._by_id.get(draft.id) is draft
            if is_named and self._by_name.get(there, draft) is not draft:
                raise NameTaken(name)
            if is_named and there != here:
                del self._by_name[here]
                self._by_name[there] = draft
                self._renamed_ns[directory.id] = time.time_ns()
            if is_numbered:
                del self._by_id[draft.id]
                self._by_id[number] = draft
            draft.directory, draft.name, draft.id = directory, name, number

    def hide(self, draft: Draft) -> None:
        """Let only who has a draft open find it: it loses its name, and its id where that is an entry's."""
        with self._lock:
            self._lose_name(draft)
            if draft.base is not None:
                self._lose_id(draft)

    def discard(self, draft: Draft) -> None:
        """Forget a draft whose lock the caller holds; its bytes go, too, unless somebody has it open."""
        with self._lock:
            self._lose_name(draft)
            self._lose_id(draft)
        if draft.handles == 0:
            draft.file.discard()

    def _lose_name(self, draft: Draft) -> None:
        if draft.name is not None and self._by_name.get((draft.directory.id, draft.name)) is draft:
            del self._by_name[draft.directory.id, draft.name]

    def _lose_id(self, draft: Draft) -> None:
        if self._by_id.get(draft.id) is draft:
            del self._by_id[draft.id]

    def list_in(self, directory: Directory) -> list[Draft]:
        """Give the named drafts of a directory, by name."""
        with self._lock:
            found = list(self._by_name.of(directory.id))
        return sorted(found, key=lambda draft: draft.name or "")

    def list_all(self) -> list[Draft]:
        """Give all named drafts, by path and name."""
        return sorted(self.list_unsorted(), key=lambda draft: (draft.directory.path.labels, draft.name or ""))

    def list_unsorted(self) -> list[Draft]:
        """Give all named drafts, which takes a tenth of the time."""
        with self._lock:
            return self._by_name.list_all()

    def list_within(self, path: AssetPath) -> list[Draft]:
        """Give the named drafts at and below a path, a directory's together."""
        found: list[Draft] = []
        last, is_within = None, False
        for draft in self.list_unsorted():
            here = draft.directory.path
            if here is not last:
                last, is_within = here, here.is_within(path)
            if is_within:
                found.append(draft)
        return found

    def doubt_within(self, path: AssetPath) -> None:
        """Note that others may have renamed the directory at a path, or one above."""
        for draft in self.list_within(path):
            draft.may_be_elsewhere = True

    def rebase(self, moved: Sequence[Renamed]) -> None:
        """Note that directories were renamed, for the drafts in and below them."""
        found = [(old, new, self.list_within(old)) for old, new in moved]
        for draft, old, new in [(draft, old, new) for old, new, drafts in found for draft in drafts]:
            here = draft.directory
            draft.directory = here._replace(path=here.path.rebased(old, new), made=True)
