"""The object store: bytes by bucket and key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.domain.variant import ObjectRef


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store tells of an object without opening it: bytes, and when its last put ended (UTC).

    S3 tells of an upload in parts when it began.
    """

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` to before `stop` of an object that is known to have `size`."""

    start: int
    stop: int
    size: int

    @property
    def is_all(self) -> bool:
        """Whether nothing of the object is left out."""
        return self.start == 0 and self.stop == self.size

    def check_size(self, ref: ObjectRef, size: int) -> None:
        """Raise ContentUnreadable when the object turns out to have another size."""
        if size != self.size:
            raise ContentUnreadable(f"object {ref.key} has {size} bytes, not {self.size}")


class Space(NamedTuple):
    """What room a store has, in bytes: of what is `free`, some may be kept back, and not be `available` to us."""

    total: int
    free: int
    available: int


class ObjectStore(Protocol):
    """Bytes by bucket and key. Objects are immutable: a key is written once and never reused."""

    def put(self, ref: ObjectRef, source: Path, content_type: str) -> None:
        """Store the file `source` durably; nobody sees a part of it.

        The file may become the object itself, under both names: whoever changes it later changes a copy, as
        `SpoolFile` does.
        Putting the same bytes again is allowed, so that a put of unknown outcome can be repeated.

        Raises:
            StoreUnreachable, StoreRefused, StoreFull: nothing was stored, as far as can be told.
            ContentUnreadable: `source` cannot be read, or changed meanwhile.
        """
        ...

    def fetch(self, ref: ObjectRef, target: BinaryIO, part: Part | None = None) -> None:
        """Write the object, or a part of it, to `target` in pieces, or raise; `target`'s own errors pass through.

        Raises:
            ObjectMissing, StoreUnreachable, StoreRefused: `target` may have got some of it.
            ContentUnreadable: what came is not what was stored, or nothing came, for it has not the size of `part`.
        """
        ...

    def local_path(self, ref: ObjectRef) -> Path | None:
        """Give the file that holds the object where the store keeps files on this machine: nothing is fetched.

        Raises ObjectMissing where it keeps files and this one is not there.
        """
        ...

    def size(self, ref: ObjectRef) -> int:
        """Give the object's size in bytes. Raises ObjectMissing, StoreUnreachable."""
        ...

    def sizes(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, int]:
        """Give the sizes of those that are there, in bytes, without a round trip for each after the other.

        Raises StoreUnreachable, StoreRefused.
        """
        ...

    def find_object(self, ref: ObjectRef) -> StoredObject | None:
        """Tell of an object; None also for a key that none can have here. Raises StoreUnreachable, StoreRefused."""
        ...

    def list_objects(self, bucket: str, after: str = "") -> Iterator[Sequence[StoredObject]]:
        """Tell of all objects in `bucket`, by key in the order of its UTF-8 bytes, in pages of up to 1,000.

        With `after`, of those whose keys come after it. What is put or deleted meanwhile may be in it or not.

        Raises StoreUnreachable, and StoreRefused where there is no such bucket and a put would not make it.
        """
        ...

    def delete(self, ref: ObjectRef) -> None:
        """Remove the object; it is no error when it is not there."""
        ...

    def check(self, bucket: str) -> None:
        """Raise unless `bucket` can be written to (for `doctor` and mount)."""
        ...

    def free_space(self) -> Space | None:
        """Give what room there is, or None where the store has no bounds that can be known."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
