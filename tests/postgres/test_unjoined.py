"""What is read where our schema is not: the same as of one that `migrate --join` has just made."""

from collections.abc import Iterator

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres import sql_read, sql_select
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.unjoined import TABLES, UnjoinedConnection, spell
from tests.postgres import trees
from tests.postgres.test_plans import STATEMENTS, VALUES

# Of `after`'s two ways, either side of where they part.
PATHS = ("root", "root.a.b", f"root.{'a' * 1000}", f"root.{'y' * 999}z", f"root.a{'z' * 999}", f"{'a' * 995}.b.c", None)
SELECTING = {name: getattr(sql_select, name) for name in ("TAKEN", "NUMBERED", "BRANCHING", "DIRECTORIES")}


@pytest.fixture
def unjoined(migrated: str) -> Iterator[Connection]:
    """A connection that reads no schema of ours, though there is one."""
    with UnjoinedConnection.connect(migrated, autocommit=True) as connection:
        configure(connection, deadline=30)
        yield connection


@pytest.mark.parametrize("table", TABLES)
def test_our_tables_have_the_columns_and_rows_of_new_ones(
    connection: Connection, unjoined: Connection, table: str
) -> None:
    statement = f"SELECT * FROM konifer_fs.{table}"
    made, read = connection.execute(statement), unjoined.execute(statement)
    assert [(column.name, column.type_code) for column in made.description or ()] == [
        (column.name, column.type_code) for column in read.description or ()
    ]
    if table == "store":
        assert read.fetchall() == unjoined.execute(statement).fetchall() != made.fetchall()
    else:
        assert read.fetchall() == made.fetchall()


@pytest.mark.parametrize("path", PATHS)
def test_what_follows_a_path_is_the_same(connection: Connection, unjoined: Connection, path: str | None) -> None:
    statement = "SELECT coalesce(konifer_fs.after(%(p)s::ltree), 'none')::text"
    values = {"p": path}
    assert unjoined.execute(statement, values).fetchall() == connection.execute(statement, values).fetchall()


@pytest.mark.parametrize("name", [*(name for name in STATEMENTS if name != "IDENTITY"), *SELECTING])
def test_a_statement_finds_the_same(connection: Connection, unjoined: Connection, name: str) -> None:
    assets = [trees.add_asset(connection, path) for path in ("root.u0.8", "root.u0.8", "root.u0.8.n0", "root.u0.16")]
    values = {**VALUES, "names": ["n0", "0.jpeg"], "asset": assets[0], "assets": assets}
    statement = SELECTING.get(name) or getattr(sql_read, name)
    assert unjoined.execute(statement, values).fetchall() == connection.execute(statement, values).fetchall()


def test_a_server_side_cursor_and_what_names_nothing_of_ours_are_read_too(unjoined: Connection) -> None:
    with unjoined.transaction(), unjoined.cursor(name="nodes") as cursor:
        cursor.execute("SELECT path::text FROM konifer_fs.node")
        assert cursor.fetchall() == [("root",)]
    assert spell("SELECT 1") == "SELECT 1"
    assert spell("") == ""
