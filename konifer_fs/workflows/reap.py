"""Removing the objects whose rows are gone, by Konifer's protocol: the object first, then the row of the outbox.

The daemon runs it every 30 s and soon after a removal. A running Konifer may do the same at the same time: both
steps can be repeated. Which rows come into the outbox is the metadata store's business.
"""

from collections.abc import Callable, Iterator
from typing import Final

from konifer_fs.domain.errors import KoniferFsError, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import MetadataStore, ObjectStore, PendingDelete

BATCH: Final = 1000
# Each costs a deadline.
_UNREACHABLE_AT_MOST: Final = 3
# Where all are, as by a policy that grants no deletes, each is a request in vain.
REFUSED_AT_MOST: Final = 100


class Reaper:
    """Removes in rounds what the outbox names, but what is `in_use` (open here). Not thread-safe."""

    def __init__(self, metadata: MetadataStore, objects: ObjectStore, in_use: Callable[[ObjectRef], bool]) -> None:
        self._metadata = metadata
        self._objects = objects
        self._in_use = in_use
        self._last: PendingDelete | None = None

    def reap(self) -> int:
        """Do a round; gives the number of objects removed.

        An object that cannot be removed keeps its row for a later round, and the others go on. After too many of them
        the round ends, and the next goes on from there. Nothing is done while another mount's reaper is at work.

        Raises:
            StoreUnreachable: the database cannot be reached, or the object store failed three times.
            StoreRefused: some objects could not be removed; others are.
        """
        removed, refused, unreachable, failure = 0, 0, 0, None
        with self._metadata.exclusively("reap") as free:
            for pending in self._list_pending() if free else ():
                if self._in_use(pending.ref):
                    continue
                try:
                    self._objects.delete(pending.ref)
                except KoniferFsError as error:
                    failure = error
                    refused += 1
                    unreachable += isinstance(error, StoreUnreachable)
                    if unreachable == _UNREACHABLE_AT_MOST or refused == REFUSED_AT_MOST:
                        self._last = pending
                        break
                else:
                    self._metadata.drop_pending_delete(pending)
                    removed += 1
        if failure:
            raise failure
        return removed

    def _list_pending(self) -> Iterator[PendingDelete]:
        last, self._last = self._last, None
        while batch := self._metadata.list_pending_deletes(BATCH, after=last):
            yield from batch
            last = batch[-1]
