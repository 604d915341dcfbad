"""Forgetting changes that every mount has read, or been given up for not reading.

Used by the store. A mount that has read nothing for as long takes nothing for known, whatever the log still says.
"""

import time
from collections import deque
from typing import Final

from psycopg import Connection

KEPT_SECONDS: Final = 600.0
_BATCH: Final = 10_000

_OLDEST_IN_PROGRESS: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
_PRUNE: Final = """
DELETE FROM konifer_fs.change_log
 WHERE ctid = ANY (ARRAY(SELECT ctid FROM konifer_fs.change_log WHERE xid < %s::xid8 ORDER BY xid LIMIT %s))
"""


class Pruner:
    """Remembers which transactions were over when; one thread at a time."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept = kept_seconds
        self._over: deque[tuple[float, str]] = deque()

    def prune(self, connection: Connection) -> int:
        """Delete what was logged by transactions that were over ten minutes ago, as far as that is known; counts."""
        now = time.monotonic()
        row = connection.execute(_OLDEST_IN_PROGRESS).fetchone()
        if row is not None:
            self._over.append((now, row[0]))
        oldest = None
        while self._over and self._over[0][0] <= now - self._kept:
            oldest = self._over.popleft()[1]
        pruned, found = 0, _BATCH if oldest is not None else 0
        while found == _BATCH:
            found = connection.execute(_PRUNE, [oldest, _BATCH]).rowcount
            pruned += found
        return pruned
