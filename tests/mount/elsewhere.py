"""What happens elsewhere than on the mount: other writers' rows and objects, and what the database says of a path.

Used by the tests on real mounts of filesystem stores. Rows are made as `tests.postgres.trees` makes them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.mounting import Mount
from tests.mount.saving import asset_path, failing
from tests.pictures import make_picture
from tests.postgres.trees import ATTRIBUTES, add_asset

SECONDS: Final = 60
PICTURE: Final = make_picture(ImageFormat.JPEG)


@dataclass(frozen=True, slots=True)
class Row:
    """What Konifer's tables say of one entry, and `written_by`: the transaction that wrote the row last."""

    asset_id: UUID
    path: str
    entry_id: int
    bucket: str
    key: str
    created_at: Any
    modified_at: Any
    written_by: str


_ROWS: Final = """
SELECT a.id, a.path::text, a.entry_id, v.object_store_bucket, v.object_store_key, a.created_at, a.modified_at,
       a.xmin::text
  FROM asset_tree a JOIN asset_variant v ON v.asset_id = a.id AND v.original_variant
 WHERE a.path <@ %s::text::ltree ORDER BY a.path, a.entry_id
"""


@contextmanager
def database(mount: Mount) -> Iterator[psycopg.Connection]:
    """Open the database of a mount; each statement is a transaction."""
    with psycopg.connect(mount.conninfo, autocommit=True) as connection:
        yield connection


def query(mount: Mount, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Give the rows that a statement finds in the database of a mount."""
    with database(mount) as connection:
        return connection.execute(statement.encode(), values).fetchall()


def rows_below(mount: Mount, place: Path) -> list[Row]:
    """Give the entries at and below a directory of the mount, by path and entry id."""
    return [Row(*row) for row in query(mount, _ROWS, ltree(mount, place))]


def ltree(mount: Mount, place: Path) -> str:
    """Give the ltree path of a directory of the mount."""
    return asset_path(mount, place).ltree


def add_entry(
    mount: Mount,
    path: str,
    content: bytes | None = PICTURE,
    *,
    image_format: ImageFormat = ImageFormat.JPEG,
    created_at: str = "2026-01-02 03:04:05.678901",
) -> Row:
    """Store an entry at `path` (ltree) as Konifer's HTTP service does; with None, without its object."""
    with database(mount) as connection:
        attributes: Mapping[str, object] = {**ATTRIBUTES, "format": image_format.value}
        asset = add_asset(connection, path, attributes=attributes, created_at=created_at)
    (row,) = [Row(*row) for row in query(mount, _ROWS, path) if row[0] == asset]
    if content is not None:
        object_of(mount, row).parent.mkdir(exist_ok=True)
        object_of(mount, row).write_bytes(content)
    return row


def remove_entry(mount: Mount, row: Row) -> None:
    """Delete an entry as Konifer's HTTP service does, but for its object."""
    with database(mount) as connection, connection.transaction():
        connection.execute("DELETE FROM asset_variant WHERE asset_id = %s", [row.asset_id])
        connection.execute("DELETE FROM asset_tree WHERE id = %s", [row.asset_id])


def object_of(mount: Mount, row: Row) -> Path:
    """Give the file that a filesystem store keeps an entry's bytes in."""
    return mount.objects.parent / row.bucket / row.key


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something is so; fails when it never is."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"it did not become so within {seconds:.0f} s")
        time.sleep(0.02)


def names(place: Path) -> list[str]:
    """Give the names in a directory, sorted."""
    return sorted(path.name for path in place.iterdir())


def all_fail(number: int, *calls: Callable[[], object]) -> None:
    """Hold that each call fails with this errno."""
    for call in calls:
        with failing(number):
            call()
