"""The statements that move entries and whole directories. Used by `moving` and `rebasing`.

A directory's rename costs 15 to 20 us an asset, nearly all of it Konifer's five indexes; rows of files do not
change, for they name their directory by its id.
"""

# ruff: noqa: S608 - composed of this module's constants only

from typing import Final

from konifer_fs.adapters.postgres import sql_columns


def _rebased(column: str, old: str, new: str) -> str:
    # subpath() of all labels is an error, so the directory itself is a case of its own.
    return f"CASE WHEN {column} = {old} THEN {new} ELSE {new} || subpath({column}, nlevel({old})) END"


_TREES: Final = "unnest(%(old)s::text[]::ltree[], %(new)s::text[]::ltree[]) tree (old, new)"
_GROWING: Final = "unnest(%(old)s::text[]::ltree[], %(more)s::int[]) tree (old, more)"
_BELOW: Final = "path >= tree.old AND path < konifer_fs.after(tree.old)"

# One for all directory renames, as the kernel has one; so "into itself" is exact.
SERIALISE: Final = "SELECT pg_advisory_xact_lock(7237123446850546)"

# A rename takes as long as it takes: only what waits for it is bounded. And it must not read whole tables because
# a generic plan cannot know how much lies below a path.
UNBOUND: Final = """
SELECT set_config(name, value, true) FROM (VALUES
  ('statement_timeout', '0'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off')) settings (name, value)
"""


def _next_id(paths: str) -> str:
    return f"""next AS (
  INSERT INTO path_entry_counter AS counter (path) {paths}
  ON CONFLICT (path) DO UPDATE SET last_entry_id = counter.last_entry_id + 1
  RETURNING counter.last_entry_id)"""


MOVE_ASSET: Final = f"""
WITH {_next_id("VALUES (%(path)s::ltree)")}
UPDATE asset_tree SET path = %(path)s::ltree, entry_id = next.last_entry_id FROM next WHERE id = %(asset)s
"""

# A file's rename in one round trip: its node is parked if nothing but another file is in the way, and whatever is done
# after that is done with what is parked. Nobody else ever sees it so.
_NOBODYS_NAME: Final = "repeat('-', 256)"
_PARKED: Final = f"n.parent = %(dir)s AND n.name = {_NOBODYS_NAME}"

LOCK_BOTH: Final = """
SELECT id FROM asset_tree
 WHERE id = ANY(ARRAY(
   SELECT asset_id FROM konifer_fs.node WHERE parent = %(dir)s AND name = %(name)s
   UNION ALL
   SELECT asset_id FROM konifer_fs.node WHERE parent = %(to)s AND name = %(new_name)s))
 ORDER BY id FOR UPDATE
"""

PARK_NAMED: Final = f"""
UPDATE konifer_fs.node n SET name = {_NOBODYS_NAME}
  FROM asset_tree a, konifer_fs.node s, konifer_fs.node t
 WHERE n.parent = %(dir)s AND n.name = %(name)s AND a.id = n.asset_id AND a.is_ready
   AND s.id = %(dir)s AND s.path = a.path AND t.id = %(to)s AND t.path IS NOT NULL
   AND NOT {sql_columns.HAS_DIRECTORY.format("s.path", "%(labels)s")}
   AND NOT {sql_columns.HAS_DIRECTORY.format("t.path", "%(new_labels)s")}
   AND NOT EXISTS (
     SELECT FROM konifer_fs.node r
      WHERE r.parent = %(to)s AND r.name = %(new_name)s
        AND (r.id = n.id OR NOT %(replace)s OR NOT EXISTS (
          SELECT FROM asset_tree o WHERE o.id = r.asset_id AND o.is_ready AND o.path = t.path)))
"""

# What is parked and the file that has the new name, if there is one.
PAIR: Final = f"""
SELECT n.asset_id AS heir, n.id AS node, r.asset_id AS old
  FROM konifer_fs.node n JOIN konifer_fs.node r ON r.parent = %(to)s AND r.name = %(new_name)s
 WHERE {_PARKED}
"""

# Gives the row of an entry.
MOVE_PARKED: Final = f"""
WITH
 here (node, old, new, id, entry_id, format, size, bucket, key, created_at, modified_at, sha256) AS (
  SELECT n.id, a.path, t.path, {sql_columns.ENTRY}
    FROM konifer_fs.node n
    JOIN asset_tree a ON a.id = n.asset_id
    JOIN konifer_fs.node t ON t.id = %(to)s
    {sql_columns.ORIGINAL}
   WHERE {_PARKED}),
 {_next_id("SELECT new FROM here WHERE new <> old")},
 moved AS (
  UPDATE asset_tree a SET path = here.new, entry_id = next.last_entry_id FROM here, next WHERE a.id = here.id),
 touched AS (
  UPDATE konifer_fs.node SET mtime = %(changed)s::bigint, ctime = %(changed)s::bigint
   WHERE id = ANY(%(ids)s::bigint[]) AND EXISTS (SELECT FROM here))
UPDATE konifer_fs.node n SET parent = %(to)s::bigint, name = %(new_name)s, ctime = %(changed)s::bigint
  FROM here
 WHERE n.id = here.node
RETURNING 'f', n.name, {sql_columns.NODE}, here.id, coalesce((SELECT last_entry_id FROM next), here.entry_id),
          here.format, here.size, here.bucket, here.key, here.created_at, here.modified_at, here.sha256,
          NULL::text, here.new::text
"""

# Tells how many.
MOVE_PATHS: Final = f"""
WITH moved AS (
  UPDATE konifer_fs.node SET path = {_rebased("path", "%(old)s::ltree", "%(new)s::ltree")}
   WHERE path >= %(old)s::ltree AND path < konifer_fs.after(%(old)s::ltree)
  RETURNING id)
SELECT count(*) FROM moved
"""

# subpath() makes a value of its own, so that its size is neither a compressed nor a short one.
TOO_LONG: Final = f"""
SELECT EXISTS (
  SELECT FROM {_GROWING}
   WHERE EXISTS (SELECT FROM asset_tree WHERE {_BELOW} AND pg_column_size(subpath(path, 0)) + more > %(limit)s)
      OR EXISTS (SELECT FROM konifer_fs.node WHERE {_BELOW} AND pg_column_size(subpath(path, 0)) + more > %(limit)s))
"""

# Where entries without a name will take other ids, because the new path held some before.
RENUMBERED: Final = f"""
SELECT path::text
  FROM (SELECT {_rebased("c.path", "tree.new", "tree.old")} AS path
          FROM {_TREES}
         CROSS JOIN LATERAL (
           SELECT path FROM path_entry_counter WHERE {_BELOW.replace("old", "new")} OFFSET 0) c) old
 WHERE EXISTS (
   SELECT FROM asset_tree a
     LEFT JOIN LATERAL (SELECT parent FROM konifer_fs.node WHERE asset_id = a.id LIMIT 1) n ON true
     LEFT JOIN LATERAL (SELECT path FROM konifer_fs.node WHERE id = n.parent LIMIT 1) d ON true
    WHERE a.path = old.path AND a.is_ready AND d.path IS DISTINCT FROM a.path)
 ORDER BY old.path
"""

# So that nobody takes the ids that `MOVE_ASSETS` gives, which reads the counters first.
LOCK_COUNTERS: Final = f"""
SELECT path FROM path_entry_counter
 WHERE path = ANY(ARRAY(
   SELECT c.path FROM {_TREES}
    CROSS JOIN LATERAL (SELECT path FROM path_entry_counter WHERE {_BELOW.replace("old", "new")} OFFSET 0) c))
 ORDER BY path FOR UPDATE
"""

# Ids stay where the new path never held an entry, else they are its next ones in the old order.
MOVE_ASSETS: Final = f"""
WITH
 moved AS MATERIALIZED (
  SELECT a.id, {_rebased("a.path", "tree.old", "tree.new")} AS path, a.entry_id,
         row_number() OVER (PARTITION BY a.path ORDER BY a.entry_id) AS n, c.last_entry_id AS last
    FROM {_TREES}
   CROSS JOIN LATERAL (SELECT id, path, entry_id FROM asset_tree WHERE {_BELOW} OFFSET 0) a
    LEFT JOIN LATERAL (SELECT last_entry_id FROM path_entry_counter WHERE path = a.path LIMIT 1) c ON true),
 numbered AS (
  SELECT m.id, m.path, coalesce(t.last_entry_id + m.n, m.entry_id) AS entry_id,
         coalesce(t.last_entry_id + m.n, m.last, m.entry_id) AS last
    FROM moved m
    LEFT JOIN LATERAL (SELECT last_entry_id FROM path_entry_counter WHERE path = m.path LIMIT 1) t ON true),
 counted AS (
  INSERT INTO path_entry_counter AS counter (path, last_entry_id) SELECT path, max(last) FROM numbered GROUP BY path
  ON CONFLICT (path) DO UPDATE SET last_entry_id = greatest(counter.last_entry_id, excluded.last_entry_id))
UPDATE asset_tree a SET path = m.path, entry_id = m.entry_id FROM numbered m WHERE a.id = m.id
"""
