"""An open file: which bytes its handle is on. `files` opens, reads, writes and closes them."""

from konifer_fs.domain.node import Entry
from konifer_fs.vfs.drafts import Draft
from konifer_fs.workflows.fetch_content import Content


class OpenFile:
    """One `open(2)`: on an entry's content, on a draft, or on a content whose file has become a draft since."""

    __slots__ = ("bytes_read", "changed", "content", "draft", "entry", "writable")

    def __init__(self, *, entry: Entry | None, writable: bool) -> None:
        self.entry = entry
        self.writable = writable
        self.content: Content | None = None
        self.draft: Draft | None = None
        self.changed = False
        self.bytes_read = 0

    @property
    def content_token(self) -> object:
        """What the bytes are: equal tokens, equal bytes."""
        draft = self.draft
        if draft is None:
            return self.entry.asset_id if self.entry else None
        if draft.base and draft.is_stored and draft.is_faithful:
            return draft.base.asset_id
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

    def has_bytes_of(self, other: "OpenFile") -> bool:
        """Whether both are on one draft, or on one asset's content."""
        if self.draft is not None or other.draft is not None:
            return self.draft is other.draft
        return self.entry is not None and other.entry is not None and self.entry.asset_id == other.entry.asset_id
