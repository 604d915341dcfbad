"""The statements that record, delete and move assets by Konifer's protocol. Used by the changing modules beside it.

Locks are taken in one order everywhere: rows of directories by id, rows of assets by id, entry counters (Konifer's
trigger takes them at an insert), rows of files. A variant's row is waited for under its asset's lock, or alone.
"""

# ruff: noqa: S608 - composed of this module's constants only

from typing import Final

from konifer_fs.adapters.postgres import sql_columns, sql_moves

_TELL: Final = """told AS (
  INSERT INTO outbox (id, event_type, payload, created_at)
  SELECT gen_random_uuid(), 'VARIANT_DELETED',
         jsonb_build_object('objectStoreBucket', object_store_bucket, 'objectStoreKey', object_store_key),
         clock_timestamp() AT TIME ZONE 'UTC'
    FROM dropped)"""

# The directory's times move only when the name is new there, and never back: a draft may be stored late, after
# somebody has set the time.
LOCK_DIRECTORY: Final = """
UPDATE konifer_fs.node
   SET mtime = CASE WHEN %(named)s::bigint > coalesce(ctime, 0) THEN %(named)s::bigint ELSE mtime END,
       ctime = greatest(ctime, nullif(%(named)s::bigint, 0))
 WHERE id = %(dir)s AND path IS NOT NULL RETURNING path::text
"""

# The asset that had the name and was moved elsewhere by another writer loses the name, which nobody believed.
LOCK_NAMED: Final = """
WITH stale AS (
  UPDATE konifer_fs.node n SET parent = NULL, name = NULL
    FROM asset_tree a, konifer_fs.node d
   WHERE n.parent = %(dir)s AND n.name = %(name)s AND a.id = n.asset_id AND d.id = %(dir)s AND a.path <> d.path)
SELECT a.id FROM konifer_fs.node n JOIN asset_tree a ON a.id = n.asset_id
 WHERE n.parent = %(dir)s AND n.name = %(name)s FOR UPDATE OF a
"""

# Does nothing when the directory is gone, or when the name is a directory's or a symbolic link's. The ORDER BY keeps
# the range of paths off Konifer's GiST index.
COMMIT_DRAFT: Final = f"""
WITH
 here AS (
  SELECT d.path FROM konifer_fs.node d
   WHERE d.id = %(dir)s AND d.path IS NOT NULL
     AND NOT EXISTS (SELECT FROM konifer_fs.node WHERE parent = %(dir)s AND name = %(name)s AND asset_id IS NULL)
     AND NOT {sql_columns.HAS_DIRECTORY.format("d.path", "%(labels)s")}),
 old AS (
  SELECT n.asset_id AS id FROM konifer_fs.node n, here
   WHERE n.parent = %(dir)s AND n.name = %(name)s AND n.asset_id IS NOT NULL),
 asset AS (
  INSERT INTO asset_tree (id, path, alt, source, source_url, is_ready, created_at, modified_at)
  SELECT %(asset)s::uuid, here.path, coalesce(o.alt, ''), CASE WHEN o.source_url IS NULL THEN 'UPLOAD' ELSE 'URL' END,
         o.source_url, true, %(now)s::timestamp, %(now)s::timestamp
    FROM here LEFT JOIN (SELECT a.alt, a.source_url FROM asset_tree a JOIN old USING (id)) o ON true
  RETURNING id, entry_id),
 original AS (
  INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip,
                             original_variant, created_at, uploaded_at)
  SELECT %(variant)s::uuid, id, %(bucket)s, %(key)s, %(transformation)s::jsonb, %(attributes)s::jsonb, %(lqip)s::jsonb,
         true, %(now)s::timestamp, %(now)s::timestamp
    FROM asset),
 labels AS (UPDATE asset_label l SET asset_id = %(asset)s FROM old WHERE l.asset_id = old.id),
 tags AS (UPDATE asset_tag t SET asset_id = %(asset)s FROM old WHERE t.asset_id = old.id),
 dropped AS (
  DELETE FROM asset_variant v USING old WHERE v.asset_id = old.id RETURNING object_store_bucket, object_store_key),
 {_TELL},
 gone AS (DELETE FROM asset_tree a USING old WHERE a.id = old.id)
INSERT INTO konifer_fs.node AS n (id, parent, name, asset_id, size, sha256, received_size, received_sha256,
                                  mode, uid, gid, mtime, ctime)
SELECT CASE WHEN NOT EXISTS (SELECT FROM old) AND EXISTS (SELECT FROM konifer_fs.node WHERE id = %(node)s::bigint)
            THEN nextval('konifer_fs.node_id_seq') ELSE %(node)s::bigint END,
       CASE WHEN %(name)s::text IS NOT NULL THEN %(dir)s::bigint END, %(name)s::text, id,
       %(size)s::bigint, %(sha256)s::bytea,
       %(received_size)s::bigint, %(received_sha256)s::bytea,
       %(mode)s::int, %(uid)s::bigint, %(gid)s::bigint, %(mtime)s::bigint, %(ctime)s::bigint
  FROM asset
ON CONFLICT (parent, name) DO UPDATE
   SET asset_id = excluded.asset_id, size = excluded.size, sha256 = excluded.sha256,
       received_size = excluded.received_size, received_sha256 = excluded.received_sha256, mode = excluded.mode,
       uid = excluded.uid, gid = excluded.gid, mtime = excluded.mtime, ctime = excluded.ctime
RETURNING n.id, (SELECT entry_id FROM asset)
"""

# Under `keep`: the entry before goes on without its name, under another id, for an inode number is its name's.
KEEP_OLD: Final = """
WITH freed AS (DELETE FROM konifer_fs.node WHERE id = %(node)s RETURNING *)
INSERT INTO konifer_fs.node (id, asset_id, size, sha256, received_size, received_sha256,
                             mode, uid, gid, mtime, ctime)
SELECT CASE WHEN EXISTS (SELECT FROM konifer_fs.node WHERE id = %(derived)s::bigint)
            THEN nextval('konifer_fs.node_id_seq') ELSE %(derived)s::bigint END,
       asset_id, size, sha256, received_size, received_sha256, mode, uid, gid, mtime, ctime
  FROM freed
RETURNING id
"""

LOCK_ASSETS: Final = "SELECT id FROM asset_tree WHERE id = ANY(%(assets)s::uuid[]) ORDER BY id FOR UPDATE"

LOCK_ENTRY: Final = """
SELECT a.id
  FROM asset_tree a
  JOIN konifer_fs.node d ON d.id = %(dir)s AND d.path = a.path
  LEFT JOIN konifer_fs.node n ON n.asset_id = a.id
 WHERE a.id = %(asset)s AND (%(name)s::text IS NULL OR n.parent = d.id AND n.name = %(name)s)
   FOR UPDATE OF a
"""


def _drop_assets(doomed: str, more: str = "", returning: str = "") -> str:
    return f"""
WITH
 doomed AS ({doomed}),
 dropped AS (
  DELETE FROM asset_variant v USING doomed WHERE v.asset_id = doomed.id
  RETURNING object_store_bucket, object_store_key),
 {_TELL}{more}
DELETE FROM asset_tree a USING doomed WHERE a.id = doomed.id {returning}
"""


DROP_ASSETS: Final = _drop_assets("SELECT unnest(%(assets)s::uuid[]) AS id")

DROP_REPLACED: Final = _drop_assets(f"SELECT old AS id FROM ({sql_moves.PAIR}) pair")

# What `LOCK_NAMED` has locked, if there is anything.
DROP_NAMED: Final = _drop_assets(
    """
  SELECT a.id, n.id AS node
    FROM konifer_fs.node n JOIN asset_tree a ON a.id = n.asset_id JOIN konifer_fs.node d ON d.path = a.path
   WHERE n.parent = %(dir)s AND n.name = %(name)s AND d.id = %(dir)s""",
    """,
 touched AS (
  UPDATE konifer_fs.node SET mtime = %(now)s::bigint, ctime = %(now)s::bigint
   WHERE id = %(dir)s AND EXISTS (SELECT FROM doomed))""",
    "RETURNING doomed.node",
)

LOCK_OVERDUE: Final = """
SELECT id FROM asset_tree a
 WHERE is_ready IS FALSE AND created_at <= %(before)s
   AND EXISTS (SELECT FROM asset_variant WHERE asset_id = a.id AND original_variant)
 ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

DROP_VARIANT: Final = f"""
WITH
 dropped AS (
  DELETE FROM asset_variant WHERE id = %(id)s AND NOT original_variant RETURNING object_store_bucket, object_store_key),
 {_TELL}
SELECT count(*) FROM dropped
"""


def _drop_variants(condition: str) -> str:
    return f"""
WITH
 doomed AS (
  SELECT id FROM asset_variant WHERE {condition} AND NOT original_variant LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
 dropped AS (
  DELETE FROM asset_variant v USING doomed WHERE v.id = doomed.id RETURNING object_store_bucket, object_store_key),
 {_TELL}
SELECT count(*) FROM dropped
"""


DROP_OVERDUE_VARIANTS: Final = _drop_variants("uploaded_at IS NULL AND created_at <= %(before)s")
DROP_EXPIRED_VARIANTS: Final = _drop_variants("expires_at <= %(before)s")

PENDING_DELETES: Final = """
SELECT id, payload->>'objectStoreBucket', payload->>'objectStoreKey', created_at FROM outbox
 WHERE event_type = 'VARIANT_DELETED'
   AND (%(after_at)s::timestamp IS NULL OR (created_at, id) > (%(after_at)s, %(after_id)s))
   AND jsonb_typeof(payload->'objectStoreBucket') = 'string' AND jsonb_typeof(payload->'objectStoreKey') = 'string'
   AND payload = jsonb_build_object('objectStoreBucket', payload->'objectStoreBucket',
                                    'objectStoreKey', payload->'objectStoreKey')
 ORDER BY created_at, id LIMIT %(limit)s
"""

DROP_PENDING_DELETE: Final = "DELETE FROM outbox WHERE id = %(id)s"
