"""The statements that change what people say about an asset. Used by `editing`, `recording` and `moving`."""

# ruff: noqa: S608 - composed of constants only

from typing import Final

from konifer_fs.adapters.postgres import sql_moves

ANNOTATE: Final = """
UPDATE asset_tree
   SET alt = %(alt)s, source = CASE WHEN %(source_url)s::text IS NULL THEN 'UPLOAD' ELSE 'URL' END,
       source_url = %(source_url)s, modified_at = %(now)s
 WHERE id = %(asset)s
"""

DROP_LABELS: Final = "DELETE FROM asset_label WHERE asset_id = %(asset)s AND label_key = ANY(%(keys)s)"

INSERT_LABELS: Final = """
INSERT INTO asset_label (id, asset_id, label_key, label_value, created_at)
SELECT id, %(asset)s, key, value, %(now)s
  FROM unnest(%(ids)s::uuid[], %(keys)s::text[], %(values)s::text[]) u (id, key, value)
"""

DROP_TAGS: Final = "DELETE FROM asset_tag WHERE asset_id = %(asset)s AND tag_value = ANY(%(tags)s)"

INSERT_TAGS: Final = """
INSERT INTO asset_tag (id, asset_id, tag_value, created_at)
SELECT id, %(asset)s, tag, %(now)s FROM unnest(%(ids)s::uuid[], %(tags)s::text[]) u (id, tag)
"""

DROP_PRIVATE: Final = "DELETE FROM konifer_fs.attribute WHERE node = %(node)s AND name = ANY(%(names)s)"

INSERT_PRIVATE: Final = """
INSERT INTO konifer_fs.attribute (node, name, value)
SELECT %(node)s, name, value FROM unnest(%(names)s::text[], %(values)s::bytea[]) u (name, value)
ON CONFLICT (node, name) DO UPDATE SET value = excluded.value
"""


def _inherit(pair: str) -> str:
    return f"""
WITH
 pair AS ({pair}),
 heir AS (
  SELECT a.id, o.id AS old, o.alt, o.source_url
    FROM pair JOIN asset_tree a ON a.id = pair.heir JOIN asset_tree o ON o.id = pair.old
   WHERE coalesce(a.alt, '') = '' AND a.source_url IS NULL
     AND NOT EXISTS (SELECT FROM asset_label WHERE asset_id = a.id)
     AND NOT EXISTS (SELECT FROM asset_tag WHERE asset_id = a.id)
     AND (coalesce(o.alt, '') <> '' OR o.source_url IS NOT NULL
          OR EXISTS (SELECT FROM asset_label WHERE asset_id = o.id)
          OR EXISTS (SELECT FROM asset_tag WHERE asset_id = o.id))),
 labels AS (UPDATE asset_label l SET asset_id = heir.id FROM heir WHERE l.asset_id = heir.old),
 tags AS (UPDATE asset_tag t SET asset_id = heir.id FROM heir WHERE t.asset_id = heir.old)
UPDATE asset_tree a
   SET alt = coalesce(heir.alt, ''), source_url = heir.source_url,
       source = CASE WHEN heir.source_url IS NULL THEN 'UPLOAD' ELSE 'URL' END, modified_at = %(now)s
  FROM heir WHERE a.id = heir.id
"""


def _inherit_private(pair: str) -> str:
    return f"""
WITH pair AS ({pair})
UPDATE konifer_fs.attribute t
   SET node = pair.node
  FROM pair, konifer_fs.node o
 WHERE o.asset_id = pair.old AND t.node = o.id
   AND NOT EXISTS (SELECT FROM konifer_fs.attribute WHERE node = pair.node)
"""


_GIVEN: Final = "SELECT %(asset)s::uuid AS heir, %(node)s::bigint AS node, %(old)s::uuid AS old"

# The entry `heir` takes all that is said of `old`, where nothing is said of it.
INHERIT: Final = _inherit(_GIVEN)
INHERIT_PRIVATE: Final = _inherit_private(_GIVEN)
INHERIT_PARKED: Final = _inherit(sql_moves.PAIR)
INHERIT_PRIVATE_PARKED: Final = _inherit_private(sql_moves.PAIR)
