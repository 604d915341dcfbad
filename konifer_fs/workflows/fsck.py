"""Checking both stores against each other, and our tables against Konifer's, while all of them are in use.

`konifer-fs fsck` runs it. What it finds it asks for again before it is told. Repairing is only what loses nothing;
removing orphaned objects is `gc`'s business, and drafts are their mount's.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import BinaryIO, Final, cast

from konifer_fs.domain.errors import ContentUnreadable, ObjectMissing, StoreRefused
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Examiner, ObjectStore, Reference, StoredObject
from konifer_fs.workflows.compare import BATCH, THREADS, Pair, compare, confirm_orphans, list_orphans, paged

Suspect = tuple[Reference, StoredObject | None]

_PAGE: Final = 200
# Konifer's first releases mark a generated variant as uploaded when another one of its asset is; they give up on an
# upload after this time.
_UPLOAD: Final = timedelta(minutes=5)


class Kind(Enum):
    """What can be wrong; the value is what people are told."""

    MISSING = "missing object"
    DAMAGED = "damaged object"
    WRONG_SIZE = "wrong size"
    ORPHAN = "orphaned object"
    NO_ORIGINAL = "asset without original"
    LOW_COUNTER = "low counter"
    DEAD_NAME = "dead name"
    NO_BUCKET = "unknown bucket"
    REFUSED = "refused object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong: where, in what way, and whether it was put right."""

    kind: Kind
    where: str
    detail: str
    corrected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fsck:
    """A check of all that the stores hold.

    `before` is when an object must have been put to be called orphaned; later ones may be uploads under way.
    `progress` is told how many more rows were compared, `refused` why a configured bucket could not be checked.
    """

    examiner: Examiner
    objects: ObjectStore
    before: datetime
    repair: bool
    data: bool
    progress: Callable[[int], None]
    refused: Callable[[StoreRefused], None]

    def run(self, configured: Collection[str]) -> Iterator[Finding]:
        """Give what is wrong in the buckets that are configured or that rows refer to, as it is found.

        With `repair` it is put right where that loses nothing.

        Raises:
            StoreUnreachable, StoreRefused: a store does not answer, or the database refuses; what was given until
                then holds.
        """
        yield from self._check_counters()
        yield from self._check_names()
        for page in self.examiner.stream_without_original():
            for where in page:
                yield Finding(kind=Kind.NO_ORIGINAL, where=where, detail="it has nothing to show")
        with ThreadPoolExecutor(THREADS) as pool:
            for bucket in sorted({*configured, *self.examiner.list_buckets()}):
                try:
                    yield from self._check_bucket(bucket, pool)
                except StoreRefused as error:
                    if bucket in configured:
                        self.refused(error)
                    else:
                        yield self._tell_unknown(bucket, error)

    def _check_counters(self) -> Iterator[Finding]:
        for page in self.examiner.stream_low_counters():
            if self.repair:
                self.examiner.raise_counters([counter.path for counter in page])
            for counter in page:
                says = "is missing" if counter.counted is None else f"is at {counter.counted}"
                detail = f"the counter {says}, the highest entry id is {counter.highest}"
                where = AssetPath.from_ltree(counter.path).konifer
                yield Finding(kind=Kind.LOW_COUNTER, where=where, detail=detail, corrected=self.repair)

    def _check_names(self) -> Iterator[Finding]:
        for page in self.examiner.stream_dead_names():
            if self.repair:
                self.examiner.remove_dead_names([name.id for name in page])
            for name in page:
                detail = "its asset is gone" if name.is_gone else "its asset is at another path"
                yield Finding(kind=Kind.DEAD_NAME, where=name.where, detail=detail, corrected=self.repair)

    def _check_bucket(self, bucket: str, pool: Executor) -> Iterator[Finding]:
        orphans: list[ObjectRef] = []
        for page in paged(compare(self.examiner, self.objects, bucket), _PAGE):
            yield from filter(None, pool.map(self._judge, self._list_suspects(page)))
            self.progress(sum(1 for _, row in page if row))
            orphans += list_orphans(page, bucket, self.before)
            if len(orphans) >= BATCH:
                yield from self._tell_orphans(orphans, pool)
                orphans = []
        yield from self._tell_orphans(orphans, pool)

    def _tell_unknown(self, bucket: str, error: StoreRefused) -> Finding:
        counts = Counter(row.variant is None for page in self.examiner.stream_references(bucket) for row in page)
        detail = f"{counts[False]} stored variants and {counts[True]} other rows refer to it: {error.detail}"
        return Finding(kind=Kind.NO_BUCKET, where=bucket, detail=detail)

    def _tell_orphans(self, refs: Sequence[ObjectRef], pool: Executor) -> Iterator[Finding]:
        for ref, found in confirm_orphans(self.examiner, self.objects, refs, self.before, pool):
            detail = f"{found.size} bytes of {found.modified:%Y-%m-%d %H:%M:%S} UTC, which no row refers to"
            yield Finding(kind=Kind.ORPHAN, where=_spell(ref), detail=detail)

    def _list_suspects(self, page: Iterable[Pair]) -> Iterator[Suspect]:
        for found, row in page:
            if row is None or row.variant is None:
                continue
            if found is None or row.size not in {None, found.size} or self.data:
                yield row, found

    def _judge(self, suspect: Suspect) -> Finding | None:
        """Look again at a row and its object, at the whole content of one that is there."""
        row, found = suspect
        finding = self._look_again(row, found)
        if finding is None or not (finding.corrected or self.examiner.is_unchanged(row)):
            return None
        return finding

    def _look_again(self, row: Reference, found: StoredObject | None) -> Finding | None:
        try:
            if found is None and not self._wait_for_object(row):
                return _missing(row)
            size, sha256 = _read(self.objects, row.ref)
        except ObjectMissing:
            return _missing(row)
        except ContentUnreadable as error:
            return Finding(kind=Kind.DAMAGED, where=row.where, detail=str(error))
        except StoreRefused as error:
            return Finding(kind=Kind.REFUSED, where=row.where, detail=error.detail)
        return self._judge_content(row, size, sha256)

    def _wait_for_object(self, row: Reference) -> bool:
        """Whether the object is there, at last when its upload has had its time."""
        if not row.is_original:
            left = row.created_at + _UPLOAD - datetime.now(UTC)
            time.sleep(min(max(left, timedelta()), _UPLOAD).total_seconds())
        return self.objects.find_object(row.ref) is not None

    def _judge_content(self, row: Reference, size: int, sha256: bytes) -> Finding | None:
        if row.sha256 not in {None, sha256}:
            detail = f"{_spell(row.ref)} is not what was stored: its SHA-256 is {sha256.hex()}, its size {size} bytes"
            return Finding(kind=Kind.DAMAGED, where=row.where, detail=detail)
        if row.size in {None, size}:
            return None
        corrected = self.repair and self.examiner.correct_size(row, size)
        detail = f"{_spell(row.ref)} has {size} bytes, {row.size} were recorded"
        return Finding(kind=Kind.WRONG_SIZE, where=row.where, detail=detail, corrected=corrected)


class _Digest:
    """The writing end that `ObjectStore.fetch` needs: keeps nothing but the size and the checksum."""

    def __init__(self) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self.sha256.update(piece)


def _read(objects: ObjectStore, ref: ObjectRef) -> tuple[int, bytes]:
    digest = _Digest()
    objects.fetch(ref, cast("BinaryIO", digest))
    return digest.size, digest.sha256.digest()


def _missing(row: Reference) -> Finding:
    return Finding(kind=Kind.MISSING, where=row.where, detail=f"{_spell(row.ref)} is not in the object store")


def _spell(ref: ObjectRef) -> str:
    return f"{ref.bucket}/{ref.key}"
