"""Fixtures that more than one room of tests needs: real databases and real pictures."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres.embedded import EmbeddedServer, start_temporary
from tests.pictures import IMAGES

pytest.register_assert_rewrite("tests.model.machine", "tests.mount.aftermath", "tests.mount.saving")

_NUMBERS: Final = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """One server for the whole session, that keeps nothing. Tests take `database`."""
    server = start_temporary()
    yield server
    server.stop()


@pytest.fixture
def database(postgres: EmbeddedServer) -> Iterator[str]:
    """Conninfo of a database of the test's own: empty but for the extension ltree."""
    name = sql.Identifier(f"test_{next(_NUMBERS)}")
    with psycopg.connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE konifer STRATEGY file_copy").format(name))
        yield make_conninfo(postgres.conninfo, dbname=name.as_string().strip('"'))
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture(scope="session")
def images() -> Path:
    """Directory of real pictures, read only."""
    if not IMAGES.is_dir():
        missing = f"no real pictures: {IMAGES} is not there (KONIFER_FS_IMAGES names another directory)"
        if os.environ.get("CI") == "true" and IMAGES.parent.is_dir():
            pytest.fail(missing)
        pytest.skip(missing)
    return IMAGES
