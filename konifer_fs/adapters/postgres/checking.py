"""Looking at all rows for `fsck` and `gc`: a connection of its own, on which statements may take their time.

Streams are cursors that outlive their statement (`WITH HOLD`): the server keeps the result on its disk, holds no
snapshot for it, and neither side takes memory for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg.rows import TupleRow

from konifer_fs.adapters.postgres import sizing, sql_checking
from konifer_fs.adapters.postgres.answering import answering, insistently, is_contended
from konifer_fs.adapters.postgres.connecting import BoundedConnection, configure, unbind
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import DeadName, LowCounter, Reference

T = TypeVar("T")

_PAGE: Final = 2000
_NOTHING: Final[Mapping[str, Any]] = {}


class PostgresExaminer:
    """Implements `ports.Examiner` on a database that `migrate.check` has passed.

    `deadline`, in seconds, bounds the wait for a lock and for a server that does not answer at all. An instance
    may be used by several threads, which take turns.
    """

    def __init__(self, conninfo: str, *, deadline: float = 30) -> None:
        """Connect; raises StoreUnreachable, StoreRefused."""
        self._streams = count()
        with answering():
            self._connection = BoundedConnection.connect(
                conninfo, autocommit=True, application_name="konifer-fs/fsck", connect_timeout=max(2, int(deadline))
            )
            configure(self._connection, deadline)
            self._connection.execute("SET statement_timeout = 0")
            unbind(self._connection)

    def list_buckets(self) -> Sequence[str]:
        """Give all buckets that rows refer to, in order."""
        return [bucket for (bucket,) in self._rows(sql_checking.BUCKETS)]

    def count_references(self) -> int:
        """Count the rows of variants and of the outbox."""
        return int(self._rows(sql_checking.COUNT)[0][0])

    def stream_references(self, bucket: str) -> Iterator[Sequence[Reference]]:
        """Give all that refers to objects in `bucket`, by key."""
        return self._stream(sql_checking.REFERENCES, _reference, {"bucket": bucket})

    def is_unchanged(self, reference: Reference) -> bool:
        """Whether the row of a variant still says the same."""
        rows = self._rows(sql_checking.REFERENCE, {"variant": reference.variant})
        return any(_reference(row) == reference for row in rows)

    def list_unreferenced(self, refs: Sequence[ObjectRef]) -> Sequence[ObjectRef]:
        """Give those of `refs` that no row refers to."""
        asked = {"buckets": [ref.bucket for ref in refs], "keys": [ref.key for ref in refs]}
        return [ObjectRef(bucket, key) for bucket, key in self._rows(sql_checking.UNREFERENCED, asked)]

    def stream_without_original(self) -> Iterator[Sequence[str]]:
        """Tell where the assets are that have no original."""
        return self._stream(sql_checking.WITHOUT_ORIGINAL, lambda row: _where(*row))

    def stream_low_counters(self) -> Iterator[Sequence[LowCounter]]:
        """Give the paths whose next entry id is taken, or will be."""
        return self._stream(
            sql_checking.LOW_COUNTERS, lambda row: LowCounter(path=row[0], highest=row[1], counted=row[2])
        )

    def stream_dead_names(self) -> Iterator[Sequence[DeadName]]:
        """Give the names that denote nothing."""
        return self._stream(
            sql_checking.DEAD_NAMES,
            lambda row: DeadName(id=row[0], where=_where(row[1], None, row[2]), is_gone=row[3]),
        )

    def correct_size(self, reference: Reference, size: int) -> bool:
        """Record the size of a variant's object, and tell whether its row was still the same."""
        values = {
            "variant": reference.variant, "key": reference.ref.key, "size": size, "before": reference.size
        }  # fmt: skip
        return self._change(sql_checking.CORRECT_SIZE, values) == 1

    def count_unsized(self) -> int:
        """Count the variants of whose object no size is recorded."""
        return int(self._rows(sql_checking.COUNT_UNSIZED)[0][0])

    def stream_unsized(self, bucket: str) -> Iterator[Sequence[Reference]]:
        """Give those in `bucket`, by key."""
        return self._stream(sql_checking.UNSIZED, _reference, {"bucket": bucket})

    def record_sizes(self, sizes: Mapping[UUID, int]) -> int:
        """Record sizes of variants' objects, where none is yet; counts."""
        with answering():
            return insistently(lambda: sizing.record_sizes(self._connection, sizes), is_contended)

    def raise_counters(self, paths: Sequence[str]) -> None:
        """Make the counters of these paths as high as their highest entry ids."""
        self._change(sql_checking.RAISE_COUNTERS, {"paths": list(paths)})

    def remove_dead_names(self, ids: Sequence[int]) -> None:
        """Remove those that are still dead."""
        self._change(sql_checking.REMOVE_DEAD_NAMES, {"ids": list(ids)})

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _rows(self, statement: str, values: Mapping[str, Any] = _NOTHING) -> list[TupleRow]:
        with answering():
            return self._connection.execute(statement, values).fetchall()

    def _change(self, statement: str, values: Mapping[str, Any]) -> int:
        """Change in a transaction of its own; gives the number of rows."""
        with answering():
            return insistently(lambda: self._connection.execute(statement, values).rowcount, is_contended)

    def _stream(
        self, statement: str, read: Callable[[TupleRow], T], values: Mapping[str, Any] = _NOTHING
    ) -> Iterator[Sequence[T]]:
        # One that nobody reads to its end is there until it is collected: another must not have its name.
        name = f"konifer_fs_{next(self._streams)}"
        with answering(), self._connection.cursor(name, withhold=True) as cursor:
            cursor.execute(statement, values)
            while rows := cursor.fetchmany(_PAGE):
                yield [read(row) for row in rows]


def _reference(row: TupleRow) -> Reference:
    bucket, key, variant, is_original, size, sha256, created_at, *place = row
    return Reference(
        ref=ObjectRef(bucket, key),
        variant=variant,
        is_original=is_original,
        size=size,
        sha256=sha256,
        created_at=created_at,
        where=_where(*place),
    )


def _where(path: str | None, entry_id: int | None, name: str | None) -> str:
    """Name an entry for people: by its path and its name, or by its number as Konifer's addresses do."""
    if path is None:
        return name or "(no name)"
    above = AssetPath.from_ltree(path).konifer.rstrip("/")
    return f"{above}/{name}" if name is not None else f"{above}/-/entry/{entry_id}"
