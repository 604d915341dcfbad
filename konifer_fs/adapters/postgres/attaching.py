"""Our triggers on Konifer's asset_tree: they tell mounts what others change.

Used by `migrate`. A database without them works: mounts then ask again each second.
"""

from collections.abc import Sequence
from typing import Final

from psycopg import Connection

from konifer_fs.adapters.postgres.changes import TRIGGERS
from konifer_fs.adapters.postgres.indexes import try_statement

_TABLES: Final = {
    "konifer_fs_insert": ("INSERT", "NEW TABLE AS new_rows"),
    "konifer_fs_update": ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    "konifer_fs_delete": ("DELETE", "OLD TABLE AS old_rows"),
}
_MISSING: Final = """
SELECT name FROM unnest(%s::text[]) name
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('asset_tree') AND tgname = name)
   AND to_regprocedure('konifer_fs.log_assets()') IS NOT NULL
"""
_ADMIT: Final = """
SELECT format('GRANT USAGE ON SCHEMA konifer_fs TO %I', pg_get_userbyid(relowner))
  FROM pg_class WHERE oid = to_regclass('asset_tree')
"""
_ANY: Final = """
SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('asset_tree') AND tgname = ANY(%s::text[]))
"""


def add_triggers(connection: Connection) -> Sequence[str]:
    """Make the triggers that are missing; gives the statements of those that only the table's owner may make.

    These name a function in our schema, which that role is let into.
    """
    statements = [_spell(name) for (name,) in connection.execute(_MISSING, [list(TRIGGERS)]).fetchall()]
    left = [statement for statement in statements if not try_statement(connection, statement)]
    for (grant,) in connection.execute(_ADMIT).fetchall() if left else ():
        try_statement(connection, grant)
    return left


def has_triggers(connection: Connection) -> bool:
    """Whether some of them are there: a later version may add to them."""
    row = connection.execute(_ANY, [list(TRIGGERS)]).fetchone()
    return bool(row and row[0])


def _spell(name: str) -> str:
    event, tables = _TABLES[name]
    return (
        f"CREATE TRIGGER {name} AFTER {event} ON asset_tree REFERENCING {tables}"
        " FOR EACH STATEMENT EXECUTE FUNCTION konifer_fs.log_assets()"
    )
