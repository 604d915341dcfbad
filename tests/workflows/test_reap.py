"""Reaping, over a metadata store of which only the outbox exists and an object store in memory that can be broken."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.domain.errors import KoniferFsError, ObjectMissing, StoreRefused, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import MetadataStore, PendingDelete
from konifer_fs.workflows import reap as reaping
from konifer_fs.workflows.reap import Reaper
from konifer_fs.workflows.sweep import sweep

_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001 (as the outbox has it)


class Outbox:
    """The part of a metadata store that reaping and sweeping need."""

    def __init__(self, refs: Sequence[ObjectRef]) -> None:
        self.rows = [PendingDelete(uuid4(), ref, _LONG_AGO + timedelta(seconds=n)) for n, ref in enumerate(refs)]
        self.free = True
        self.due = 0
        self.held: set[str] = set()

    def list_pending_deletes(self, limit: int, *, after: PendingDelete | None) -> Sequence[PendingDelete]:
        assert self.held == {"reap"}
        return [row for row in self.rows if after is None or row.told_at > after.told_at][:limit]

    def drop_pending_delete(self, pending: PendingDelete) -> None:
        self.rows.remove(pending)

    def sweep(self) -> int:
        assert self.held == {"sweep"}
        return self.due

    @contextmanager
    def exclusively(self, task: str) -> Iterator[bool]:
        self.held.add(task)
        try:
            yield self.free
        finally:
            self.held.remove(task)


class BreakableStore(MemoryObjectStore):
    """Objects in memory, and refs whose deletion fails."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.failures: dict[ObjectRef, KoniferFsError] = {}
        self.asked: list[ObjectRef] = []

    def delete(self, ref: ObjectRef) -> None:
        self.asked.append(ref)
        if ref in self.failures:
            raise self.failures[ref]
        super().delete(ref)

    def holds(self, ref: ObjectRef) -> bool:
        try:
            return self.size(ref) > 0
        except ObjectMissing:
            return False


def reap_with(outbox: Outbox, store: BreakableStore, in_use: set[ObjectRef] | None = None) -> int:
    return make_reaper(outbox, store, in_use).reap()


def make_reaper(outbox: Outbox, store: BreakableStore, in_use: set[ObjectRef] | None = None) -> Reaper:
    return Reaper(cast(MetadataStore, outbox), store, lambda ref: ref in (in_use or set()))


@pytest.fixture
def refs() -> list[ObjectRef]:
    return [ObjectRef("assets", f"{number}.jpeg") for number in range(5)]


@pytest.fixture
def store(tmp_path: Path, refs: list[ObjectRef]) -> BreakableStore:
    source = tmp_path / "object"
    source.write_bytes(b"bytes")
    store = BreakableStore()
    for ref in refs:
        store.put(ref, source, "image/jpeg")
    return store


def test_reaping_removes_object_and_row(refs: list[ObjectRef], store: BreakableStore) -> None:
    outbox = Outbox(refs)
    assert reap_with(outbox, store) == 5
    assert not outbox.rows
    assert not any(store.holds(ref) for ref in refs)


def test_an_object_that_is_gone_already_loses_its_row(store: BreakableStore) -> None:
    outbox = Outbox([ObjectRef("assets", "never.png")])
    assert reap_with(outbox, store) == 1
    assert not outbox.rows


def test_an_object_that_is_open_here_waits(refs: list[ObjectRef], store: BreakableStore) -> None:
    outbox = Outbox(refs)
    assert reap_with(outbox, store, {refs[1]}) == 4
    assert [pending.ref for pending in outbox.rows] == [refs[1]]
    assert store.holds(refs[1])


def test_one_failure_keeps_its_row_and_the_others_go_on(refs: list[ObjectRef], store: BreakableStore) -> None:
    outbox = Outbox(refs)
    store.failures[refs[0]] = StoreRefused("denied")
    with pytest.raises(StoreRefused, match="denied"):
        reap_with(outbox, store)
    assert [pending.ref for pending in outbox.rows] == [refs[0]]


def test_an_unreachable_object_store_ends_the_round(refs: list[ObjectRef], store: BreakableStore) -> None:
    outbox = Outbox(refs)
    store.failures = {ref: StoreUnreachable("no route") for ref in refs}
    with pytest.raises(StoreUnreachable):
        reap_with(outbox, store)
    assert len(store.asked) == 3
    assert len(outbox.rows) == 5


def test_more_than_a_batch_goes_in_one_round(
    refs: list[ObjectRef], store: BreakableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaping, "BATCH", 2)
    outbox = Outbox(refs)
    assert reap_with(outbox, store) == 5
    assert not outbox.rows


def test_batches_of_which_nothing_can_go_keep_none_of_the_others_waiting(
    refs: list[ObjectRef], store: BreakableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaping, "BATCH", 1)
    outbox = Outbox(refs)
    store.failures[refs[1]] = StoreRefused("denied")
    with pytest.raises(StoreRefused):
        reap_with(outbox, store, {refs[0], refs[2]})
    assert [pending.ref for pending in outbox.rows] == refs[:3]


def test_what_is_refused_is_asked_for_in_part_each_round_and_keeps_none_of_the_others_waiting(
    refs: list[ObjectRef], store: BreakableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaping, "REFUSED_AT_MOST", 2)
    outbox = Outbox(refs)
    store.failures = {ref: StoreRefused("denied") for ref in refs[:3]}
    reaper = make_reaper(outbox, store)
    for asked in (refs[:2], refs[2:], refs[:2]):
        store.asked.clear()
        with pytest.raises(StoreRefused):
            reaper.reap()
        assert store.asked == asked
    assert [pending.ref for pending in outbox.rows] == refs[:3]


def test_nothing_happens_while_another_mount_reaps_or_sweeps(refs: list[ObjectRef], store: BreakableStore) -> None:
    outbox = Outbox(refs)
    outbox.free, outbox.due = False, 7
    assert reap_with(outbox, store) == 0
    assert sweep(cast(MetadataStore, outbox)) == 0
    assert len(outbox.rows) == 5


def test_sweeping_tells_how_many_went() -> None:
    outbox = Outbox([])
    outbox.due = 7
    assert sweep(cast(MetadataStore, outbox)) == 7
