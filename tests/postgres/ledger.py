"""What must hold in the database whatever was done to it, read by plain SQL.

Used by the tests of the changing half. `connection` is any psycopg connection to a migrated database.
"""

from typing import Any, Final

from psycopg import Connection

from konifer_fs.domain.variant import ObjectRef

_WRONG: Final = {
    "a name whose asset is at another path": """
        SELECT n.name FROM konifer_fs.node n JOIN konifer_fs.node d ON d.id = n.parent
          JOIN asset_tree a ON a.id = n.asset_id WHERE a.path <> d.path""",
    "a name whose asset is gone": """
        SELECT name FROM konifer_fs.node n
         WHERE asset_id IS NOT NULL AND NOT EXISTS (SELECT FROM asset_tree WHERE id = n.asset_id)""",
    "a directory that is not below its parent": """
        SELECT n.path::text FROM konifer_fs.node n JOIN konifer_fs.node d ON d.id = n.parent
         WHERE n.path IS NOT NULL AND subpath(n.path, 0, -1) <> d.path""",
    "a directory and a file of one name": """
        SELECT n.path::text FROM konifer_fs.node n JOIN konifer_fs.node f ON f.parent = n.parent AND f.name = n.name
         WHERE n.path IS NOT NULL AND f.path IS NULL""",
    "an asset without exactly one original": """
        SELECT id::text FROM asset_tree a
         WHERE (SELECT count(*) FROM asset_variant WHERE asset_id = a.id AND original_variant) <> 1""",
    "an asset above its path's counter": """
        SELECT a.path::text FROM asset_tree a LEFT JOIN path_entry_counter c ON c.path = a.path
         WHERE c.last_entry_id IS NULL OR a.entry_id > c.last_entry_id""",
    "an asset that Konifer cannot read": """
        SELECT id::text FROM asset_tree
         WHERE alt IS NULL OR source NOT IN ('UPLOAD', 'URL') OR (source = 'URL') <> (source_url IS NOT NULL)
            OR modified_at < created_at OR created_at > now() AT TIME ZONE 'UTC' + interval '1 minute'""",
    "an original of ours that Konifer cannot read": """
        SELECT v.id::text FROM asset_variant v JOIN konifer_fs.node n ON n.asset_id = v.asset_id AND n.size IS NOT NULL
         WHERE original_variant AND (uploaded_at IS NULL OR to_jsonb(v) ->> 'expires_at' IS NOT NULL
            OR lqip - '{blurhash,thumbhash}'::text[] <> '{}'
            OR attributes - '{width,height,format,pageCount,loop,colorSpace}'::text[] <> '{}'
            OR transformation - '{width,height,format,colorSpace}'::text[] <> '{}')""",
    "an outbox row that Konifer cannot read": """
        SELECT id::text FROM outbox WHERE event_type <> 'VARIANT_DELETED'
            OR (SELECT count(*) FROM jsonb_object_keys(payload)) <> 2
            OR payload->>'objectStoreBucket' IS NULL OR payload->>'objectStoreKey' IS NULL""",
}


def check_names(connection: Connection) -> None:
    """Fail if a name contradicts another; other writers may have made what Konifer cannot read."""
    _check(connection, "a name", "a directory", "an asset above")


def check(connection: Connection) -> None:
    """Fail if any row contradicts another, or what Konifer takes for granted."""
    _check(connection, "a")


def _check(connection: Connection, *facts: str) -> None:
    found = {fact: connection.execute(query).fetchall() for fact, query in _WRONG.items() if fact.startswith(facts)}
    wrong = {fact: rows for fact, rows in found.items() if rows}
    assert not wrong, wrong


def stored(connection: Connection) -> set[str]:
    """Give the keys of all objects that rows refer to."""
    return {key for (key,) in connection.execute("SELECT object_store_key FROM asset_variant")}


def told(connection: Connection) -> set[str]:
    """Give the keys of all objects that the outbox names."""
    return {key for (key,) in connection.execute("SELECT payload->>'objectStoreKey' FROM outbox")}


def is_told(connection: Connection, ref: ObjectRef | None) -> bool:
    """Whether the outbox names this object, once."""
    assert ref is not None
    payload = {"objectStoreBucket": ref.bucket, "objectStoreKey": ref.key}
    rows = connection.execute("SELECT payload FROM outbox WHERE payload->>'objectStoreKey' = %s", [ref.key]).fetchall()
    return rows == [(payload,)]


def row(connection: Connection, query: str, *values: object) -> tuple[Any, ...]:
    """Give the one row of `query`."""
    rows = connection.execute(query, values).fetchall()
    assert len(rows) == 1, rows
    return tuple(rows[0])


def one(connection: Connection, query: str, *values: object) -> Any:  # noqa: ANN401 - whatever the column holds
    """Give the one value of `query`."""
    return row(connection, query, *values)[0]


def everything(connection: Connection) -> list[object]:
    """Give all rows that a rename could touch."""
    tables = ("konifer_fs.node", "konifer_fs.attribute", "asset_tree", "asset_variant", "path_entry_counter", "outbox")
    return [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]
