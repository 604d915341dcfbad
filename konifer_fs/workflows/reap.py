"""Removing the objects whose rows are gone, by Konifer's protocol: the object first, then the row of the outbox.

The daemon runs it every 30 s and soon after a removal. A running Konifer may do the same at the same time: both
steps can be repeated. Which rows come into the outbox is the metadata store's business.
"""

import logging
from collections.abc import Callable
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
    removed = 0
    with metadata.exclusively("reap") as free:
        while free:
            batch = metadata.list_pending_deletes(BATCH)
            gone, failure = _reap_batch(metadata, objects, [pending for pending in batch if not in_use(pending.ref)])
            removed += gone
            if not gone or len(batch) < BATCH:
                if failure:
                    raise failure
                break
    return removed


def _reap_batch(
    metadata: MetadataStore, objects: ObjectStore, batch: list[PendingDelete]
) -> tuple[int, KoniferFsError | None]:
    """Give how many are gone, and the last failure."""
    gone, unreachable, failure = 0, 0, None
    for pending in batch:
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
            gone += 1
    return gone, failure
