"""Deleting what was left half-done or has expired: assets never ready, variants never uploaded or past their time.

The daemon runs it every minute, as Konifer does; both may at the same time. Their objects go by `reap`.
"""

import logging

from konifer_fs.ports import MetadataStore

log = logging.getLogger(__name__)


def sweep(metadata: MetadataStore) -> int:
    """Delete what is due and give the number; nothing while another mount's sweeper is at work.

    Raises:
        StoreUnreachable: the database cannot be reached.
    """
    with metadata.exclusively("sweep") as free:
        swept = metadata.sweep() if free else 0
    if swept:
        log.info("%d unfinished or expired assets and variants were deleted", swept)
    return swept
