"""Removing objects that no row refers to: what an upload left that never came to its end. `konifer-fs gc` runs it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Examiner, ObjectStore, StoredObject
from konifer_fs.workflows.compare import BATCH, THREADS, compare, confirm_orphans, list_orphans, paged


def collect(
    examiner: Examiner, objects: ObjectStore, before: datetime, *, remove: bool
) -> Iterator[tuple[ObjectRef, StoredObject]]:
    """Give the orphaned objects that were put before `before`, each once it is gone (or not, unless `remove`).

    Only buckets that rows refer to are looked at: any other may be another store's.

    Raises:
        StoreUnreachable, StoreRefused: a store does not answer; what was given until then is gone.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        for bucket in examiner.list_buckets():
            for refs in paged(list_orphans(compare(examiner, objects, bucket), bucket, before), BATCH):
                yield from confirm_orphans(examiner, objects, refs, before, pool, objects.delete if remove else None)
