"""The statements that change directories, names and ownership. Used by the changing modules beside it.

Whoever changes what a directory shows locks its row first; that decides every race between mounts, because each
mount does so. What the lock protects is read by a later statement: in READ COMMITTED a statement that waits for a
lock still sees everything else as of its own beginning.
"""

# ruff: noqa: S608 - composed of this module's constants only

from typing import Final

from konifer_fs.adapters.postgres import sql_columns

# EXISTS would drop the ORDER BY, which keeps the range off Konifer's GiST index.
_HOLDS: Final = """(SELECT true FROM asset_tree
        WHERE path >= %(path)s::ltree AND path < konifer_fs.after(%(path)s::ltree) ORDER BY asset_tree.path LIMIT 1)"""

# A directory that was not made when it was read is found by its path, and by its id once it was made and renamed.
LOCK_DIRECTORY: Final = f"""
UPDATE konifer_fs.node
   SET mtime = coalesce(%(now)s::bigint, mtime), ctime = coalesce(%(now)s::bigint, ctime)
 WHERE path IS NOT NULL
   AND id = CASE WHEN %(made)s THEN %(id)s::bigint ELSE coalesce(
     (SELECT id FROM konifer_fs.node WHERE path = %(path)s::ltree),
     (SELECT %(id)s::bigint WHERE {_HOLDS} IS NULL)) END
RETURNING id, path::text
"""

LOCK_DIRECTORIES: Final = """
SELECT id, path::text FROM konifer_fs.node WHERE id = ANY(%(ids)s::bigint[]) AND path IS NOT NULL
 ORDER BY id FOR NO KEY UPDATE
"""

LOCK_PATHS: Final = """
SELECT id, path::text FROM konifer_fs.node WHERE path = ANY(%(paths)s::text[]::ltree[]) ORDER BY id FOR UPDATE
"""

LOCK_TREES: Final = """
SELECT id FROM konifer_fs.node
 WHERE id = ANY(ARRAY(
   SELECT unnest(%(ids)s::bigint[])
   UNION
   SELECT n.id FROM unnest(%(paths)s::text[]::ltree[]) top
    CROSS JOIN LATERAL (
      SELECT id FROM konifer_fs.node WHERE path >= top AND path < konifer_fs.after(top) OFFSET 0) n))
 ORDER BY id FOR UPDATE
"""

LOCK_NEAREST: Final = """
SELECT id, path::text FROM konifer_fs.node WHERE path = ANY(%(paths)s::text[]::ltree[])
 ORDER BY nlevel(path) DESC LIMIT 1 FOR NO KEY UPDATE
"""

TOUCH: Final = """
UPDATE konifer_fs.node SET mtime = %(now)s::bigint, ctime = %(now)s::bigint WHERE id = ANY(%(ids)s::bigint[])
"""

HOLDER: Final = """
SELECT id, asset_id IS NOT NULL, path::text FROM konifer_fs.node
 WHERE parent = %(parent)s AND name = %(name)s AND path IS DISTINCT FROM %(path)s::ltree
"""

UNNAME: Final = "UPDATE konifer_fs.node SET parent = NULL, name = NULL WHERE id = %(id)s"

RENAME: Final = "UPDATE konifer_fs.node SET name = %(name)s WHERE id = %(id)s"

_NEW_ID: Final = """CASE WHEN EXISTS (SELECT FROM konifer_fs.node WHERE id = %(id)s::bigint)
       THEN nextval('konifer_fs.node_id_seq') ELSE %(id)s::bigint END"""


def _insert_directory(parent: str, source: str) -> str:
    return f"""
INSERT INTO konifer_fs.node (id, parent, name, path, mode, uid, gid, mtime, ctime)
SELECT {_NEW_ID}, {parent}, %(name)s, %(path)s::ltree,
       %(mode)s::int, %(uid)s::bigint, %(gid)s::bigint, %(mtime)s::bigint, %(ctime)s::bigint {source}
ON CONFLICT DO NOTHING RETURNING id
"""


INSERT_DIRECTORY: Final = _insert_directory("%(parent)s::bigint", "")

# Does nothing when the directory above is elsewhere by now, or when anything has one of the names.
MAKE_DIRECTORY: Final = f"""
WITH
 here AS (
  SELECT d.id AS parent FROM konifer_fs.node d
   WHERE d.id = %(parent)s AND d.path = %(above)s::ltree
     AND NOT EXISTS (SELECT FROM konifer_fs.node WHERE parent = %(parent)s AND name = ANY(%(names)s::text[]))
     AND NOT {sql_columns.HAS_DIRECTORY.format("d.path", "%(labels)s")}),
 touched AS (
  UPDATE konifer_fs.node n SET mtime = %(now)s::bigint, ctime = %(now)s::bigint FROM here WHERE n.id = here.parent)
{_insert_directory("here.parent", "FROM here")}"""

INSERT_SYMLINK: Final = """
INSERT INTO konifer_fs.node (parent, name, target, mode, uid, gid, mtime, ctime)
VALUES (%(parent)s, %(name)s, %(target)s, %(mode)s, %(uid)s, %(gid)s, %(mtime)s, %(ctime)s)
RETURNING id
"""

# Gives entries their names, and rows where they have none. The assets are locked because of two at once that make
# the row of one entry, one would fail with the id taken: ON CONFLICT is about the asset alone.
NAME_ENTRIES: Final = """
INSERT INTO konifer_fs.node AS n (id, parent, name, asset_id, ctime)
SELECT CASE WHEN EXISTS (SELECT FROM konifer_fs.node WHERE id = u.id)
            THEN nextval('konifer_fs.node_id_seq') ELSE u.id END,
       %(parent)s::bigint, u.name, a.id, %(ctime)s::bigint
  FROM unnest(%(ids)s::bigint[], %(assets)s::uuid[], %(names)s::text[]) u (id, asset, name)
  JOIN asset_tree a ON a.id = u.asset
   FOR NO KEY UPDATE OF a
ON CONFLICT (asset_id) DO UPDATE
   SET parent = excluded.parent, name = excluded.name, ctime = coalesce(excluded.ctime, n.ctime)
RETURNING n.id
"""

ENTRY_NODE: Final = f"""
INSERT INTO konifer_fs.node AS n (id, asset_id)
SELECT {_NEW_ID}, a.id FROM asset_tree a WHERE a.id = %(asset)s FOR NO KEY UPDATE
ON CONFLICT (asset_id) DO UPDATE SET asset_id = excluded.asset_id
RETURNING n.id
"""

PLACE: Final = """
UPDATE konifer_fs.node SET parent = %(parent)s, name = %(name)s, ctime = %(ctime)s WHERE id = %(id)s RETURNING id
"""

# Out of the way within an exchange: real names have at most 255 bytes.
PARK: Final = "UPDATE konifer_fs.node SET name = repeat('-', 256) || id WHERE id = %(id)s AND parent IS NOT NULL"

SET_OWNERSHIP: Final = """
UPDATE konifer_fs.node
   SET mode = coalesce(%(mode)s::int, mode), uid = coalesce(%(uid)s::bigint, uid), gid = coalesce(%(gid)s::bigint, gid),
       mtime = coalesce(%(mtime)s::bigint, mtime), ctime = coalesce(%(ctime)s::bigint, ctime)
 WHERE id = %(id)s
RETURNING mode, uid, gid, mtime, ctime
"""

# The foreign key of what moves along is looked at when all of it has moved.
RENUMBER: Final = """
WITH moved AS (UPDATE konifer_fs.attribute SET node = %(number)s WHERE node = %(id)s)
UPDATE konifer_fs.node SET id = %(number)s WHERE id = %(id)s RETURNING id
"""

LOCK_NODE: Final = "SELECT id FROM konifer_fs.node WHERE id = %(id)s FOR NO KEY UPDATE"

CHANGED: Final = "UPDATE konifer_fs.node SET ctime = %(ctime)s WHERE id = %(id)s"

REMOVE_SYMLINK: Final = """
DELETE FROM konifer_fs.node WHERE id = %(id)s AND parent = %(parent)s AND name = %(name)s AND target IS NOT NULL
RETURNING id
"""

# A file's row below a path without assets is stale: its asset was moved away by another writer.
_HOLDS_ANYTHING: Final = f"""(EXISTS (SELECT FROM konifer_fs.node WHERE parent = %(id)s AND path IS NOT NULL)
    OR EXISTS (SELECT FROM konifer_fs.node WHERE parent = %(id)s AND target IS NOT NULL)
    OR {_HOLDS} IS NOT NULL)"""

HOLDS_ANYTHING: Final = f"SELECT {_HOLDS_ANYTHING}"

# Does nothing unless the directory is where it was, and empty.
DROP_EMPTY: Final = f"""
WITH
 empty AS (
  SELECT d.id, above.id AS above
    FROM konifer_fs.node d JOIN konifer_fs.node above ON above.path = %(above)s::ltree
   WHERE d.id = %(id)s AND d.path = %(path)s::ltree AND NOT {_HOLDS_ANYTHING}),
 unnamed AS (UPDATE konifer_fs.node n SET parent = NULL, name = NULL FROM empty WHERE n.parent = empty.id),
 touched AS (
  UPDATE konifer_fs.node n SET mtime = %(now)s::bigint, ctime = %(now)s::bigint FROM empty WHERE n.id = empty.above)
DELETE FROM konifer_fs.node n USING empty WHERE n.id = empty.id RETURNING n.id
"""

UNNAME_CHILDREN: Final = "UPDATE konifer_fs.node SET parent = NULL, name = NULL WHERE parent = %(id)s"

REMOVE_NODE: Final = "DELETE FROM konifer_fs.node WHERE id = %(id)s"

RESERVE_IDS: Final = "SELECT nextval('konifer_fs.node_id_seq') FROM generate_series(1, %(count)s)"
