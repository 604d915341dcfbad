"""Reading a Konifer's database in which our schema is not: statements find our tables as a new schema has them.

Used by the store of a read-only mount. Nothing is made for it, not even a temporary table, which who may only read, and
a standby, cannot have: what a statement names of `konifer_fs` becomes a part of the statement. So that all others are
read as they are written, the cursors of these connections do it.
"""

import re
from functools import cache, lru_cache
from typing import Any, Final, Self

from psycopg import Cursor, ServerCursor
from psycopg.abc import Params, Query
from psycopg.rows import TupleRow

from konifer_fs.adapters.postgres.connecting import BoundedConnection
from konifer_fs.adapters.postgres.migrate import list_migrations

# A store that was not joined has no id: this one stays while the database does, and is the same on its standbys.
TABLES: Final = {
    "store": """
SELECT md5(c.system_identifier || '/' || d.oid)::uuid AS id
  FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()""",
    "node": """
SELECT 1::bigint AS id, NULL::bigint AS parent, NULL::text COLLATE "C" AS name, 'root'::ltree AS path,
       NULL::uuid AS asset_id, NULL::text COLLATE "C" AS target, NULL::bigint AS size, NULL::bytea AS sha256,
       NULL::integer AS mode, NULL::bigint AS uid, NULL::bigint AS gid, NULL::bigint AS mtime, NULL::bigint AS ctime,
       NULL::bigint AS received_size, NULL::bytea AS received_sha256""",
    "attribute": """
SELECT NULL::bigint AS node, NULL::text COLLATE "C" AS name, NULL::bytea AS value WHERE false""",
    "variant": """
SELECT NULL::uuid AS id, NULL::bigint AS size, NULL::bytea AS sha256 WHERE false""",
}
_OURS: Final = re.compile(r"\bkonifer_fs\.(\w+)")
_AFTER: Final = re.compile(r"\bkonifer_fs\.after\(((?:[^()]|\([^()]*\))*)\)")
_AFTER_MADE: Final = re.compile(r"FUNCTION konifer_fs\.after\(p ltree\).*?\bRETURN\b(.*?);", re.DOTALL)
_WITH: Final = re.compile(r"\s*WITH\s+(?:RECURSIVE\s+)?")
_MOST_KEPT: Final = 256


class UnjoinedConnection(BoundedConnection):
    """A connection whose statements may read our tables, which are not there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - psycopg's own, passed on
        super().__init__(*args, **kwargs)
        self.cursor_factory = _UnjoinedCursor
        self.server_cursor_factory = _UnjoinedServerCursor


class _UnjoinedCursor(Cursor[TupleRow]):
    def execute(self, query: Query, params: Params | None = None, **kwargs: Any) -> Self:  # noqa: ANN401
        return super().execute(_spelled(query), params, **kwargs)


class _UnjoinedServerCursor(ServerCursor[TupleRow]):
    def execute(self, query: Query, params: Params | None = None, **kwargs: Any) -> Self:  # noqa: ANN401
        return super().execute(_spelled(query), params, **kwargs)


def _spelled(query: Query) -> Any:  # noqa: ANN401 - as psycopg's overloads want it
    return spell(query) if isinstance(query, str) else query


@lru_cache(_MOST_KEPT)
def spell(statement: str) -> str:
    """Give a reading statement as it is without our schema; as it stands where it names nothing of it."""
    text = _AFTER.sub(lambda call: f"(SELECT{_body_of_after()} FROM (SELECT {call[1]} AS p) a)", statement)
    named = dict.fromkeys(_OURS.findall(text))
    if not named:
        return text
    tables = ",\n".join(f"{name} AS NOT MATERIALIZED ({TABLES[name]})" for name in named)
    text = _OURS.sub(r"\1", text)
    own = _WITH.match(text)
    return f"WITH RECURSIVE {tables}{',' if own else ''}\n{text[own.end() :] if own else text}"


@cache
def _body_of_after() -> str:
    made = [found for migration in list_migrations("konifer_fs") for found in _AFTER_MADE.findall(migration.text)]
    return str(made[-1])
