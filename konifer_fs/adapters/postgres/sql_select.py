"""The statements that find entries by what Konifer knows of them: id, times, labels, tags. Used by `selecting`.

They are planned with their values, as `DECLARE CURSOR` is: whether the label or the path is the rarer one is known to
the statistics only. A label or tag is compared as it stands and by the expressions that are indexed (`indexes`),
which are cut off so that an index never refuses what another writer stores.
"""

# ruff: noqa: S608 - composed of constants only

from typing import Final

from konifer_fs.adapters.postgres.sql_columns import BRANCHES, ENTRY, HOLDS, NODE, NODE_OF_ASSET, ORIGINAL

_HERE: Final = "a.path = %(p)s::ltree AND (a.path, a.entry_id) > (%(p)s::ltree, -1)"
_BELOW: Final = "a.path >= %(p)s::ltree AND a.path < konifer_fs.after(%(p)s::ltree)"
_LABELLED: Final = """EXISTS (
     SELECT FROM asset_label l
      WHERE l.asset_id = a.id AND l.label_key = %(key{0})s::text AND l.label_value = %(value{0})s::text
        AND left(l.label_key, 128) COLLATE "C" = left(%(key{0})s::text, 128)
        AND left(l.label_value, 256) COLLATE "C" = left(%(value{0})s::text, 256))"""
_TAGGED: Final = """EXISTS (
     SELECT FROM asset_tag t
      WHERE t.asset_id = a.id AND t.tag_value = %(tag{0})s::text
        AND left(t.tag_value, 256) COLLATE "C" = left(%(tag{0})s::text, 256))"""
_DIRECTORY_OF_NAME: Final = "SELECT FROM konifer_fs.node d WHERE d.id = n.parent AND d.path = a.path"
# Of any time, `infinity` too: one that 64 bits of nanoseconds cannot tell becomes the nearest that they can.
_CREATED_NS: Final = """
       (extract(epoch FROM least(greatest(a.created_at, '1678-01-01'), '2262-01-01')) * 1000000)::bigint * 1000"""
_IN_DIRECTORY: Final = f"""
SELECT 'f', CASE WHEN n.parent = %(id)s THEN n.name END, {NODE}, {ENTRY}
  FROM (SELECT * FROM asset_tree a WHERE {{0}} AND is_ready ORDER BY {{1}} LIMIT 1) a {NODE_OF_ASSET} {ORIGINAL}
"""

NEWEST_CREATED: Final = _IN_DIRECTORY.format(_HERE, "a.created_at DESC, a.entry_id DESC")
NEWEST_MODIFIED: Final = _IN_DIRECTORY.format(_HERE, "a.modified_at DESC, a.entry_id DESC")
BY_ENTRY_ID: Final = _IN_DIRECTORY.format("a.path = %(p)s::ltree AND a.entry_id = %(entry)s", "a.entry_id")

ASSETS: Final = f"""
SELECT a.id, a.entry_id FROM asset_tree a WHERE {_HERE} AND a.is_ready ORDER BY a.created_at DESC, a.entry_id DESC
"""

# Those of these names, each in the directory at one of the paths, that a file or symlink there has.
TAKEN: Final = """
WITH place AS MATERIALIZED (
  SELECT u.number, d.id, d.path
    FROM unnest(%(paths)s::text[]) WITH ORDINALITY u (path, number)
   CROSS JOIN LATERAL (SELECT id, path FROM konifer_fs.node WHERE path = u.path::ltree LIMIT 1) d)
SELECT w.number
  FROM unnest(%(numbers)s::int[], %(places)s::int[], %(names)s::text[]) w (number, place, name)
  JOIN place p ON p.number = w.place
 CROSS JOIN LATERAL (
   SELECT * FROM konifer_fs.node WHERE parent = p.id AND name = w.name AND path IS NULL LIMIT 1) n
  LEFT JOIN LATERAL (SELECT * FROM asset_tree WHERE id = n.asset_id LIMIT 1) a ON true
 WHERE n.target IS NOT NULL OR a.is_ready AND a.path = p.path
"""
# Those of these paths in which a file or symlink has a name like the default ones: few, and most need not be asked.
NUMBERED: Final = """
SELECT w.path
  FROM unnest(%(paths)s::text[]) w (path)
 CROSS JOIN LATERAL (SELECT id FROM konifer_fs.node WHERE path = w.path::ltree LIMIT 1) d
 CROSS JOIN LATERAL (
   SELECT FROM konifer_fs.node
    WHERE parent = d.id AND name >= '0' AND name < ':' AND path IS NULL ORDER BY name LIMIT 1) n
"""
# Those of these paths that have anything below them.
BRANCHING: Final = f"""
SELECT w.path::text
  FROM (SELECT spelled::ltree AS path FROM unnest(%(paths)s::text[]) u (spelled)) w
 WHERE {BRANCHES.format("w.path")}
"""
# Those of these paths at which a directory is.
DIRECTORIES: Final = f"""
SELECT w.number
  FROM (SELECT number, spelled::ltree AS path
          FROM unnest(%(numbers)s::int[], %(paths)s::text[]) u (number, spelled)) w
  LEFT JOIN LATERAL (SELECT id FROM konifer_fs.node WHERE path = w.path LIMIT 1) n ON true
 WHERE n.id IS NOT NULL OR {HOLDS.format("w.path")}
"""


def matching(*, labels: int, tags: int, recursive: bool) -> str:
    """Give the condition for an asset `a` that has so many labels (`key0`, `value0`, ...) and tags (`tag0`, ...)."""
    return "\n   AND ".join([_BELOW if recursive else _HERE, "a.is_ready", *_described(labels, tags)])


def described(*, labels: int, tags: int) -> str:
    """Find the asset `asset` if it has so many labels and tags, as `matching` does."""
    conditions = ["a.id = %(asset)s", "a.is_ready", *_described(labels, tags)]
    return f"SELECT FROM asset_tree a WHERE {' AND '.join(conditions)}"


def _described(labels: int, tags: int) -> list[str]:
    return [
        *(_LABELLED.format(number) for number in range(labels)),
        *(_TAGGED.format(number) for number in range(tags)),
    ]


def entries(condition: str, *, recursive: bool) -> str:
    """Give the entries that meet a condition of `matching`: no more columns than `selecting` takes."""
    order = "a.path, a.entry_id" if recursive else "a.entry_id"
    is_named = f"EXISTS ({_DIRECTORY_OF_NAME})" if recursive else "n.parent = %(id)s"
    return f"""
SELECT n.id, CASE WHEN {is_named} THEN n.name END, a.id, a.entry_id, v.format,
       coalesce(n.mtime, {_CREATED_NS}), a.path::text
  FROM (
  SELECT a.id, a.path, a.entry_id, a.created_at
    FROM asset_tree a
   WHERE {condition}
   ORDER BY {order}) a
  {NODE_OF_ASSET}
  LEFT JOIN LATERAL (
    SELECT attributes->>'format' AS format
      FROM asset_variant WHERE asset_id = a.id AND original_variant LIMIT 1) v ON true
 ORDER BY {order}
"""


def labels(condition: str) -> str:
    """Give the labels of what meets a condition of `matching`."""
    return f"""
SELECT DISTINCT u.label_key COLLATE "C", u.label_value COLLATE "C"
  FROM asset_tree a JOIN asset_label u ON u.asset_id = a.id
 WHERE {condition}
 ORDER BY 1, 2
"""


def tags(condition: str) -> str:
    """Give the tags of what meets a condition of `matching`."""
    return f"""
SELECT DISTINCT u.tag_value COLLATE "C"
  FROM asset_tree a JOIN asset_tag u ON u.asset_id = a.id
 WHERE {condition}
 ORDER BY 1
"""
