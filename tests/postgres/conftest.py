"""Databases for the tests of the metadata store, on the server of `tests/conftest.py`."""

import itertools
from collections.abc import Iterator
from typing import Final

import pytest
from psycopg import Connection, connect
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database

_NUMBERS: Final = itertools.count(1)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedServer) -> str:
    """Name of a database with Konifer's tables and ours, to be copied: cheaper than migrating for each test."""
    with connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE migrated TEMPLATE konifer")
    migrate_database(make_conninfo(postgres.conninfo, dbname="migrated"))
    return "migrated"


@pytest.fixture
def migrated(postgres: EmbeddedServer, template: str) -> Iterator[str]:
    """Conninfo of a migrated database of the test's own."""
    name = f"{template}_{next(_NUMBERS)}"
    with connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield make_conninfo(postgres.conninfo, dbname=name)
        session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(migrated: str) -> Iterator[Connection]:
    """A connection to `migrated`, set up as the store's are."""
    with connect(migrated, autocommit=True) as connection:
        configure(connection, deadline=30)
        yield connection
