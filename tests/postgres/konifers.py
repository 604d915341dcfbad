"""Databases as a Konifer of some version has made them."""

from psycopg import Connection

from konifer_fs.adapters.postgres import migrate


def make_konifer(connection: Connection, version: int = 8) -> None:
    """Make the tables as a Konifer of that version does."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS ltree")
    connection.execute("CREATE TABLE migrations (id int PRIMARY KEY, description text)")
    connection.execute("CREATE TABLE migrations_lock (id int PRIMARY KEY, locked bool)")
    for migration in migrate.list_migrations("konifer")[:version]:
        connection.execute(migration.text)
    connection.execute("INSERT INTO migrations SELECT i, '' FROM generate_series(1, %s) i", [version])
