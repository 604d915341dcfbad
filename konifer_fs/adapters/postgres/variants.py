"""The stored variants of an entry: found, recorded, removed, and noted as used.

Part of the store. Konifer may make and delete the same variants at the same time: the unique index decides who made
one, and whoever deletes a row puts its object into the outbox. Those that Konifer has not finished are never seen.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from konifer_fs.adapters.postgres import rows, sql_assets, sql_variants
from konifer_fs.domain.dialect import Dialect, read_attributes, read_transformation
from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Entry
from konifer_fs.domain.variant import Json, ObjectRef
from konifer_fs.ports import NewVariant, StoredVariant


def list_variants(connection: Connection, entry: Entry) -> Sequence[StoredVariant]:
    """Give the original and all variants of an entry, newest first.

    Raises MovedOn when the entry has another asset by now, or none.
    """
    found = connection.execute(sql_variants.VARIANTS, {"asset": entry.asset_id, "node": entry.id}).fetchall()
    if not found:
        raise MovedOn(entry.name or entry.default_name)
    return [_variant(row) for row in found if row[0] is not None]


def list_variants_of_all(connection: Connection, assets: Sequence[UUID]) -> Mapping[UUID, Sequence[StoredVariant]]:
    """Give the originals and variants of assets by their ids, newest first; originals without their sizes."""
    found: dict[UUID, list[StoredVariant]] = {asset: [] for asset in assets}
    for row in connection.execute(sql_variants.VARIANTS_OF_ALL, {"assets": list(assets)}):
        variant = _variant(row)
        found[variant.asset_id].append(variant)
    return found


def find_variant(
    connection: Connection, entry: Entry, transformation: Json, dialect: Dialect = Dialect.C
) -> StoredVariant | None:
    """Give the variant of an entry with this very transformation, which may be the original."""
    return _find(connection, entry.asset_id, dialect.spell_transformation(transformation))


def record_variant(connection: Connection, new: NewVariant, dialect: Dialect = Dialect.C) -> StoredVariant | None:
    """Record a variant, or give what is there; None while another writer has the row and not its object.

    Raises MovedOn when the asset is gone.
    """
    columns = _row_of(new, dialect)
    parameters = {"asset": new.asset_id, "row": Jsonb(columns), "size": new.size, "sha256": new.sha256}
    row = connection.execute(sql_variants.RECORD, parameters).fetchone()
    if row is None:
        raise MovedOn(str(new.asset_id))
    if row[0] is not None:
        return _variant(row)
    return _find(connection, new.asset_id, dialect.spell_transformation(new.transformation))


def remove_variant(connection: Connection, variant: StoredVariant) -> None:
    """Delete a variant, never an original, and tell of its object; no effect when it is gone."""
    connection.execute(sql_assets.DROP_VARIANT, {"id": variant.id})


def note_accesses(connection: Connection, idle_after: Mapping[UUID, float | None]) -> None:
    """Set `last_accessed_at` of variants to now and `expires_at` to so many seconds later; no effect before V7."""
    if not has_column(connection, "last_accessed_at"):
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    by_idle = sorted(idle_after, key=lambda id_: str(idle_after[id_]))
    for idle, ids in groupby(by_idle, key=idle_after.__getitem__):
        connection.execute(sql_variants.NOTE_ACCESSES, {"ids": list(ids), "idle": idle, "now": now})


def has_column(connection: Connection, column: str) -> bool:
    """Whether Konifer's table of variants has this column, which came with a later version of it."""
    row = connection.execute(sql_variants.HAS_COLUMN, {"column": column}).fetchone()
    return bool(row and row[0])


def _find(connection: Connection, asset: UUID, transformation: Json) -> StoredVariant | None:
    wanted = {"asset": asset, "transformation": Jsonb(transformation)}
    row = connection.execute(sql_variants.VARIANT, wanted).fetchone()
    return _variant(row) if row and row[0] is not None else None


def _row_of(new: NewVariant, dialect: Dialect) -> dict[str, object]:
    """Give all columns as the newest Konifer writes them."""
    now = datetime.now(UTC).replace(tzinfo=None)
    expires_at = now + timedelta(seconds=new.expires_after) if new.expires_after is not None else None
    return {
        "id": str(uuid7()),
        "asset_id": str(new.asset_id),
        "object_store_bucket": new.ref.bucket,
        "object_store_key": new.ref.key,
        "transformation": dialect.spell_transformation(new.transformation),
        "attributes": dialect.spell_attributes(new.attributes.to_json()),
        "lqip": new.lqip,
        "original_variant": False,
        "created_at": now.isoformat(),
        "uploaded_at": now.isoformat(),
        "expires_at": expires_at.isoformat() if expires_at else None,
        "last_accessed_at": now.isoformat(),
        "access_score": 1.0,
        "access_score_as_of": now.isoformat(),
    }


def _variant(row: Sequence[Any]) -> StoredVariant:
    id_, asset_id, bucket, key, is_original, transformation, attributes, lqip, size, sha256, created_at = row
    return StoredVariant(
        id=id_,
        asset_id=asset_id,
        ref=ObjectRef(bucket, key),
        is_original=is_original,
        transformation=read_transformation(rows.json_object(transformation)),
        attributes=read_attributes(rows.json_object(attributes)),
        lqip=rows.json_object(lqip),
        size=size,
        sha256=sha256,
        created_at=created_at,
    )
