"""The statements that find, record and note variants; those that delete them are in `sql_assets`. Used by `variants`.

A variant's row is the columns of `_VARIANT`, all None where the asset is there and the variant is not.
"""

# ruff: noqa: S608 - composed of this module's constants only

from typing import Final

_VARIANT: Final = """v.id, v.asset_id, v.object_store_bucket, v.object_store_key, v.original_variant, v.transformation,
       v.attributes, v.lqip, {size}, {sha256}, v.created_at"""


def _found(condition: str, current: str = "true") -> str:
    return f"""
SELECT {_VARIANT.format(size="coalesce(s.size, n.size)", sha256="coalesce(s.sha256, n.sha256)")}
  FROM (SELECT id FROM asset_tree WHERE id = %(asset)s AND is_ready AND {current} LIMIT 1) a
  LEFT JOIN LATERAL (
    SELECT * FROM asset_variant
     WHERE asset_id = a.id AND {condition} AND uploaded_at IS NOT NULL OFFSET 0) v ON true
  LEFT JOIN LATERAL (SELECT size, sha256 FROM konifer_fs.variant WHERE id = v.id LIMIT 1) s ON true
  LEFT JOIN LATERAL (
    SELECT size, sha256 FROM konifer_fs.node WHERE asset_id = v.asset_id AND v.original_variant LIMIT 1) n ON true
 ORDER BY v.created_at DESC, v.id DESC
"""


VARIANTS_OF_ALL: Final = f"""
SELECT {_VARIANT.format(size="s.size", sha256="s.sha256")}
  FROM asset_variant v
  LEFT JOIN LATERAL (SELECT size, sha256 FROM konifer_fs.variant WHERE id = v.id LIMIT 1) s ON true
 WHERE v.asset_id = ANY(%(assets)s) AND v.uploaded_at IS NOT NULL
 ORDER BY v.created_at DESC, v.id DESC
"""
_NOT_REPLACED: Final = (
    "NOT EXISTS (SELECT FROM konifer_fs.node WHERE id = %(node)s AND asset_id IS DISTINCT FROM %(asset)s)"
)
VARIANTS: Final = _found("true", _NOT_REPLACED)
VARIANT: Final = _found("transformation = %(transformation)s::jsonb")

# Gives no row when the asset is gone, and an empty one when the transformation is taken. `row` may name columns that
# the tables of an older Konifer lack: these are passed over. The lock is what the foreign key takes afterwards;
# taken first, it keeps the order of locks and finds out that the asset goes.
RECORD: Final = f"""
WITH
 asset AS (SELECT id FROM asset_tree WHERE id = %(asset)s AND is_ready FOR KEY SHARE),
 v AS (
  INSERT INTO asset_variant
  SELECT new.* FROM asset, jsonb_populate_record(NULL::asset_variant, %(row)s::jsonb) new
  ON CONFLICT (asset_id, transformation) DO NOTHING
  RETURNING *),
 sized AS (
  INSERT INTO konifer_fs.variant (id, size, sha256) SELECT id, %(size)s, %(sha256)s FROM v RETURNING size, sha256)
SELECT {_VARIANT.format(size="sized.size", sha256="sized.sha256")}
  FROM asset LEFT JOIN v ON true LEFT JOIN sized ON true
"""

# What is locked is being deleted, or noted by somebody else just now; waiting for it could only end in a deadlock.
NOTE_ACCESSES: Final = """
UPDATE asset_variant
   SET last_accessed_at = %(now)s::timestamp,
       expires_at = coalesce(%(now)s::timestamp + %(idle)s::float8 * interval '1 second', expires_at)
 WHERE id = ANY(ARRAY(
         SELECT id FROM asset_variant WHERE id = ANY(%(ids)s::uuid[]) AND NOT original_variant
            FOR NO KEY UPDATE SKIP LOCKED))
   AND (last_accessed_at < %(now)s::timestamp) IS NOT FALSE
"""

# `expires_at` is there from version 6 of Konifer's tables on, `last_accessed_at` from 7.
HAS_COLUMN: Final = """
SELECT EXISTS (
  SELECT FROM pg_attribute
   WHERE attrelid = 'asset_variant'::regclass AND attname = %(column)s AND NOT attisdropped)
"""
