"""Trees made by SQL, as another writer of Konifer's tables makes them: no names, no directories of ours.

Used by the tests of the metadata store. `connection` is any psycopg connection to a migrated database.
"""

from collections.abc import Mapping
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

ATTRIBUTES = {"width": 6, "height": 4, "format": "jpg", "pageCount": 1}


def add_asset(
    connection: Connection,
    path: str,
    *,
    ready: bool = True,
    alt: str | None = "",
    source_url: str | None = None,
    attributes: Mapping[str, object] | None = None,
    original: bool = True,
    labels: Mapping[str, str] | None = None,
    tags: tuple[str, ...] = (),
    created_at: str = "2026-01-02 03:04:05.678901",
) -> UUID:
    """Insert an asset at `path` (ltree, `root.a`), by default with an original; gives its id."""
    asset = uuid4()
    connection.execute(
        "INSERT INTO asset_tree (id, entry_id, path, alt, source, source_url, is_ready, created_at, modified_at)"
        " VALUES (%s, 0, %s, %s, %s, %s, %s, %s, %s::timestamp + interval '1 hour')",
        [asset, path, alt, "URL" if source_url else "UPLOAD", source_url, ready, created_at, created_at],
    )
    if original:
        add_variant(connection, asset, attributes or ATTRIBUTES, original=True, created_at=created_at)
    for key, value in (labels or {}).items():
        connection.execute(
            "INSERT INTO asset_label VALUES (gen_random_uuid(), %s, %s, %s, clock_timestamp())", [asset, key, value]
        )
    for tag in tags:
        connection.execute("INSERT INTO asset_tag VALUES (gen_random_uuid(), %s, %s, clock_timestamp())", [asset, tag])
    return asset


def add_variant(
    connection: Connection,
    asset: UUID,
    attributes: Mapping[str, object],
    *,
    original: bool = False,
    bucket: str = "assets",
    transformation: Mapping[str, object] | None = None,
    created_at: str = "2026-01-02 03:04:05.678901",
) -> str:
    """Insert a variant with an object key of its own, which it gives; by default transformed into what it is."""
    key = f"{uuid4()}.jpeg"
    connection.execute(
        "INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes,"
        " lqip, original_variant, created_at, uploaded_at)"
        " VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, '{}', %s, %s, %s)",
        [asset, bucket, key, Jsonb(transformation or attributes), Jsonb(attributes), original, created_at, created_at],
    )
    return key


def add_directory(connection: Connection, path: str, name: str | None = None) -> int:
    """Insert the row of a directory at `path` (ltree), and of those above it; `name` is by default its label."""
    if path == "root":
        return 1
    above, _, label = path.rpartition(".")
    parent = add_directory(connection, above)
    connection.execute(
        "INSERT INTO konifer_fs.node (parent, name, path) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [parent, name or label, path],
    )
    row = connection.execute("SELECT id FROM konifer_fs.node WHERE path = %s", [path]).fetchone()
    assert row is not None
    return int(row[0])


def name_asset(connection: Connection, directory: int, name: str, asset: UUID, *, size: int | None = None) -> int:
    """Insert the row that shows `asset` as `name` in the directory of that id; gives the row's id."""
    row = connection.execute(
        "INSERT INTO konifer_fs.node (parent, name, asset_id, size) VALUES (%s, %s, %s, %s) RETURNING id",
        [directory, name, asset, size],
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_symlink(connection: Connection, directory: int, name: str, target: str) -> int:
    """Insert a symbolic link; gives its row's id."""
    row = connection.execute(
        "INSERT INTO konifer_fs.node (parent, name, target) VALUES (%s, %s, %s) RETURNING id", [directory, name, target]
    ).fetchone()
    assert row is not None
    return int(row[0])
