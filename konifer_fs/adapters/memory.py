"""The object store in this process's memory, under a cap; gone when the process ends.

`wiring` makes it for `--in-memory`. It is a store, not a cache: what does not fit is refused, nothing is evicted.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

from konifer_fs.domain.errors import ContentUnreadable, ObjectMissing, StoreFull
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Part, Space, StoredObject

_PIECE: Final = 1 << 20
_PAGE: Final = 1000


class _Content(NamedTuple):
    pieces: tuple[bytes, ...] = ()
    modified: datetime = datetime.min.replace(tzinfo=UTC)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


_NOTHING: Final = _Content()


class MemoryObjectStore:
    """Objects as tuples of pieces, so that no single allocation is as large as an object."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._objects: dict[ObjectRef, _Content] = {}
        self._lock = Lock()

    def put(self, ref: ObjectRef, source: Path, content_type: str) -> None:  # noqa: ARG002 - nobody asks for it
        """Keep the bytes of `source`; raises StoreFull, and ContentUnreadable when `source` cannot be read."""
        try:
            with source.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                self._reserve(size)
                try:
                    pieces = _read_exactly(file, size)
                except BaseException:
                    self._reserve(-size)
                    raise
        except OSError as error:
            raise ContentUnreadable(f"{source.name}: {error.strerror}") from error
        with self._lock:
            self._used -= self._objects.get(ref, _NOTHING).size
            self._objects[ref] = _Content(pieces, datetime.now(UTC))

    def fetch(self, ref: ObjectRef, target: BinaryIO, part: Part | None = None) -> None:
        """Write the object, or a part of it, to `target`; raises ObjectMissing, ContentUnreadable."""
        found = self._find(ref)
        part = part or Part(0, found.size, found.size)
        part.check_size(ref, found.size)
        at = 0
        for piece in found.pieces:
            target.write(piece[max(0, part.start - at) : max(0, part.stop - at)])
            at += len(piece)

    def local_path(self, ref: ObjectRef) -> None:
        """Give None: there is no file."""

    def size(self, ref: ObjectRef) -> int:
        """Give the object's size in bytes; raises ObjectMissing."""
        return self._find(ref).size

    def sizes(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, int]:
        """Give the sizes of those that are there."""
        with self._lock:
            return {ref: self._objects[ref].size for ref in refs if ref in self._objects}

    def find_object(self, ref: ObjectRef) -> StoredObject | None:
        """Tell of an object."""
        with self._lock:
            found = self._objects.get(ref)
        return StoredObject(ref.key, found.size, found.modified) if found else None

    def list_objects(self, bucket: str, after: str = "") -> Iterator[Sequence[StoredObject]]:
        """Tell of all objects in `bucket`, by key, in pages; every bucket is there."""
        with self._lock:
            refs = sorted(
                (ref for ref in self._objects if ref.bucket == bucket and ref.key > after), key=lambda ref: ref.key
            )
        for start in range(0, len(refs), _PAGE):
            yield [found for ref in refs[start : start + _PAGE] if (found := self.find_object(ref))]

    def delete(self, ref: ObjectRef) -> None:
        """Forget the object; it is no error when it is not there."""
        with self._lock:
            self._used -= self._objects.pop(ref, _NOTHING).size

    def check(self, bucket: str) -> None:
        """Every bucket can be written to."""

    def free_space(self) -> Space:
        """Give what is left of the cap."""
        with self._lock:
            left = self._max_bytes - self._used
            return Space(self._max_bytes, left, left)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._objects.clear()
            self._used = 0

    def _reserve(self, size: int) -> None:
        with self._lock:
            if size > self._max_bytes - self._used:
                raise StoreFull(f"{size} bytes do not fit into the {self._max_bytes - self._used} that are left")
            self._used += size

    def _find(self, ref: ObjectRef) -> _Content:
        with self._lock:
            try:
                return self._objects[ref]
            except KeyError:
                raise ObjectMissing(f"{ref.bucket}/{ref.key}") from None


def _read_exactly(file: BinaryIO, size: int) -> tuple[bytes, ...]:
    pieces = []
    left = size
    while left and (piece := file.read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    if left:
        raise ContentUnreadable("it changed while it was stored")
    return tuple(pieces)
