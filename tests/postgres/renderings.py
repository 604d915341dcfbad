"""Variants as the tests record them, and as another writer does. `connection` is one to a migrated database."""

from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid4

from konifer_fs.adapters.postgres import variants
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Attributes, Json, ObjectRef
from konifer_fs.ports import NewVariant, StoredVariant
from tests.postgres import trees

SMALL: Final[Json] = {"width": 200, "height": 150, "format": "webp"}


def new_variant(
    asset: UUID, transformation: Json | None = None, *, lqip: Json | None = None, expires_after: float | None = None
) -> NewVariant:
    """Make a rendering whose object, of a key of its own, is stored already."""
    return NewVariant(
        asset_id=asset,
        ref=ObjectRef("renderings", f"{uuid4()}.webp"),
        transformation=transformation or SMALL,
        attributes=Attributes(format=ImageFormat.WEBP, width=200, height=149, loop=0, color_space="srgb"),
        lqip=lqip or {},
        size=4321,
        sha256=bytes(range(32)),
        expires_after=expires_after,
    )


def record(connection: Connection, new: NewVariant) -> StoredVariant:
    stored = variants.record_variant(connection, new)
    assert stored is not None
    return stored


def add_foreign(connection: Connection, asset: UUID, transformation: object, *, uploaded: bool = True) -> str:
    """Insert a variant as another writer does; gives its object's key."""
    key = trees.add_variant(connection, asset, {"width": 9, "height": 9, "format": "png"})
    connection.execute(
        "UPDATE asset_variant SET transformation = %s, uploaded_at = CASE WHEN %s THEN created_at END"
        " WHERE object_store_key = %s",
        [Jsonb(transformation), uploaded, key],
    )
    return key
