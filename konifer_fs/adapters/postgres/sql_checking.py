"""The statements of `checking`: what refers to objects, and what contradicts itself. They read whole tables."""

# ruff: noqa: S608 - composed of this module's constants only

from typing import Final

# Konifer's outbox may hold what we would not write; whatever names an object protects it.
_OUTBOX: Final = """
  FROM (SELECT payload->>'objectStoreBucket' AS bucket, payload->>'objectStoreKey' AS key, created_at
          FROM outbox WHERE event_type = 'VARIANT_DELETED') o"""


def _variants(condition: str) -> str:
    return f"""
SELECT v.object_store_bucket AS bucket, v.object_store_key AS key,
       CASE WHEN v.uploaded_at IS NOT NULL THEN v.id END AS variant, v.original_variant AS is_original,
       coalesce(CASE WHEN v.original_variant THEN n.size END, s.size) AS size,
       CASE WHEN v.original_variant THEN n.sha256 ELSE s.sha256 END AS sha256,
       v.created_at, a.path::text AS path, a.entry_id, n.name
  FROM asset_variant v
  LEFT JOIN asset_tree a ON a.id = v.asset_id
  LEFT JOIN konifer_fs.node n ON n.asset_id = v.asset_id
  LEFT JOIN konifer_fs.variant s ON s.id = v.id
 WHERE {condition}"""


REFERENCE: Final = _variants("v.id = %(variant)s")

REFERENCES: Final = f"""
SELECT * FROM (
{_variants("v.object_store_bucket = %(bucket)s")}
UNION ALL
SELECT bucket, key, NULL, false, NULL, NULL, created_at, NULL, NULL, NULL
{_OUTBOX} WHERE bucket = %(bucket)s AND key IS NOT NULL) r
 ORDER BY key COLLATE "C"
"""

# Those of which no size is known.
UNSIZED: Final = f"""
SELECT * FROM ({_variants("v.object_store_bucket = %(bucket)s AND v.uploaded_at IS NOT NULL")}) r
 WHERE size IS NULL ORDER BY key COLLATE "C"
"""

COUNT_UNSIZED: Final = """
SELECT count(*)
  FROM asset_variant v
  LEFT JOIN konifer_fs.node n ON n.asset_id = v.asset_id AND v.original_variant
  LEFT JOIN konifer_fs.variant s ON s.id = v.id
 WHERE v.uploaded_at IS NOT NULL AND n.size IS NULL AND s.size IS NULL
"""

COUNT: Final = "SELECT (SELECT count(*) FROM asset_variant) + (SELECT count(*) FROM outbox)"

BUCKETS: Final = f"""
SELECT bucket FROM (
  SELECT DISTINCT object_store_bucket AS bucket FROM asset_variant UNION SELECT bucket {_OUTBOX}) b
 WHERE bucket IS NOT NULL ORDER BY bucket COLLATE "C"
"""

# Joined, for a condition `= ANY(keys)` compares each row with each key, and there is no index of keys.
UNREFERENCED: Final = f"""
SELECT bucket, key FROM unnest(%(buckets)s::text[], %(keys)s::text[]) AS asked (bucket, key)
 WHERE NOT EXISTS (SELECT FROM asset_variant v
                    WHERE v.object_store_bucket = asked.bucket AND v.object_store_key = asked.key)
   AND NOT EXISTS (SELECT {_OUTBOX} WHERE o.bucket = asked.bucket AND o.key = asked.key)
"""

WITHOUT_ORIGINAL: Final = """
SELECT a.path::text, a.entry_id, n.name
  FROM asset_tree a LEFT JOIN konifer_fs.node n ON n.asset_id = a.id
 WHERE NOT EXISTS (SELECT FROM asset_variant v WHERE v.asset_id = a.id AND v.original_variant)
 ORDER BY a.path, a.entry_id
"""

LOW_COUNTERS: Final = """
SELECT e.path::text, e.highest, c.last_entry_id
  FROM (SELECT path, max(entry_id) AS highest FROM asset_tree GROUP BY path) e
  LEFT JOIN path_entry_counter c ON c.path = e.path
 WHERE c.last_entry_id IS NULL OR c.last_entry_id < e.highest
 ORDER BY e.path
"""

RAISE_COUNTERS: Final = """
INSERT INTO path_entry_counter AS c (path, last_entry_id)
SELECT path, max(entry_id) FROM asset_tree WHERE path = ANY(%(paths)s::ltree[]) GROUP BY path ORDER BY path
ON CONFLICT (path) DO UPDATE SET last_entry_id = greatest(c.last_entry_id, excluded.last_entry_id)
"""

_DEAD: Final = "a.id IS NULL OR d.path <> a.path"

DEAD_NAMES: Final = f"""
SELECT n.id, d.path::text, n.name, a.id IS NULL
  FROM konifer_fs.node n
  LEFT JOIN asset_tree a ON a.id = n.asset_id
  LEFT JOIN konifer_fs.node d ON d.id = n.parent
 WHERE n.asset_id IS NOT NULL AND ({_DEAD})
 ORDER BY n.id
"""

REMOVE_DEAD_NAMES: Final = f"""
WITH
 dead AS (
  SELECT n.id, a.id IS NULL AS is_gone
    FROM konifer_fs.node n
    LEFT JOIN asset_tree a ON a.id = n.asset_id
    LEFT JOIN konifer_fs.node d ON d.id = n.parent
   WHERE n.id = ANY(%(ids)s) AND n.asset_id IS NOT NULL AND ({_DEAD})
   ORDER BY n.id FOR UPDATE OF n),
 removed AS (DELETE FROM konifer_fs.node n USING dead WHERE n.id = dead.id AND dead.is_gone)
UPDATE konifer_fs.node n SET parent = NULL, name = NULL FROM dead WHERE n.id = dead.id AND NOT dead.is_gone
"""

_SAME: Final = "FROM asset_variant WHERE id = %(variant)s AND object_store_key = %(key)s"

# The size is in one of the two.
CORRECT_SIZE: Final = f"""
WITH
 node AS (
  UPDATE konifer_fs.node SET size = %(size)s
   WHERE asset_id = (SELECT asset_id {_SAME} AND original_variant) AND size = %(before)s RETURNING id),
 variant AS (
  UPDATE konifer_fs.variant SET size = %(size)s WHERE id = (SELECT id {_SAME}) AND size = %(before)s RETURNING id)
SELECT FROM node UNION ALL SELECT FROM variant
"""
