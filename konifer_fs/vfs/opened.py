"""Open files: which bytes each handle is on. `files` opens, reads, writes and closes them."""

import threading

from konifer_fs.domain.asset import Annotations
from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Entry
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.nodes import Node
from konifer_fs.workflows.fetch_content import Content


class OpenFile:
    """One `open(2)`: on an entry's content, on a draft, or on a content whose file has become a draft since.

    `described` is what was said of the entry when it was about to lose its name here.
    """

    __slots__ = ("bytes_read", "changed", "content", "described", "draft", "entry", "writable")

    def __init__(self, *, entry: Entry | None, writable: bool) -> None:
        self.entry = entry
        self.writable = writable
        self.content: Content | None = None
        self.described: Annotations | None = None
        self.draft: Draft | None = None
        self.changed = False
        self.bytes_read = 0

    @property
    def content_token(self) -> object:
        """What the bytes are: equal tokens, equal bytes."""
        draft = self.draft
        if draft is None:
            came_damaged = self.content.came_damaged if self.content else 0
            return (self.entry.asset_id, came_damaged) if self.entry else None
        if draft.base and draft.is_stored and draft.is_faithful:
            return draft.base.asset_id, 0
        return draft.file.number, draft.version

    @property
    def node_id(self) -> int:
        """The inode number of the file."""
        return self.draft.id if self.draft else self.entry.id if self.entry else 0

    @property
    def was_read_whole(self) -> bool:
        """Whether an entry's content was read through this handle, as many bytes as it has."""
        size = self.entry.size if self.entry else None
        return bool(size) and self.bytes_read >= (size or 0)

    def is_from_before(self, node: Node) -> bool:
        """Whether these are stored bytes which the file `node` does not have any more, nor anybody here replaces."""
        base = self.entry if self.draft is None else self.draft.base
        now = node.base if isinstance(node, Draft) else node
        is_stored = self.draft is None or (self.draft.is_stored and not self.draft.writers and self.draft is not node)
        return is_stored and base is not None and isinstance(now, Entry) and base.asset_id != now.asset_id

    def has_bytes_of(self, other: "OpenFile") -> bool:
        """Whether both are on one draft, or on one asset's content."""
        if self.draft is not None or other.draft is not None:
            return self.draft is other.draft
        return self.entry is not None and other.entry is not None and self.entry.asset_id == other.entry.asset_id


class Opened:
    """The open files of a mount, by inode number. Thread-safe.

    A handle that is on no draft yet may be turned over to one at any moment, until it is closed.
    """

    def __init__(self) -> None:
        self._by_number: dict[int, set[OpenFile]] = {}
        self._lock = threading.Lock()

    def add(self, opened: OpenFile) -> None:
        """Note that a file was opened."""
        with self._lock:
            self._by_number.setdefault(opened.node_id, set()).add(opened)

    def attach(self, opened: OpenFile, draft: Draft) -> None:
        """Let a handle that is on no draft be on this one; the caller holds its lock, and nobody has let go of it."""
        draft.file.open()
        with self._lock:
            self._attach(opened, draft)

    def attach_all_on(self, entry: Entry, draft: Draft) -> None:
        """Let all handles on an entry's bytes that are on no draft be on this one, as `attach` does."""
        with self._lock:
            for opened in list(self._by_number.get(entry.id, ())):
                if opened.entry and opened.entry.asset_id == entry.asset_id:
                    self._attach(opened, draft)

    def _attach(self, opened: OpenFile, draft: Draft) -> None:
        if opened.draft is None:
            opened.draft = draft
            draft.handles += 1
            draft.writers += opened.writable
            self._by_number.setdefault(draft.id, set()).add(opened)

    def close_unless_drafted(self, opened: OpenFile) -> Draft | None:
        """Forget a handle that is on no draft; gives the draft of one that is."""
        with self._lock:
            if opened.draft is None:
                self._forget(opened)
            return opened.draft

    def detach(self, opened: OpenFile, draft: Draft) -> None:
        """Forget a handle that is on a draft, whose lock the caller holds."""
        with self._lock:
            self._forget(opened)
        draft.handles -= 1
        draft.writers -= opened.writable

    def _forget(self, opened: OpenFile) -> None:
        siblings = self._by_number.get(opened.node_id, set())
        siblings.discard(opened)
        if not siblings:
            self._by_number.pop(opened.node_id, None)

    def keep_said(self, entry: Entry, described: Annotations) -> None:
        """Keep what is said of an entry, as it is now, with the handles on its bytes that are on no draft."""
        with self._lock:
            for opened in self._by_number.get(entry.id, ()):
                if opened.draft is None and opened.entry and opened.entry.asset_id == entry.asset_id:
                    opened.entry, opened.described = entry, described

    def find(self, number: int) -> OpenFile:
        """Give some handle that is open on the file with this inode number; raises MovedOn when none is."""
        with self._lock:
            opened = next(iter(self._by_number.get(number, ())), None)
        if opened is None:
            raise MovedOn
        return opened

    def is_open(self, number: int) -> bool:
        """Whether some handle is open on the file with this inode number."""
        return number in self._by_number
