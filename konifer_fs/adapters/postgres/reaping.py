"""Konifer's protocol of deleting, seen from the background: outbox, sweepers, and who may run them.

Part of the store's changing half. A running Konifer may do the same at the same time: every step skips what is
locked and can be done again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import Connection

from konifer_fs.adapters.postgres import sql_assets, variants
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import PendingDelete

GRACE: Final = timedelta(minutes=5)
_BATCH: Final = 100


def list_pending_deletes(
    connection: Connection, limit: int, after: PendingDelete | None = None
) -> Sequence[PendingDelete]:
    """Give the oldest well-formed rows of the outbox after this one; the others are not ours to judge."""
    found = connection.execute(
        sql_assets.PENDING_DELETES,
        {"limit": limit, "after_at": after and after.told_at, "after_id": after and after.id},
    )
    return [PendingDelete(row_id, ObjectRef(bucket, key), told_at) for row_id, bucket, key, told_at in found]


def drop_pending_delete(connection: Connection, pending: PendingDelete) -> None:
    """Forget an outbox row whose object is gone."""
    connection.execute(sql_assets.DROP_PENDING_DELETE, {"id": pending.id})


def sweep(connection: Connection) -> int:
    """Delete assets never ready and variants never uploaded within 5 minutes, and variants past their time; counts.

    Originals do not expire, and an asset without one is no unfinished upload.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    swept = _sweep_assets(connection, now - GRACE)
    swept += _sweep_variants(connection, sql_assets.DROP_OVERDUE_VARIANTS, now - GRACE)
    if variants.has_column(connection, "expires_at"):
        swept += _sweep_variants(connection, sql_assets.DROP_EXPIRED_VARIANTS, now)
    return swept


@contextmanager
def exclusively(connection: Connection, task: str) -> Iterator[bool]:
    """Hold an advisory lock for `task` on this connection; yields whether it was free."""
    key = {"key": f"konifer-fs {task}"}
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%(key)s, 0))", key).fetchone()
    free = bool(row and row[0])
    try:
        yield free
    finally:
        if free and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%(key)s, 0))", key)


def _sweep_assets(connection: Connection, before: datetime) -> int:
    swept, found = 0, _BATCH
    while found == _BATCH:
        with connection.transaction():
            rows = connection.execute(sql_assets.LOCK_OVERDUE, {"before": before, "limit": _BATCH}).fetchall()
            connection.execute(sql_assets.DROP_ASSETS, {"assets": [row[0] for row in rows]})
        found = len(rows)
        swept += found
    return swept


def _sweep_variants(connection: Connection, statement: str, before: datetime) -> int:
    swept, found = 0, _BATCH
    while found == _BATCH:
        row = connection.execute(statement, {"before": before, "limit": _BATCH}).fetchone()
        found = row[0] if row else 0
        swept += found
    return swept
