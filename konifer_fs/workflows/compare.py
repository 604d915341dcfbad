"""Both stores side by side: which object belongs to which row, and which belong to none. Used by `fsck` and `gc`.

The rows are read as of one moment before the objects are listed. So an object older than that moment without a row
had none then, and a row without an object may only have been deleted since: both are asked for again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import datetime
from itertools import chain, islice
from typing import Final, TypeVar

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Examiner, ObjectStore, Reference, StoredObject

# What we and Konifer call objects. Anything else in a bucket is somebody else's.
_KEY: Final = re.compile(
    rf"[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}({'|'.join(re.escape(it.extension) for it in ImageFormat)})?"
)

BATCH: Final = 1000
THREADS: Final = 8

T = TypeVar("T")

Pair = tuple[StoredObject | None, Reference | None]


def compare(examiner: Examiner, objects: ObjectStore, bucket: str) -> Iterator[Pair]:
    """Give, in order of keys, a pair for each row, and one for each object that no row refers to.

    Raises:
        StoreUnreachable, StoreRefused: a store does not answer, or lists its objects out of order.
    """
    rows = chain.from_iterable(examiner.stream_references(bucket))
    first = next(rows, None)
    listed = chain.from_iterable(objects.list_objects(bucket))
    return _pair(in_order(listed, bucket), chain([first] if first else [], rows))


def list_orphans(pairs: Iterable[Pair], bucket: str, before: datetime) -> Iterator[ObjectRef]:
    """Give the objects of ours without a row that were put before `before`: later ones may be uploads under way."""
    for found, row in pairs:
        if found and not row and found.modified < before and _KEY.fullmatch(found.key):
            yield ObjectRef(bucket, found.key)


def confirm_orphans(
    examiner: Examiner,
    objects: ObjectStore,
    refs: Sequence[ObjectRef],
    before: datetime,
    pool: Executor,
    then: Callable[[ObjectRef], None] | None = None,
) -> Iterator[tuple[ObjectRef, StoredObject]]:
    """Ask again, now, for objects that had no row: give those that have none still, and were not put again.

    A draft that waits to be stored puts its object again before it records it: `then` is done at once after that look.
    """

    def look(ref: ObjectRef) -> tuple[ObjectRef, StoredObject] | None:
        found = objects.find_object(ref)
        if found is None or found.modified >= before:
            return None
        if then is not None:
            then(ref)
        return ref, found

    yield from filter(None, pool.map(look, examiner.list_unreferenced(refs)))


def paged(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give `things` in lists of up to `size`."""
    remaining = iter(things)
    while page := list(islice(remaining, size)):
        yield page


def _pair(objects: Iterator[StoredObject], rows: Iterable[Reference]) -> Iterator[Pair]:
    found, taken = next(objects, None), False
    for row in rows:
        while found is not None and found.key < row.ref.key:
            if not taken:
                yield found, None
            found, taken = next(objects, None), False
        if found is not None and found.key == row.ref.key:
            taken = True
            yield found, row
        else:
            yield None, row
    while found is not None:
        if not taken:
            yield found, None
        found, taken = next(objects, None), False


def in_order(objects: Iterable[StoredObject], bucket: str) -> Iterator[StoredObject]:
    """Give the objects as they are listed; raises StoreRefused when that is out of order."""
    last = ""
    for found in objects:
        if found.key <= last:
            raise StoreRefused(f"the object store does not list the bucket {bucket} in the order of keys")
        yield found
        last = found.key
