"""Recording sizes from a listing, over rows and a listing that are made up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Examiner, ObjectStore, Reference, StoredObject
from konifer_fs.workflows.index import index

NOW = datetime.now(UTC)
GONE = "a-bucket-that-is-gone"
KEYS = st.text(min_size=1, max_size=3)


@dataclass
class Both:
    """Both stores: rows without sizes, of which several may have one key, and objects of the size of their key."""

    rows: list[Reference]
    keys: set[str]
    listed: list[str] = field(default_factory=list)
    recorded: dict[UUID, int] = field(default_factory=dict)
    refused: Sequence[StoreRefused] = ()

    def stream_unsized(self, bucket: str) -> Iterator[Sequence[Reference]]:
        left = [row for row in self.rows if row.ref.bucket == bucket and row.variant not in self.recorded]
        yield from ([row] for row in sorted(left, key=lambda row: row.ref.key))

    def record_sizes(self, sizes: Mapping[UUID, int]) -> int:
        self.recorded.update(sizes)
        return len(sizes)

    def list_objects(self, bucket: str, after: str = "") -> Iterator[Sequence[StoredObject]]:
        if bucket == GONE:
            raise StoreRefused(bucket)
        for key in sorted(self.keys):
            if key > after:
                self.listed.append(key)
                yield [StoredObject(key, len(key), NOW)]

    def index(self) -> tuple[int, int]:
        """Give how many were recorded, and how many were looked for."""
        looked_for: list[int] = []
        buckets = {row.ref.bucket for row in self.rows}
        done, self.refused = index(cast(Examiner, self), cast(ObjectStore, self), buckets, looked_for.append)
        return done, sum(looked_for)


def row(key: str, bucket: str = "assets") -> Reference:
    return Reference(
        ref=ObjectRef(bucket, key), variant=uuid4(), is_original=True, size=None, sha256=None, created_at=NOW,
        where=f"/{key}",
    )  # fmt: skip


@given(st.sets(KEYS), st.lists(KEYS))
def test_each_row_gets_the_size_of_its_object(keys: set[str], rows: list[str]) -> None:
    both = Both([row(key) for key in rows], keys)
    there = [it for it in both.rows if it.ref.key in keys]
    assert both.index() == (len(there), len(rows))
    assert both.recorded == {it.variant: len(it.ref.key) for it in there}
    assert both.index() == (0, len(rows) - len(there))


def test_only_what_lies_between_the_first_and_the_last_is_listed() -> None:
    both = Both([row("m"), row("p")], {"a", "b", "m", "n", "p", "q", "z"})
    assert both.index() == (2, 2)
    assert both.listed[-1] == "p"
    both = Both([row("mm")], {"a", "m", "mm", "n"})
    assert both.index() == (1, 1)
    assert both.listed == ["mm"]


def test_a_bucket_that_cannot_be_listed_keeps_no_other_from_it() -> None:
    both = Both([row("m", GONE), row("m")], {"m"})
    assert both.index() == (1, 1)
    assert [error.detail for error in both.refused] == [GONE]
