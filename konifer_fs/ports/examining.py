"""The metadata store as `fsck` and `gc` look at it: all that refers to objects, and what contradicts itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from konifer_fs.domain.variant import ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A row that refers to an object: a variant's, or one of the outbox, which says that the object is to go.

    `variant` is None where nothing is promised of the object: in the outbox, and while it is being uploaded. `size`
    in bytes and `sha256` are what was recorded, None where a foreign writer stored it. `where` is for people.
    """

    ref: ObjectRef
    variant: UUID | None
    is_original: bool
    size: int | None
    sha256: bytes | None
    created_at: datetime
    where: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LowCounter:
    """A path (ltree) that has an entry of the id `highest`, and gave out, it says, none over `counted`, or none."""

    path: str
    highest: int
    counted: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadName:
    """A row of ours that names an asset which is gone or, unless `is_gone`, at another path; `where` is for people."""

    id: int
    where: str
    is_gone: bool


class Examiner(Protocol):
    """Looks at all rows, in pages, each stream as of one moment, while others write. It may take as long as it needs.

    Every method may raise StoreUnreachable and StoreRefused.
    """

    def list_buckets(self) -> Sequence[str]:
        """Give all buckets that rows refer to, in order."""
        ...

    def count_references(self) -> int:
        """Count what `stream_references` gives for all buckets."""
        ...

    def stream_references(self, bucket: str) -> Iterator[Sequence[Reference]]:
        """Give all that refers to objects in `bucket`, by key in the order of its UTF-8 bytes."""
        ...

    def is_unchanged(self, reference: Reference) -> bool:
        """Whether the row of a variant still says the same."""
        ...

    def list_unreferenced(self, refs: Sequence[ObjectRef]) -> Sequence[ObjectRef]:
        """Give those of `refs` that no row refers to."""
        ...

    def stream_without_original(self) -> Iterator[Sequence[str]]:
        """Tell people where the assets are that have no original."""
        ...

    def stream_low_counters(self) -> Iterator[Sequence[LowCounter]]:
        """Give the paths whose next entry id is taken, or will be."""
        ...

    def stream_dead_names(self) -> Iterator[Sequence[DeadName]]:
        """Give the names that denote nothing."""
        ...

    def count_unsized(self) -> int:
        """Count the variants of whose object no size is recorded: Konifer stored it."""
        ...

    def stream_unsized(self, bucket: str) -> Iterator[Sequence[Reference]]:
        """Give those in `bucket`, by key in the order of its UTF-8 bytes."""
        ...

    def record_sizes(self, sizes: Mapping[UUID, int]) -> int:
        """Record sizes in bytes of variants' objects, by variant, where none is recorded yet; counts."""
        ...

    def correct_size(self, reference: Reference, size: int) -> bool:
        """Record the size of a variant's object, and tell whether its row was still the same."""
        ...

    def raise_counters(self, paths: Sequence[str]) -> None:
        """Make the counters of these paths as high as their highest entry ids; none gets lower."""
        ...

    def remove_dead_names(self, ids: Sequence[int]) -> None:
        """Remove those that are still dead: the row of an asset that is gone, else only its name."""
        ...
