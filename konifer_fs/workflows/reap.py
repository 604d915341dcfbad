"""Removing the objects whose rows are gone, by Konifer's protocol: the object first, then the row of the outbox.

The daemon runs it every 30 s and soon after a removal. A running Konifer may do the same at the same time: both
steps can be repeated. Which rows come into the outbox is the metadata store's business.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Final

from konifer_fs.domain.errors import KoniferFsError, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import MetadataStore, ObjectStore, PendingDelete

log = logging.getLogger(__name__)

BATCH: Final = 1000
# Each costs a deadline; the next round tries again.
_UNREACHABLE_AT_MOST: Final = 3


def reap(metadata: MetadataStore, objects: ObjectStore, in_use: Callable[[ObjectRef], bool]) -> int:
    """Remove what the outbox names, but what is `in_use` (open here); gives the number of objects removed.

    An object that cannot be removed keeps its row for the next round, and the others go on. Nothing is done while
    another mount's reaper is at work.

    Raises:
        StoreUnreachable: the database cannot be reached, or the object store failed three times.
        StoreRefused: some objects could not be removed; the others are.
    """
    removed, unreachable, failure = 0, 0, None
    with metadata.exclusively("reap") as free:
        for pending in _list_pending(metadata) if free else ():
            if in_use(pending.ref):
                continue
            try:
                objects.delete(pending.ref)
            except KoniferFsError as error:
                log.warning("the object %s stays in %s for now: %s", pending.ref.key, pending.ref.bucket, error)
                failure = error
                unreachable += isinstance(error, StoreUnreachable)
                if unreachable == _UNREACHABLE_AT_MOST:
                    break
            else:
                metadata.drop_pending_delete(pending)
                removed += 1
    if failure:
        raise failure
    return removed


def _list_pending(metadata: MetadataStore) -> Iterator[PendingDelete]:
    last = None
    while batch := metadata.list_pending_deletes(BATCH, after=last):
        yield from batch
        last = batch[-1]
