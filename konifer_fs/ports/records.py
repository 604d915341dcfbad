"""What the metadata store is told, and what it tells beside the nodes of the tree."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from konifer_fs.domain.asset import AnnotationEdit, Annotations
from konifer_fs.domain.node import Directory, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Attributes, Fingerprint, Json, ObjectRef


class OnClash(Enum):
    """What a rename does with what already has the target name."""

    REPLACE = "replace"
    REFUSE = "refuse"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A draft to be recorded: its object is in the object store already.

    `node_id` is the inode number it has had as a draft, used when the name is new. `directory` is found again by
    its id, so a draft follows its directory's rename; when it was removed, its `path` is made again. Without a `name`
    the entry shows under its default name.
    `replaces` is the asset that an earlier commit of the same opening recorded: it goes even under `keep`.
    `over` are the assets that may have the name, None when any may: what is stored later does not replace what came
    since. `named_ns` is when the name came, for the directory's times. `received` is what was written, where
    preprocessing made the object of it.
    """

    directory: Directory
    name: str | None
    node_id: int
    asset_id: UUID
    original: ObjectRef
    attributes: Attributes
    size: int
    sha256: bytes
    ownership: Ownership
    edit: AnnotationEdit = field(default_factory=AnnotationEdit)
    replaces: UUID | None = None
    keep: bool = False
    over: frozenset[UUID] | None = None
    named_ns: int = 0
    lqip: Json = field(default_factory=dict)
    received: Fingerprint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    """Everything that extended attributes show of one entry; `received` is what was written, None when unknown."""

    annotations: Annotations
    attributes: Json
    lqip: Json
    created_at: datetime
    modified_at: datetime
    received: Fingerprint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesBelow:
    """How large the entries below a directory are: bytes where the size is known, and how many have none."""

    known: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries of a directory, or of its whole subtree, are meant: those with all of the labels and tags.

    Labels are pairs of key and value; of one key an entry may have several values, where a foreign writer stored it.
    """

    labels: frozenset[tuple[str, str]] = frozenset()
    tags: frozenset[str] = frozenset()
    recursive: bool = False


class Selected(NamedTuple):
    """An entry that matches, as far as a link to it tells: light, for there may be very many.

    `name` is None where it shows under a default name; `extension` is that of its format, dot included.
    """

    id: int
    path: AssetPath
    name: str | None
    asset_id: UUID
    entry_id: int
    extension: str
    mtime_ns: int

    @property
    def default_name(self) -> str:
        """`<entryId>.<ext>`."""
        return f"{self.entry_id}{self.extension}"

    @property
    def clashing_name(self) -> str:
        """`<entryId>.<asset id>.<ext>`, for where something else has the default name."""
        return f"{self.entry_id}.{self.asset_id}{self.extension}"


@dataclass(frozen=True, slots=True)
class PendingDelete:
    """A row of Konifer's outbox: an object whose row is gone; `told_at` is in UTC, without saying so."""

    id: UUID
    ref: ObjectRef
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVariant:
    """A row of `asset_variant` whose upload is finished: an asset's original, or a variant of it.

    `transformation`, `attributes` and `lqip` are the JSON of dialect C. `size` in bytes and `sha256` are
    None where a foreign writer stored it.
    """

    id: UUID
    asset_id: UUID
    ref: ObjectRef
    is_original: bool
    transformation: Json
    attributes: Json
    lqip: Json
    size: int | None
    sha256: bytes | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """All that is known of an entry: its variants are the newest first, originals come without their sizes."""

    entry_id: int
    facts: AssetFacts
    variants: Sequence[StoredVariant]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariant:
    """A rendered variant to be recorded: its object is in the object store already.

    `expires_after` is seconds from now, None for never.
    """

    asset_id: UUID
    ref: ObjectRef
    transformation: Json
    attributes: Attributes
    lqip: Json
    size: int
    sha256: bytes
    expires_after: float | None = None
