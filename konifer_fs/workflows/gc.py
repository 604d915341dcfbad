"""Removing objects that no row refers to: what an upload left that never came to its end. `konifer-fs gc` runs it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Examiner, ObjectStore, StoredObject
from konifer_fs.workflows.compare import BATCH, THREADS, compare, confirm_orphans, list_orphans, paged


def collect(
    examiner: Examiner,
    objects: ObjectStore,
    before: datetime,
    *,
    remove: bool,
    refused: Callable[[StoreRefused], None],
) -> Iterator[tuple[ObjectRef, StoredObject]]:
    """Give the orphaned objects that were put before `before`, each once it is gone (or not, unless `remove`).

    Only buckets that rows refer to are looked at: any other may be another store's. `refused` is told why one could
    not be.

    Raises:
        StoreUnreachable, StoreRefused: a store does not answer, or the database refuses; what was given until then is
            gone.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        for bucket in examiner.list_buckets():
            try:
                for refs in paged(list_orphans(compare(examiner, objects, bucket), bucket, before), BATCH):
                    then = objects.delete if remove else None
                    yield from confirm_orphans(examiner, objects, refs, before, pool, then)
            except StoreRefused as error:
                refused(error)
