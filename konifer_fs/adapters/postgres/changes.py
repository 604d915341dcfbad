"""The change feed on PostgreSQL: what became visible in `konifer_fs.change_log` since the last look.

A position is a snapshot. By a sequence's numbers, changes of transactions that commit out of order were lost. NOTIFY
only wakes: who finds another about to signal does not signal itself, so whatever was in progress at a wake-up is looked
for again soon, and everything every `SAFETY_SECONDS`.
"""

import logging
import os
import select
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final

from psycopg import Error

from konifer_fs.adapters.postgres.connecting import BoundedConnection, configure
from konifer_fs.domain.changes import AssetChanged, Change, NodeChanged, SubtreeChanged
from konifer_fs.domain.node import derived_id
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports.changes import Listener

log = logging.getLogger(__name__)

SAFETY_SECONDS: Final = 0.5
TRIGGERS: Final = ("konifer_fs_insert", "konifer_fs_update", "konifer_fs_delete")
# A connection that is silent for longer is given up: its mount has taken nothing for known since.
_DEADLINE: Final = 3.0
_RECONNECT_SECONDS: Final = 1.0
# Between looks at what many writers change: all that they change meanwhile is read at once.
_BREATHER: Final = 0.02
_FIRST_AGAIN: Final = 0.005
_LAST_AGAIN: Final = 0.16
# So many changes at once are told as one of everything.
_MOST: Final = 10_000

_HAS_TRIGGERS: Final = """
SELECT count(*) FROM pg_trigger
 WHERE tgrelid = to_regclass('asset_tree') AND tgname = ANY (%s::text[]) AND tgenabled <> 'D'
"""
_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text, NULL"
_SINCE: Final = """
SELECT pg_current_snapshot()::text, c.kind, c.path::text, c.asset_id, coalesce(c.node, n.id), c.parent, c.name
  FROM (SELECT) one
  LEFT JOIN LATERAL (
    (SELECT * FROM konifer_fs.change_log
      WHERE xid >= pg_snapshot_xmax(%(last)s::pg_snapshot) AND writer <> %(own)s LIMIT %(most)s)
    UNION ALL
    (SELECT * FROM konifer_fs.change_log
      WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(%(last)s::pg_snapshot))) AND writer <> %(own)s LIMIT %(most)s)
  ) c ON true
  LEFT JOIN LATERAL (SELECT id FROM konifer_fs.node WHERE asset_id = c.asset_id LIMIT 1) n ON true
"""


class PostgresChangeFeed:
    """Implements `ports.ChangeFeed` with a connection of its own, which no pooler may share.

    Changes by `application_name` are this mount's own.
    """

    def __init__(self, conninfo: str, *, application_name: str) -> None:
        self._conninfo = conninfo
        self._own = application_name
        self._closed, self._close = os.pipe()
        weakref.finalize(self, os.close, self._closed)  # `follow`, which waits for it, refers to the feed.
        self._is_closed = False
        self._notified = False
        self._was_interrupted = False

    def follow(self, tell: Listener) -> None:
        """Tell what others change, until closed; returns at once where asset_tree lacks our triggers."""
        while not self._is_closed:
            try:
                with self._connect() as connection:
                    if not _has_triggers(connection):
                        log.warning(
                            "asset_tree has no triggers of konifer-fs (`konifer-fs migrate` says why): nobody tells of "
                            "changes, and what is cached is asked for again each second"
                        )
                        return
                    self._follow(connection, tell)
            except (Error, OSError) as error:
                if not self._was_interrupted:
                    log.warning("changes of others are not told, until it works again: %s", error)
                self._was_interrupted = True
                self._wait(None, _RECONNECT_SECONDS)

    def close(self) -> None:
        """Let `follow` return."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self._close)

    def _connect(self) -> BoundedConnection:
        connection = BoundedConnection.connect(
            self._conninfo, autocommit=True, application_name=self._own, connect_timeout=int(_DEADLINE)
        )
        configure(connection, _DEADLINE)
        return connection

    def _follow(self, connection: BoundedConnection, tell: Listener) -> None:
        connection.add_notify_handler(lambda _: self._note_wake_up())
        connection.execute("LISTEN konifer_fs")
        (snapshot, _) = connection.execute(_SNAPSHOT).fetchone() or ("", None)
        tell(None)
        if self._was_interrupted:
            log.info("changes of others are told again")
        self._was_interrupted = False
        awaited: set[str] = set()
        pause, again = SAFETY_SECONDS, _FIRST_AGAIN
        while not self._is_closed:
            self._notified = self._wait(connection, pause)
            looked = time.monotonic()
            rows = connection.execute(_SINCE, {"last": snapshot, "own": self._own, "most": _MOST}).fetchall()
            snapshot = rows[0][0]
            tell(_changes_of(rows))
            in_progress = set(filter(None, snapshot.rpartition(":")[2].split(",")))
            if self._notified:
                awaited, again = in_progress, _FIRST_AGAIN
            awaited &= in_progress
            pause = again if awaited else SAFETY_SECONDS
            again = min(2 * again, _LAST_AGAIN)
            self._wait(None, _BREATHER - (time.monotonic() - looked))

    def _note_wake_up(self) -> None:
        self._notified = True

    def _wait(self, connection: BoundedConnection | None, seconds: float) -> bool:
        """Wait until closed, or until the server has something to say; gives whether it has."""
        if connection is not None and self._notified:
            return True
        waiting = [self._closed] if connection is None else [self._closed, connection.fileno()]
        ready, _, _ = select.select(waiting, (), (), max(0.0, seconds))
        return bool(ready) and connection is not None


def _has_triggers(connection: BoundedConnection) -> bool:
    row = connection.execute(_HAS_TRIGGERS, [list(TRIGGERS)]).fetchone()
    return row is not None and row[0] == len(TRIGGERS)


def _changes_of(rows: Sequence[Sequence[Any]]) -> Sequence[Change]:
    if len(rows) >= _MOST:
        return [SubtreeChanged(path=AssetPath())]
    return [_change_of(*row) for row in dict.fromkeys(row[1:] for row in rows) if row[0] is not None]


def _change_of(kind: str, path: str | None, asset_id: Any, node: int, parent: int | None, name: str | None) -> Change:  # noqa: ANN401
    if kind == "n":
        return NodeChanged(id=node, parent=parent, name=name)
    if kind == "a" and path is not None:
        return AssetChanged(id=derived_id(asset_id) if node is None else node, path=AssetPath.from_ltree(path))
    return SubtreeChanged(path=AssetPath() if path is None else AssetPath.from_ltree(path))
