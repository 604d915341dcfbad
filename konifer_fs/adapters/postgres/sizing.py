"""Recording the sizes of objects that Konifer stored. Used by the store, and by `checking`.

Whoever deletes a variant meanwhile is waited for: its row is the one that ours refers to.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg import Connection

from konifer_fs.domain.node import Entry

_RECORD: Final = """
WITH variant AS MATERIALIZED (
  SELECT v.id, u.size
    FROM unnest(%(ids)s::uuid[], %(sizes)s::bigint[]) u (id, size) JOIN asset_variant v ON v.id = u.id
   ORDER BY v.id FOR KEY SHARE OF v)
INSERT INTO konifer_fs.variant (id, size) SELECT id, size FROM variant ON CONFLICT (id) DO NOTHING
"""
_ORIGINALS: Final = """
SELECT v.id, u.size
  FROM unnest(%(assets)s::uuid[], %(keys)s::text[], %(sizes)s::bigint[]) u (asset, key, size)
 CROSS JOIN LATERAL (
   SELECT id, object_store_key FROM asset_variant WHERE asset_id = u.asset AND original_variant LIMIT 1) v
 WHERE v.object_store_key = u.key
"""


def record_sizes(connection: Connection, sizes: Mapping[UUID, int]) -> int:
    """Record the sizes of variants' objects where none is; counts."""
    values = {"ids": list(sizes), "sizes": list(sizes.values())}
    return connection.execute(_RECORD, values).rowcount


def record_original_sizes(connection: Connection, found: Sequence[tuple[Entry, int]]) -> None:
    """Record the sizes of entries' objects, of those that have the same object still."""
    values = {
        "assets": [entry.asset_id for entry, _ in found],
        "keys": [entry.original.key for entry, _ in found if entry.original],
        "sizes": [size for _, size in found],
    }
    record_sizes(connection, dict(connection.execute(_ORIGINALS, values).fetchall()))
