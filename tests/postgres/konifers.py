"""Databases as a Konifer of some version has made them, and what is in their rows, by dialect."""

from typing import Any, Final

from psycopg import Connection, connect

from konifer_fs.adapters.postgres import migrate

VERSIONS: Final = {"A": 5, "B": 5, "C": 8}
# What the attributes of an image in sRGB have beside its size and format.
MORE: Final[dict[str, dict[str, Any]]] = {
    "A": {},
    "B": {"pageCount": 1, "colorSpace": "srgb"},
    "C": {"pageCount": 1, "colorSpace": "srgb"},
}


def make_konifer(connection: Connection, version: int = 8) -> None:
    """Make the tables as a Konifer of that version does."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS ltree")
    connection.execute("CREATE TABLE migrations (id int PRIMARY KEY, description text)")
    connection.execute("CREATE TABLE migrations_lock (id int PRIMARY KEY, locked bool)")
    for migration in migrate.list_migrations("konifer")[:version]:
        connection.execute(migration.text)
    connection.execute("INSERT INTO migrations SELECT i, '' FROM generate_series(1, %s) i", [version])


def make_joined(conninfo: str, version: int, *, triggers: bool = False) -> None:
    """Make the tables as a Konifer of that version does, and join them."""
    with connect(conninfo, autocommit=True) as connection:
        make_konifer(connection, version)
    migrate.migrate_database(conninfo, join=True, triggers=triggers)
