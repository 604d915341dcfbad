"""What a role must be allowed that mounts to read and write: docs/OPERATING.md grants it. Used by `doctor`."""

from collections.abc import Sequence
from typing import Final

from konifer_fs.adapters.postgres.answering import connected

# Of an UPDATE the columns differ by Konifer's version: that of any is looked for.
_MISSING: Final = """
SELECT privilege || ' ON ' || name FROM (VALUES
  ('asset_tree', '{SELECT,INSERT,UPDATE,DELETE}'::text[]), ('asset_variant', '{SELECT,INSERT,UPDATE,DELETE}'),
  ('asset_label', '{SELECT,INSERT,UPDATE,DELETE}'), ('asset_tag', '{SELECT,INSERT,UPDATE,DELETE}'),
  ('outbox', '{SELECT,INSERT,DELETE}'), ('path_entry_counter', '{SELECT,INSERT,UPDATE}'), ('migrations', '{SELECT}'),
  ('konifer_fs.node', '{SELECT,INSERT,UPDATE,DELETE}'), ('konifer_fs.attribute', '{SELECT,INSERT,UPDATE,DELETE}'),
  ('konifer_fs.variant', '{SELECT,INSERT,UPDATE,DELETE}'), ('konifer_fs.change_log', '{SELECT,DELETE}')
  ) needs (name, privileges), unnest(privileges) privilege
 WHERE CASE privilege WHEN 'DELETE' THEN NOT has_table_privilege(name, privilege)
            ELSE NOT has_any_column_privilege(name, privilege) END
UNION ALL
SELECT 'USAGE ON SEQUENCE konifer_fs.node_id_seq'
 WHERE NOT has_sequence_privilege('konifer_fs.node_id_seq', 'USAGE')
"""


def list_missing_privileges(conninfo: str) -> Sequence[str]:
    """Give what the role is not granted, as GRANT spells it; raises StoreUnreachable, StoreRefused."""
    with connected(conninfo) as connection:
        return [missing for (missing,) in connection.execute(_MISSING)]
