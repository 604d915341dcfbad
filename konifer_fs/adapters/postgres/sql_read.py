"""The statements that read the tree. Used by `reading`; a test explains each of them.

Habits that keep their plans index look-ups under a generic plan, whatever the statistics say:

- Joins are `LEFT JOIN LATERAL (... LIMIT 1)`, which cannot be flattened into a hash join. A look-up by id of one kind
  of node goes through a LIMIT too, else the partial index of that kind is read whole when it is believed small.
- `path = p AND entry_id > ...` takes the unique B-tree, from there on: with a comparison of rows instead it would be
  read from the directory's first entry. `path = p` alone may take Konifer's GiST index, and so may a range of paths
  that is not ordered.
- `ORDER BY` names the table's column, because an output column of the same name may be its text.
"""
# ruff: noqa: S608 - composed of constants only

from functools import reduce
from typing import Final

from konifer_fs.adapters.postgres.sql_columns import (
    BRANCHES,
    ENTRY,
    ENTRY_WITH_PATH,
    HOLDS,
    NO_ENTRY,
    NODE,
    NODE_OF_ASSET,
    ORIGINAL,
)

DIRECTORY: Final = f"""
SELECT {NODE}
  FROM (SELECT) one LEFT JOIN konifer_fs.node n ON n.path = %(p)s::ltree
 WHERE n.id IS NOT NULL
    OR {HOLDS.format("%(p)s::ltree")}
"""

# One row for each meaning that `name` may have; the lowest last column wins.
CHILD: Final = f"""
SELECT 'd', subpath(c.path, -1)::text, {NODE}, {NO_ENTRY}, NULL::text, c.rank
  FROM (SELECT spelled::ltree AS path, rank FROM unnest(%(paths)s::text[]) WITH ORDINALITY u (spelled, rank)) c
  LEFT JOIN LATERAL (SELECT * FROM konifer_fs.node WHERE path = c.path LIMIT 1) n ON true
 WHERE n.id IS NOT NULL
    OR {HOLDS.format("c.path")}
UNION ALL
SELECT CASE WHEN n.target IS NULL THEN 'f' ELSE 'l' END, n.name, {NODE}, {ENTRY}, n.target, 10
  FROM konifer_fs.node n
  LEFT JOIN LATERAL (SELECT * FROM asset_tree WHERE id = n.asset_id LIMIT 1) a ON true
  {ORIGINAL}
 WHERE n.parent = %(id)s AND n.name = %(name)s AND (n.target IS NOT NULL OR a.is_ready AND a.path = %(p)s::ltree)
UNION ALL
SELECT 'f', CASE WHEN n.parent = %(id)s THEN n.name END, {NODE}, {ENTRY}, NULL, 11
  FROM asset_tree a {NODE_OF_ASSET} {ORIGINAL}
 WHERE a.path = %(p)s::ltree AND a.entry_id = %(entry)s AND a.is_ready
"""

# One page: directories after `last`, then entries after `entry`, then symlinks after `link`; the flags say which of
# the three still have any. Directories come from rows of ours, and from a skip scan: a step reads four times as many
# assets as the one before it found directories, so few where each holds many, and up to 100 where each holds few.
CHILDREN: Final = f"""
WITH RECURSIVE
 scan (found) AS (
  SELECT ARRAY[(SELECT subpath(a.path, 0, nlevel(%(p)s::ltree) + 1) FROM asset_tree a
    WHERE %(directories)s AND a.path >= coalesce(konifer_fs.after(%(last)s::ltree), %(p)s::ltree || '-')
      AND a.path < konifer_fs.after(%(p)s::ltree) AND a.is_ready
    ORDER BY a.path LIMIT 1)]
  UNION ALL
  SELECT (SELECT array_agg(DISTINCT child) FROM (
    SELECT subpath(a.path, 0, nlevel(%(p)s::ltree) + 1) AS child FROM asset_tree a
     WHERE a.path >= konifer_fs.after(s.found[cardinality(s.found)])
       AND a.path < konifer_fs.after(%(p)s::ltree) AND a.is_ready
     ORDER BY a.path LIMIT least(100, 4 * cardinality(s.found))) batch)
  FROM scan s WHERE s.found[cardinality(s.found)] IS NOT NULL),
 implicit AS (SELECT path FROM scan, unnest(found) AS path),
 directories AS (
  SELECT path FROM (
   (SELECT path FROM implicit WHERE path IS NOT NULL LIMIT %(page)s)
   UNION
   (SELECT path FROM konifer_fs.node
     WHERE %(directories)s AND parent = %(id)s
       AND path >= coalesce(konifer_fs.after(%(last)s::ltree), %(p)s::ltree || '-')
     ORDER BY path LIMIT %(page)s)) u
  ORDER BY path LIMIT %(page)s),
 entries AS (
  SELECT * FROM asset_tree
   WHERE %(entries)s AND path = %(p)s::ltree AND entry_id > %(entry)s::bigint AND is_ready
   ORDER BY path, entry_id LIMIT %(page)s),
 symlinks AS (
  SELECT * FROM konifer_fs.node
   WHERE parent = %(id)s AND target IS NOT NULL AND name > %(link)s ORDER BY name LIMIT %(page)s)
SELECT 'd', subpath(d.path, -1)::text, {NODE}, {NO_ENTRY}, NULL::text
  FROM directories d
  LEFT JOIN LATERAL (SELECT * FROM konifer_fs.node WHERE path = d.path LIMIT 1) n ON true
UNION ALL
SELECT 'f', CASE WHEN n.parent = %(id)s THEN n.name END, {NODE}, {ENTRY}, NULL
  FROM entries a {NODE_OF_ASSET} {ORIGINAL}
UNION ALL
SELECT 'l', n.name, {NODE}, {NO_ENTRY}, n.target FROM symlinks n
LIMIT %(page)s
"""

# All children of each of several directories, up to `page` of them.
_OF_EACH: Final = {
    "%(p)s::ltree": "d.path",
    "%(id)s": "d.id",
    "%(last)s::ltree": "NULL::ltree",
    "%(entry)s::bigint": "-1::bigint",
    "%(link)s": "''",
    "%(directories)s": "true",
    "%(entries)s": "true",
}
CHILDREN_OF_EACH: Final = f"""
SELECT d.rank, c.*
  FROM (SELECT id, spelled::ltree AS path, rank
          FROM unnest(%(ids)s::bigint[], %(paths)s::text[]) WITH ORDINALITY u (id, spelled, rank)) d
 CROSS JOIN LATERAL ({reduce(lambda text, pair: text.replace(*pair), _OF_EACH.items(), CHILDREN)}) c
"""

# Whether there is anything that could have one of the names from `least` to `most`.
MAY_BE_TAKEN: Final = f"""
SELECT coalesce(
  {BRANCHES.format("%(p)s::ltree")},
  (SELECT true FROM konifer_fs.node
    WHERE parent = %(id)s AND name >= %(least)s AND name <= %(most)s AND path IS NULL ORDER BY name LIMIT 1),
  false)
"""

TAKEN_NAMES: Final = f"""
SELECT n.name
  FROM unnest(%(names)s::text[]) wanted (name)
 CROSS JOIN LATERAL (
   SELECT * FROM konifer_fs.node
    WHERE parent = %(id)s AND name = wanted.name AND path IS NULL LIMIT 1) n
  LEFT JOIN LATERAL (SELECT * FROM asset_tree WHERE id = n.asset_id LIMIT 1) a ON true
 WHERE n.target IS NOT NULL OR a.is_ready AND a.path = %(p)s::ltree
UNION ALL
SELECT wanted.name
  FROM (SELECT name, spelled::ltree AS path
          FROM unnest(%(spellings)s::text[], %(paths)s::text[]) u (name, spelled)) wanted
  LEFT JOIN LATERAL (SELECT id FROM konifer_fs.node WHERE path = wanted.path LIMIT 1) n ON true
 WHERE n.id IS NOT NULL OR {HOLDS.format("wanted.path")}
"""

DIRECTORY_BY_ID: Final = (
    f"SELECT {NODE}, n.path::text FROM konifer_fs.node n WHERE n.id = %(id)s AND n.path IS NOT NULL"
)

SYMLINK_BY_ID: Final = f"""
SELECT 'l', n.name, {NODE}, {NO_ENTRY}, n.target, d.path::text
  FROM (SELECT * FROM konifer_fs.node WHERE id = %(id)s LIMIT 1) n
  JOIN konifer_fs.node d ON d.id = n.parent
 WHERE n.target IS NOT NULL
"""

ENTRY_BY_ID: Final = f"""
SELECT {ENTRY_WITH_PATH}
  FROM konifer_fs.node n
  JOIN asset_tree a ON a.id = n.asset_id
  LEFT JOIN konifer_fs.node d ON d.id = n.parent
  {ORIGINAL}
 WHERE n.id = %(id)s AND a.is_ready
"""

ENTRY_BY_ASSET: Final = f"""
SELECT {ENTRY_WITH_PATH}
  FROM asset_tree a {NODE_OF_ASSET} LEFT JOIN konifer_fs.node d ON d.id = n.parent {ORIGINAL}
 WHERE a.id = %(asset)s AND a.is_ready
"""

FACTS: Final = f"""
SELECT a.alt, a.source_url, a.created_at, a.modified_at, v.attributes, v.lqip,
       coalesce(n.received_size, n.size), coalesce(n.received_sha256, n.sha256),
       ARRAY(SELECT ARRAY[label_key, label_value] FROM asset_label WHERE asset_id = a.id ORDER BY created_at, id),
       ARRAY(SELECT tag_value FROM asset_tag WHERE asset_id = a.id ORDER BY created_at, id),
       ARRAY(SELECT name FROM konifer_fs.attribute WHERE node = n.id ORDER BY name),
       ARRAY(SELECT value FROM konifer_fs.attribute WHERE node = n.id ORDER BY name), a.id
  FROM asset_tree a {NODE_OF_ASSET}
  LEFT JOIN LATERAL (
    SELECT attributes, lqip FROM asset_variant WHERE asset_id = a.id AND original_variant LIMIT 1) v ON true
 WHERE a.is_ready AND a.id = ANY(%(assets)s)
"""

PRIVATE: Final = "SELECT node, name, value FROM konifer_fs.attribute WHERE node = ANY(%(ids)s) ORDER BY node, name"

# What lies below a path: one range of assets each, and their sizes only where these are asked for.
_BELOW: Final = "path >= %(p)s::ltree AND path < konifer_fs.after(%(p)s::ltree)"

FILES_BELOW: Final = f"SELECT count(*) FROM asset_tree WHERE {_BELOW} AND is_ready"

# Directories: each path adds the labels it does not share with the one before it (lca gives the proper ancestor,
# hence a label more). Comparing neighbours is linear where DISTINCT over all prefixes took minutes.
ENTRIES_BELOW: Final = f"""
WITH
 paths AS (
  SELECT path, count(*) AS held FROM asset_tree WHERE {_BELOW} AND is_ready GROUP BY path
  UNION ALL
  SELECT path, (SELECT count(*) FROM konifer_fs.node WHERE parent = d.id AND target IS NOT NULL)
    FROM konifer_fs.node d WHERE {_BELOW}),
 neighbours AS (SELECT path, held, lag(path) OVER (ORDER BY path) AS previous FROM paths)
SELECT sum(held + nlevel(path) - greatest(nlevel(%(p)s::ltree),
                                           coalesce(nlevel(lca(path || 'x', previous || 'x')), 0)))
  FROM neighbours
"""

BYTES_BELOW: Final = f"""
SELECT sum(size), count(*) FILTER (WHERE size IS NULL)
  FROM (
  SELECT coalesce(
           (SELECT size FROM konifer_fs.node WHERE asset_id = a.id),
           (SELECT s.size FROM asset_variant v JOIN konifer_fs.variant s ON s.id = v.id
             WHERE v.asset_id = a.id AND v.original_variant)) AS size
    FROM asset_tree a
   WHERE {_BELOW} AND is_ready) e
"""

# Waits for whoever is changing what lies in a directory.
AWAIT_DIRECTORY: Final = "SELECT id FROM konifer_fs.node WHERE id = %(id)s FOR SHARE"

IDENTITY: Final = "SELECT id FROM konifer_fs.store"
