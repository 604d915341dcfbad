"""Comparing both stores while both change: over rows that a test can change at any moment, and objects in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import DeadName, Examiner, LowCounter, Reference, StoredObject
from konifer_fs.workflows.compare import Pair, compare
from konifer_fs.workflows.fsck import Finding, Fsck, Kind
from konifer_fs.workflows.gc import collect

NOW = datetime.now(UTC)
SOON = NOW + timedelta(hours=1)
CONTENT = b"what was stored"


@dataclass
class Rows:
    """The part of an examiner that comparing needs. `meanwhile` happens once the rows were read."""

    rows: list[Reference] = field(default_factory=list)
    outbox: list[ObjectRef] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    corrected: list[int] = field(default_factory=list)

    def list_buckets(self) -> Sequence[str]:
        return sorted({row.ref.bucket for row in self.rows})

    def stream_references(self, bucket: str) -> Iterator[Sequence[Reference]]:
        told = [replace(reference(ref.key), ref=ref, variant=None) for ref in self.outbox]
        rows = sorted((row for row in [*self.rows, *told] if row.ref.bucket == bucket), key=lambda row: row.ref.key)
        self.meanwhile()
        yield from ([row] for row in rows)

    def is_unchanged(self, row: Reference) -> bool:
        return row in self.rows

    def list_unreferenced(self, refs: Sequence[ObjectRef]) -> Sequence[ObjectRef]:
        return [ref for ref in refs if ref not in {*self.outbox, *(row.ref for row in self.rows)}]

    def stream_low_counters(self) -> Iterator[Sequence[LowCounter]]:
        yield from ()

    def stream_dead_names(self) -> Iterator[Sequence[DeadName]]:
        yield from ()

    def stream_without_original(self) -> Iterator[Sequence[str]]:
        yield from ()

    def correct_size(self, row: Reference, size: int) -> bool:  # noqa: ARG002
        self.corrected.append(size)
        return True


def reference(key: str, **changes: object) -> Reference:
    row = Reference(
        ref=ObjectRef("assets", key), variant=uuid4(), is_original=True, size=len(CONTENT),
        sha256=sha256(CONTENT).digest(), created_at=NOW - timedelta(days=1), where=f"/{key}",
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type] # the names are Reference's


@pytest.fixture
def key() -> str:
    return f"{uuid4()}.jpeg"


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore(1 << 20)


@pytest.fixture
def put(store: MemoryObjectStore, tmp_path: Path) -> Callable[..., None]:
    def put(key: str, content: bytes = CONTENT) -> None:
        (tmp_path / "source").write_bytes(content)
        store.put(ObjectRef("assets", key), tmp_path / "source", "image/jpeg")

    return put


def fail(error: StoreRefused) -> None:
    raise error


def check(
    rows: Rows,
    store: MemoryObjectStore,
    *,
    configured: Sequence[str] = ("assets",),
    before: datetime = SOON,
    repair: bool = False,
    data: bool = False,
    refused: Callable[[StoreRefused], None] = fail,
) -> list[Finding]:
    fsck = Fsck(
        examiner=cast(Examiner, rows), objects=store, before=before, repair=repair, data=data,
        progress=lambda _: None, refused=refused,
    )  # fmt: skip
    return list(fsck.run(configured))


def garbage(
    rows: Rows,
    store: MemoryObjectStore,
    before: datetime = SOON,
    *,
    remove: bool = True,
    refused: Callable[[StoreRefused], None] = fail,
) -> list[str]:
    found = collect(cast(Examiner, rows), store, before, remove=remove, refused=refused)
    return [ref.key for ref, _ in found]


def kinds(findings: list[Finding]) -> list[Kind]:
    return [finding.kind for finding in findings]


def refuse_listing(store: MemoryObjectStore, absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    list_objects = store.list_objects

    def list_present(bucket: str) -> Iterator[Sequence[StoredObject]]:
        if bucket == absent:
            raise StoreRefused("no such bucket")
        return list_objects(bucket)

    monkeypatch.setattr(store, "list_objects", list_present)


def test_a_bucket_that_nobody_configured_and_that_is_not_there_is_told(
    store: MemoryObjectStore, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a row of the outbox may name one: what comes after it is checked."""
    rows = Rows([reference(key), reference("of a variant", ref=ObjectRef("absent", "key"))])
    refuse_listing(store, "absent", monkeypatch)
    found = check(rows, store)
    assert kinds(found) == [Kind.NO_BUCKET, Kind.MISSING]
    told = "1 stored variants and 0 other rows refer to it: no such bucket"
    assert (found[0].where, found[0].detail) == ("absent", told)


def test_what_comes_after_a_bucket_that_is_refused_is_checked_and_collected(
    key: str, store: MemoryObjectStore, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(key)
    gone = reference("gone")
    rows = Rows([gone, reference("of a variant", ref=ObjectRef("absent", "key"))])
    refuse_listing(store, "absent", monkeypatch)
    refused: list[StoreRefused] = []
    found = check(rows, store, configured=["absent", "assets"], refused=refused.append)
    assert kinds(found) == [Kind.MISSING, Kind.ORPHAN]
    assert garbage(rows, store, refused=refused.append) == [key]
    assert [error.detail for error in refused] == ["no such bucket"] * 2


def test_an_object_that_the_store_refuses_to_tell_of_is_told(
    key: str, store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does of an empty key: what comes after it is checked."""
    find_object = store.find_object

    def find(ref: ObjectRef) -> StoredObject | None:
        if not ref.key:
            raise StoreRefused("no such key can be")
        return find_object(ref)

    monkeypatch.setattr(store, "find_object", find)
    found = check(Rows([reference(""), reference(key)]), store)
    assert [(finding.kind, finding.where) for finding in found] == [(Kind.REFUSED, "/"), (Kind.MISSING, f"/{key}")]
    assert found[0].detail == "no such key can be"


class Listing:
    """An object store of which only the listing exists."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys

    def list_objects(self, bucket: str) -> Iterator[Sequence[StoredObject]]:  # noqa: ARG002
        yield from ([StoredObject(key, 1, NOW)] for key in self.keys)


def pairs(keys: Sequence[str], rows: Sequence[str]) -> list[Pair]:
    examiner = Rows([reference(key) for key in rows])
    return list(compare(cast(Examiner, examiner), cast(MemoryObjectStore, Listing(keys)), "assets"))


@given(st.sets(st.text(min_size=1, max_size=3)), st.lists(st.text(min_size=1, max_size=3)))
def test_each_row_and_each_object_without_one_is_given_once(keys: set[str], rows: list[str]) -> None:
    found = [(a and a.key, b and b.ref.key) for a, b in pairs(sorted(keys), rows)]
    of_rows = [(key if key in keys else None, key) for key in rows]
    of_none = [(key, None) for key in keys.difference(rows)]
    assert sorted(found, key=str) == sorted([*of_rows, *of_none], key=str)
    assert [a or b for a, b in found] == sorted(a or b or "" for a, b in found)


@pytest.mark.parametrize("keys", [["b", "a"], ["a", "a"]])
def test_a_listing_out_of_order_is_refused(keys: list[str]) -> None:
    with pytest.raises(StoreRefused, match="order of keys"):
        pairs(keys, [])


# What is told, and what is not.
def test_what_agrees_is_clean(key: str, store: MemoryObjectStore, put: Callable[..., None]) -> None:
    put(key)
    assert check(Rows([reference(key)]), store, data=True) == []
    assert check(Rows([reference(key, size=None, sha256=None)]), store, data=True) == []


def test_a_row_whose_object_is_gone_is_told(key: str, store: MemoryObjectStore) -> None:
    (finding,) = check(Rows([reference(key)]), store, repair=True)
    assert (finding.kind, finding.where, finding.corrected) == (Kind.MISSING, f"/{key}", False)


def test_a_row_that_was_deleted_meanwhile_is_not_told(key: str, store: MemoryObjectStore) -> None:
    rows = Rows([reference(key)])
    rows.meanwhile = rows.rows.clear
    assert check(rows, store) == []


def test_an_object_that_came_meanwhile_is_there(
    key: str, store: MemoryObjectStore, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def upload(seconds: float) -> None:
        waits.append(seconds)
        put(key)

    monkeypatch.setattr("konifer_fs.workflows.fsck.time.sleep", upload)
    young = reference(key, is_original=False, created_at=datetime.now(UTC) - timedelta(minutes=2))
    assert check(Rows([young]), store) == []
    assert 0 < waits[0] <= 180


def test_a_variant_whose_upload_has_had_its_time_is_told(
    key: str, store: MemoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("konifer_fs.workflows.fsck.time.sleep", lambda _: None)
    young = reference(key, is_original=False, created_at=datetime.now(UTC))
    assert kinds(check(Rows([young]), store)) == [Kind.MISSING]


def test_an_object_of_the_wrong_size_is_told_from_a_wrong_row(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key)
    rows = Rows([reference(key, size=3)])
    assert kinds(check(rows, store)) == [Kind.WRONG_SIZE]
    assert rows.corrected == []
    assert [finding.corrected for finding in check(rows, store, repair=True)] == [True]
    assert rows.corrected == [len(CONTENT)]
    put(key, CONTENT[:3])
    assert kinds(check(Rows([reference(key)]), store, repair=True)) == [Kind.DAMAGED]


def test_other_bytes_of_the_same_size_are_found_by_reading_them(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key, CONTENT[::-1])
    rows = Rows([reference(key)])
    assert check(rows, store) == []
    assert kinds(check(rows, store, data=True, repair=True)) == [Kind.DAMAGED]


# Orphans.
def test_an_object_without_a_row_is_told_once_it_is_old(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key)
    (finding,) = check(Rows(), store, repair=True)
    assert (finding.kind, finding.where, finding.corrected) == (Kind.ORPHAN, f"assets/{key}", False)
    assert check(Rows(), store, before=NOW) == []


@pytest.mark.parametrize("key", ["backup.tar", "notes/plan.jpeg", "2cd4a9b2-1a5e-4a6f-9e2b-54ab33bb2d5c.txt"])
def test_what_konifer_would_not_call_an_object_is_nobodys_business(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key)
    rows = Rows([reference("elsewhere")])
    assert kinds(check(rows, store)) == [Kind.MISSING]
    assert garbage(rows, store) == []


def test_an_object_that_the_outbox_names_is_no_orphan(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key)
    assert check(Rows(outbox=[ObjectRef("assets", key)]), store) == []


def test_an_object_that_got_its_row_meanwhile_is_no_orphan(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key)
    rows = Rows()
    rows.meanwhile = lambda: rows.rows.append(reference(key))
    assert check(rows, store) == []


# Removing them.
@pytest.mark.parametrize("remove", [False, True])
def test_orphans_are_removed_and_nothing_else(
    key: str, store: MemoryObjectStore, put: Callable[..., None], remove: bool
) -> None:
    other = f"{uuid4()}.png"
    put(key)
    put(other)
    rows = Rows([reference(other)])
    assert garbage(rows, store, remove=remove) == [key]
    assert (store.find_object(ObjectRef("assets", key)) is None) == remove
    assert store.find_object(ObjectRef("assets", other))
    assert garbage(rows, store, NOW) == []


def test_an_orphan_that_is_put_again_meanwhile_stays(
    key: str, store: MemoryObjectStore, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(key)
    before = datetime.now(UTC)
    rows = Rows([reference("another")])
    unreferenced = rows.list_unreferenced

    def put_again(refs: Sequence[ObjectRef]) -> Sequence[ObjectRef]:
        put(key)
        return unreferenced(refs)

    monkeypatch.setattr(rows, "list_unreferenced", put_again)
    assert garbage(rows, store, before) == []
    assert store.find_object(ObjectRef("assets", key))


def test_a_bucket_that_no_row_refers_to_is_left_alone(
    key: str, store: MemoryObjectStore, put: Callable[..., None]
) -> None:
    put(key)
    assert garbage(Rows(), store) == []
    assert store.find_object(ObjectRef("assets", key))
