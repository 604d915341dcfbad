"""The metadata store: the tree, its facts, and Konifer's protocol of deleting."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.node import Directory, Entry, Node, Ownership, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Json
from konifer_fs.ports.records import (
    AssetFacts,
    BytesBelow,
    NewEntry,
    NewVariant,
    OnClash,
    PendingDelete,
    Selected,
    Selection,
    StoredAsset,
    StoredVariant,
)


class MetadataStore(Protocol):
    """The tree and its facts. A method is one transaction; a change also makes rows for all directories above it."""

    # Reading; assets that are not ready are never seen.
    def find_directory(self, path: AssetPath) -> Directory | None:
        """Give the directory at `path`, if anything lies at or below it or a row makes it."""
        ...

    def find_child(self, parent: Directory, name: str) -> Node | None:
        """Give what `name` denotes in `parent`: a directory, else a named file or symlink, else a default name.

        Directories are tried under `candidate_labels(name)`. A default name counts only when spelled exactly.
        """
        ...

    def list_children(self, parent: Directory) -> Iterator[Sequence[Node]]:
        """Give all children in pages of up to 2,000, each page one statement; no connection is held in between.

        A page may be read while the one before is used.
        """
        ...

    def list_each(self, parents: Sequence[Directory], most: int) -> Sequence[Sequence[Node] | None]:
        """Give all children of each of several directories, by one statement; None for one that has over `most`."""
        ...

    def find_taken(self, parent: Directory, names: Sequence[str]) -> frozenset[str]:
        """Give those of `names` that are names of named files, symlinks or directories of `parent`."""
        ...

    def refresh(self, node: Node) -> Node | None:
        """Read `node` again: by its id when made (so over renames and overwrites), else by path or asset."""
        ...

    def read_facts(self, entry: Entry) -> AssetFacts:
        """Read the facts of an entry; raises MovedOn when it is gone."""
        ...

    def read_facts_of(self, entries: Sequence[Entry]) -> Sequence[AssetFacts | None]:
        """Read the facts of several entries, by one statement; None for one that is gone."""
        ...

    def read_private_of(self, nodes: Sequence[Directory | Symlink]) -> Sequence[Mapping[str, bytes]]:
        """Read the private attributes of several directories and symlinks, by one statement."""
        ...

    def count_files(self, directory: Directory) -> int:
        """Count the entries below `directory`."""
        ...

    def count_entries(self, directory: Directory) -> int:
        """Count the entries, directories and symbolic links below `directory`."""
        ...

    def sum_bytes(self, directory: Directory) -> BytesBelow:
        """Add up the sizes of the entries below `directory`."""
        ...

    # Selecting: entries by what Konifer knows of them, with the names they show under.
    def find_newest(self, directory: Directory, *, by_modification: bool) -> Entry | None:
        """Give the entry of `directory` created last, or modified last; of equal times the highest entry id."""
        ...

    def find_entry(self, directory: Directory, entry_id: int) -> Entry | None:
        """Give the entry of `directory` that has this id."""
        ...

    def stream_selected(self, directory: Directory, selection: Selection) -> Iterator[Sequence[tuple[str, Selected]]]:
        """Give what matches, by path and then entry id, in pages of up to 2,000, all as of one moment.

        With each entry comes the name that it shows under in its directory.

        It is one statement, which keeps its connection until the iterator is exhausted or closed: read on without
        a pause, for one longer than the deadline ends it with StoreUnreachable.
        """
        ...

    def stream_assets(self, directory: Directory) -> Iterator[Sequence[StoredAsset]]:
        """Give all entries of `directory`, the newest first; otherwise as `stream_selected`, a page at one moment."""
        ...

    def is_selected(self, entry: Entry, selection: Selection) -> bool:
        """Whether an entry has all of the labels and tags; where it lies is not looked at."""
        ...

    def list_shown_names(self, entries: Sequence[Entry | Selected]) -> Sequence[str]:
        """Give the name that each entry shows under in its directory, in this order."""
        ...

    def list_labels(self, directory: Directory, selection: Selection) -> Iterator[Sequence[tuple[str, str]]]:
        """Give each label, key and value, of what matches, once and in byte order; otherwise as `stream_selected`."""
        ...

    def list_tags(self, directory: Directory, selection: Selection) -> Iterator[Sequence[str]]:
        """Give each tag of what matches, once and in byte order; otherwise as `stream_selected`."""
        ...

    # Changing names.
    def make_directories(self, path: AssetPath) -> Directory:
        """Make rows for `path` and all above it where they are missing (as after a foreign writer, or a removal)."""
        ...

    def reserve_ids(self, count: int) -> Sequence[int]:
        """Take `count` node ids that nothing else will get."""
        ...

    def record(self, new: NewEntry) -> Entry:
        """Record a stored draft as a ready asset under its name, over the entry that has it, in one transaction.

        The entry before it gives its annotations and is deleted by Konifer's protocol (or, under `keep`, loses the
        name). Raises NameTaken when the name is a directory's or symlink's, or an asset's that is none of `over`.
        When the outcome of a broken connection is unknown it is found out by `asset_id` before an error is raised;
        OutcomeUnknown when it cannot be.
        """
        ...

    def find_outcome(self, asset_id: UUID) -> Entry | None:
        """Give the entry of an asset whose recording raised OutcomeUnknown; nothing comes of that from now on."""
        ...

    def record_sizes(self, found: Sequence[tuple[Entry, int]]) -> None:
        """Record sizes in bytes of entries' objects that Konifer stored, where none is recorded yet."""
        ...

    def find_asset(self, asset_id: UUID) -> Entry | None:
        """Give the entry of an asset, with the name it has."""
        ...

    def make_directory(self, parent: Directory, name: str, ownership: Ownership) -> Directory:
        """Make a directory. Raises NameTaken, NameTooLong, MovedOn (`parent` is gone)."""
        ...

    def make_symlink(self, parent: Directory, name: str, target: str, ownership: Ownership) -> Symlink:
        """Make a symbolic link. Raises NameTaken, MovedOn."""
        ...

    def remove_named(self, parent: Directory, name: str, now_ns: int) -> int | None:
        """Delete as `remove_entry` what has a name of its own, and give its node's id; None where nothing has."""
        ...

    def remove_entry(self, parent: Directory, entry: Entry, now_ns: int) -> None:
        """Delete an asset by Konifer's protocol: variants, one outbox row an object, the asset; and its node."""
        ...

    def remove_symlink(self, parent: Directory, symlink: Symlink, now_ns: int) -> None:
        """Remove a symbolic link."""
        ...

    def remove_directory(self, directory: Directory, now_ns: int) -> None:
        """Remove an empty directory. Raises DirectoryNotEmpty (also for what is not ready yet)."""
        ...

    def move_named(
        self, source: Directory, name: str, target: Directory, new_name: str, on_clash: OnClash, now_ns: int
    ) -> Entry | None:
        """Rename the entry that has a name of its own, also over another one (REPLACE); gives it as it is now.

        None, and nothing is renamed, when there is more to it: `move` does it then, or says what is wrong.
        """
        ...

    def renumber(self, entry: Entry, number: int) -> Entry:
        """Let `number`, which no node has, be an entry's id: a draft was renamed over it. Raises MovedOn."""
        ...

    def move(
        self, source: Directory, name: str, target: Directory, new_name: str, on_clash: OnClash, now_ns: int
    ) -> Node:
        """Rename a file, symlink or whole directory in one transaction; gives the moved node.

        An entry that changes its path takes the next entry id of the target. A replaced entry is deleted; the one
        moved over it takes its annotations where it carries none. Raises NoSuchName, NameTaken (REFUSE),
        IsADirectory, NotADirectory, DirectoryNotEmpty, MoveIntoItself, NameTooLong (any descendant).
        """
        ...

    # Changing facts.
    def set_ownership(self, node: Node, ownership: Ownership) -> Node:
        """Set what is not None in `ownership`; raises MovedOn."""
        ...

    def edit_annotations(self, entry: Entry, edit: AnnotationEdit) -> None:
        """Change alt, source, labels, tags, private attributes; bumps `modified_at` when one that Konifer sees differs.

        Raises MovedOn, and what `AnnotationEdit.apply` raises.
        """
        ...

    def edit_private(self, node: Directory | Symlink, changes: Mapping[str, bytes | None]) -> None:
        """Change private attributes of a directory; raises TooManyAttributes, MovedOn."""
        ...

    # Variants.
    def list_variants(self, entry: Entry) -> Sequence[StoredVariant]:
        """Give the original and all variants of an entry, newest first.

        Raises MovedOn when the entry has another asset by now, or none.
        """
        ...

    def find_variant(self, entry: Entry, transformation: Json) -> StoredVariant | None:
        """Give the variant of an entry with this very transformation, which may be the original."""
        ...

    def record_variant(self, new: NewVariant) -> StoredVariant:
        """Record a variant, or give the one that somebody else recorded first: then `ref` differs from `new.ref`.

        `modified_at` stays. Raises MovedOn when the asset is gone: the caller deletes its object.
        """
        ...

    def remove_variant(self, variant: StoredVariant) -> None:
        """Delete a variant, never an original, by Konifer's protocol; no effect when it is gone."""
        ...

    def note_accesses(self, idle_after: Mapping[UUID, float | None]) -> None:
        """Set `last_accessed_at` of variants, by id, to now, and `expires_at` to so many seconds later, unless None.

        Originals never expire: one among them is left alone.
        """
        ...

    # Konifer's protocol of deleting.
    def list_pending_deletes(self, limit: int, *, after: PendingDelete | None) -> Sequence[PendingDelete]:
        """Give the oldest well-formed `VARIANT_DELETED` rows of the outbox, of those younger than `after`."""
        ...

    def drop_pending_delete(self, pending: PendingDelete) -> None:
        """Forget an outbox row whose object is gone."""
        ...

    def sweep(self) -> int:
        """Delete, by the protocol, what never became ready or uploaded within 5 minutes and what expired; counts."""
        ...

    def prune_changes(self) -> int:
        """Forget changes that no mount will read any more, after ten minutes; counts. One thread at a time."""
        ...

    def exclusively(self, task: str) -> AbstractContextManager[bool]:
        """Hold an advisory lock of ours for a background task; yields whether it was free."""
        ...

    def find_identity(self) -> UUID:
        """Give the id of this store, made with our schema; spools carry it."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
