"""What only the store in memory does: its cap."""

from io import BytesIO
from pathlib import Path

import pytest

from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.domain.errors import ContentUnreadable, ObjectMissing, StoreFull
from konifer_fs.domain.variant import ObjectRef

REF = ObjectRef("assets", "key")
CAP = 3 << 20


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore(max_bytes=CAP)


def source_of(size: int, directory: Path) -> Path:
    path = directory / f"source-{size}"
    path.write_bytes(b"x" * size)
    return path


def test_what_exceeds_the_cap_is_refused_and_takes_no_space(store: MemoryObjectStore, tmp_path: Path) -> None:
    with pytest.raises(StoreFull):
        store.put(REF, source_of(CAP + 1, tmp_path), "image/jpeg")
    with pytest.raises(ObjectMissing):
        store.size(REF)
    assert store.free_space() == (CAP, CAP, CAP)


def test_the_cap_can_be_filled_to_its_last_byte(store: MemoryObjectStore, tmp_path: Path) -> None:
    store.put(REF, source_of(CAP, tmp_path), "image/jpeg")
    assert store.free_space() == (CAP, 0, 0)
    with pytest.raises(StoreFull):
        store.put(ObjectRef("assets", "other"), source_of(1, tmp_path), "image/jpeg")


def test_deleting_gives_the_space_back(store: MemoryObjectStore, tmp_path: Path) -> None:
    store.put(REF, source_of(CAP, tmp_path), "image/jpeg")
    store.delete(REF)
    store.delete(REF)
    assert store.free_space() == (CAP, CAP, CAP)


def test_a_repeated_put_is_counted_once(store: MemoryObjectStore, tmp_path: Path) -> None:
    for _ in range(2):
        store.put(REF, source_of(CAP // 3, tmp_path), "image/jpeg")
    assert store.free_space() == (CAP, CAP - CAP // 3, CAP - CAP // 3)


def test_a_source_shorter_than_it_says_is_refused_and_takes_no_space(store: MemoryObjectStore) -> None:
    short = Path("/sys/devices/system/cpu/online")
    if not short.exists():
        pytest.skip("no sysfs here, whose files are shorter than their size")
    with pytest.raises(ContentUnreadable):
        store.put(REF, short, "image/jpeg")
    assert store.free_space() == (CAP, CAP, CAP)


def test_an_object_stays_whole_for_a_reader_when_it_is_deleted(store: MemoryObjectStore, tmp_path: Path) -> None:
    store.put(REF, source_of(CAP, tmp_path), "image/jpeg")

    class DeletingTarget(BytesIO):
        def write(self, piece: object, /) -> int:
            store.delete(REF)
            return super().write(piece)  # type: ignore[arg-type]

    target = DeletingTarget()
    store.fetch(REF, target)
    assert len(target.getvalue()) == CAP
