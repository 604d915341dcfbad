"""A Konifer beside a mount, as far as its database and bucket tell: its protocol in SQL, its sweepers, its reaper.

Written from the contract. Its objects are files; a killed upload is one that never gets any further.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from tests.mount.saving import jpeg
from tests.postgres.konifers import MORE

NAMES: Final = {"A": "JPEG", "B": "JPEG", "C": "jpg"}
_PICTURES: Final = [jpeg(seed, padding=seed * 700) for seed in range(8)]
_SIZE: Final = (16, 12)
_DELETE_VARIANTS: Final = """
WITH gone AS (DELETE FROM asset_variant WHERE {} RETURNING object_store_bucket AS bucket, object_store_key AS key)
INSERT INTO outbox (id, event_type, payload, created_at)
SELECT gen_random_uuid(), 'VARIANT_DELETED',
       jsonb_build_object('objectStoreBucket', bucket, 'objectStoreKey', key), now()
  FROM gone
"""


Job = Callable[[psycopg.Connection, str], object]


@dataclass(slots=True)
class Konifer:
    """One server; not thread-safe. `stored` counts the uploads that it has answered with 201."""

    conninfo: str
    bucket: Path
    dialect: str
    random: random.Random
    stored: int = 0

    def work(self, paths: list[str], steps: int) -> None:
        """Do so many requests and background jobs, at random."""
        jobs: list[Job] = [self.store, self.store, self.store, self.make_variant, self.make_variant]
        jobs += [self.annotate, self.delete, self.break_off, self.expire]
        jobs += [lambda connection, _: self.sweep(connection), lambda connection, _: self.reap(connection)]
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            for _ in range(steps):
                self.random.choice(jobs)(connection, self.random.choice(paths))

    def store(self, connection: psycopg.Connection, path: str) -> None:
        """Upload: rows that are not ready, the object, and that it is ready."""
        asset, key, content = self._begin(connection, path)
        (self.bucket / key).write_bytes(content)
        with connection.transaction():
            connection.execute("UPDATE asset_tree SET is_ready = true, modified_at = now() WHERE id = %s", [asset])
            connection.execute("UPDATE asset_variant SET uploaded_at = now() WHERE asset_id = %s", [asset])
        self.stored += 1

    def break_off(self, connection: psycopg.Connection, path: str) -> None:
        """Die in the middle of an upload, ten minutes ago."""
        asset, _, _ = self._begin(connection, path)
        connection.execute("UPDATE asset_tree SET created_at = created_at - interval '10 min' WHERE id = %s", [asset])

    def _begin(self, connection: psycopg.Connection, path: str) -> tuple[UUID, str, bytes]:
        asset, key, content = uuid7(), f"{uuid4()}.jpeg", self.random.choice(_PICTURES)
        box = {"width": _SIZE[0], "height": _SIZE[1], "format": NAMES[self.dialect]}
        with connection.transaction():
            connection.execute(
                "INSERT INTO asset_tree (id, entry_id, path, alt, source, is_ready, created_at, modified_at)"
                " VALUES (%s, 0, %s, '', 'UPLOAD', false, now(), now())",
                [asset, path],
            )
            self._add_variant(connection, asset, key, box, original=True)
        return asset, key, content

    def _add_variant(
        self, connection: psycopg.Connection, asset: UUID, key: str, box: dict[str, Any], *, original: bool
    ) -> None:
        connection.execute(
            "INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation,"
            " attributes, lqip, original_variant, created_at) VALUES (%s, %s, %s, %s, %s, %s, '{}', %s, now())",
            [uuid7(), asset, self.bucket.name, key, Jsonb(box), Jsonb({**box, **MORE[self.dialect]}), original],
        )

    def make_variant(self, connection: psycopg.Connection, path: str) -> None:
        """Answer a request for a variant: the row, its object, and that it is there."""
        asset = self._pick(connection, path)
        width, key = self.random.randrange(1, 8), f"{uuid4()}.jpeg"
        box = {"width": width, "height": width, "format": NAMES[self.dialect]}
        try:
            self._add_variant(connection, asset, key, box, original=False)
        except (psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation):
            return
        (self.bucket / key).write_bytes(self.random.choice(_PICTURES))
        done = "UPDATE asset_variant SET uploaded_at = now() WHERE object_store_key = %s"
        if not connection.execute(done, [key]).rowcount:  # A real one leaks it, when the reaper was faster.
            (self.bucket / key).unlink(missing_ok=True)

    def annotate(self, connection: psycopg.Connection, path: str) -> None:
        """Replace an asset's alt text and labels."""
        asset = self._pick(connection, path)
        with connection.transaction():
            connection.execute("UPDATE asset_tree SET alt = 'changed', modified_at = now() WHERE id = %s", [asset])
            connection.execute("DELETE FROM asset_label WHERE asset_id = %s", [asset])
            connection.execute(
                "INSERT INTO asset_label SELECT gen_random_uuid(), id, 'by', 'konifer', now() FROM asset_tree"
                " WHERE id = %s FOR KEY SHARE",
                [asset],
            )

    def delete(self, connection: psycopg.Connection, path: str) -> None:
        """Delete an asset that is ready."""
        self._delete(connection, self._pick(connection, path))

    def _pick(self, connection: psycopg.Connection, path: str) -> UUID:
        rows = connection.execute("SELECT id FROM asset_tree WHERE path = %s AND is_ready", [path]).fetchall()
        return UUID(str(self.random.choice(rows)[0])) if rows else uuid4()

    def _delete(self, connection: psycopg.Connection, asset: UUID) -> None:
        with connection.transaction():
            connection.execute("SELECT id FROM asset_tree WHERE id = %s FOR UPDATE", [asset])
            connection.execute(_DELETE_VARIANTS.format("asset_id = %s").encode(), [asset])
            connection.execute("DELETE FROM asset_tree WHERE id = %s", [asset])

    def sweep(self, connection: psycopg.Connection) -> None:
        """Delete uploads that were broken off more than five minutes ago."""
        late = (
            "SELECT id FROM asset_tree WHERE NOT is_ready AND created_at < now() - interval '5 min' ORDER BY created_at"
        )
        for (asset,) in connection.execute(late).fetchall():
            self._delete(connection, asset)

    def expire(self, connection: psycopg.Connection, path: str) -> None:
        """Delete a variant as one whose time is over."""
        with connection.transaction():
            asset = self._pick(connection, path)
            connection.execute(_DELETE_VARIANTS.format("asset_id = %s AND NOT original_variant").encode(), [asset])

    def reap(self, connection: psycopg.Connection) -> None:
        """Delete the objects that the outbox names, then its rows."""
        rows = connection.execute("SELECT id, payload FROM outbox ORDER BY created_at LIMIT 1000").fetchall()
        for id_, payload in rows:
            (self.bucket / payload["objectStoreKey"]).unlink(missing_ok=True)
            connection.execute("DELETE FROM outbox WHERE id = %s", [id_])
