"""What the statements that read nodes are composed of. Used by `sql_read` and `sql_select`.

A node's row is: kind (d, f, l); a directory's label, an entry's name where it is believed, or a symlink's name; the
columns of `NODE`; the columns of `ENTRY`; a symlink's target; and what a statement adds after these.
"""

from typing import Final

NODE: Final = "n.id, n.mode, n.uid, n.gid, n.mtime, n.ctime"
# Looked for only where no node tells.
_SIZE: Final = "coalesce(n.size, (SELECT size FROM konifer_fs.variant WHERE id = v.id))"
ENTRY: Final = f"a.id, a.entry_id, v.format, {_SIZE}, v.bucket, v.key, a.created_at, a.modified_at, n.sha256"
NO_ENTRY: Final = (
    "NULL::uuid, NULL::bigint, NULL::text, NULL::bigint, NULL::text, NULL::text, NULL::timestamp, NULL::timestamp, "
    "NULL::bytea"
)
NODE_OF_ASSET: Final = "LEFT JOIN LATERAL (SELECT * FROM konifer_fs.node WHERE asset_id = a.id LIMIT 1) n ON true"
ORIGINAL: Final = """LEFT JOIN LATERAL (
    SELECT id, attributes->>'format' AS format, object_store_bucket AS bucket, object_store_key AS key
      FROM asset_variant WHERE asset_id = a.id AND original_variant LIMIT 1) v ON true"""
# A whole row: `d` is the directory by which the entry is named.
ENTRY_WITH_PATH: Final = f"'f', CASE WHEN d.path = a.path THEN n.name END, {NODE}, {ENTRY}, NULL::text, a.path::text"
# Whether a ready asset lies at or below a path. EXISTS would drop the ORDER BY that keeps it off the GiST index.
HOLDS: Final = """(SELECT true FROM asset_tree
        WHERE path >= {0} AND path < konifer_fs.after({0}) AND is_ready ORDER BY asset_tree.path LIMIT 1)"""
# Whether anything lies below a path, as true or NULL.
BRANCHES: Final = """(
   (SELECT true FROM asset_tree
     WHERE path > {0} AND path < konifer_fs.after({0}) AND is_ready ORDER BY asset_tree.path LIMIT 1)
   OR (SELECT true FROM konifer_fs.node
        WHERE path > {0} AND path < konifer_fs.after({0}) ORDER BY node.path LIMIT 1))"""
# Whether in the directory at a path there is one that has one of so many labels.
HAS_DIRECTORY: Final = """EXISTS (
       SELECT FROM unnest({1}::text[]) label
        WHERE EXISTS (SELECT FROM konifer_fs.node WHERE path = {0} || label)
           OR (SELECT true FROM asset_tree
                WHERE path >= {0} || label AND path < konifer_fs.after({0} || label) AND is_ready
                ORDER BY asset_tree.path LIMIT 1))"""
