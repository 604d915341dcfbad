"""Uploads that were given up before it was known what became of them: their objects are removed, or were recorded.

Such an upload is noted in the spool, so a later process goes on. The daemon runs `remove_leftovers` now and then.
"""

import time
from typing import Final
from uuid import UUID

from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import MetadataStore, ObjectStore
from konifer_fs.spool import Spool
from konifer_fs.workflows.store_asset import Attempt

# As long as Konifer waits for an upload. What was sent to a server may arrive long after its sender is gone.
GRACE: Final = 300.0


def note_leftover(spool: Spool, attempt: Attempt) -> None:
    """Note that the object of an upload is to be removed, unless an entry has it."""
    spool.note_leftover(str(attempt.asset_id), {"bucket": attempt.original.bucket, "key": attempt.original.key})


def remove_leftovers(metadata: MetadataStore, objects: ObjectStore, spool: Spool) -> None:
    """Remove the objects of uploads that were given up 5 minutes ago or earlier; raises StoreUnreachable."""
    for name, noted in spool.list_leftovers(before=time.time() - GRACE):
        if metadata.find_asset(UUID(name)) is None:
            objects.delete(ObjectRef(noted["bucket"], noted["key"]))
        spool.drop_leftover(name)
