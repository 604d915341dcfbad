"""Recording in company: calls that come while one runs go together, and nobody gets another's outcome."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres.grouping import Grouped
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.errors import NameTaken
from konifer_fs.domain.node import Entry, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import NewEntry
from tests.postgres.drafts import new_entry


def test_calls_that_come_while_one_runs_go_together() -> None:
    groups: list[list[int]] = []
    running, go = threading.Event(), threading.Event()

    def run(items: Sequence[int]) -> Sequence[int]:
        groups.append(list(items))
        running.set()
        assert go.wait(30)
        return [item * 10 for item in items]

    grouped = Grouped(run)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(grouped, 1)
        assert running.wait(30)
        others = [pool.submit(grouped, number) for number in range(2, 8)]
        while len(grouped._waiting) < len(others):
            pass
        go.set()
        assert [first.result(30), *(other.result(30) for other in others)] == [10, 20, 30, 40, 50, 60, 70]
    assert [sorted(group) for group in groups] == [[1], [2, 3, 4, 5, 6, 7]]


def test_each_caller_gets_its_own_outcome() -> None:
    grouped: Grouped[int, int] = Grouped(lambda items: [ValueError(item) if item % 2 else item for item in items])
    assert grouped(2) == 2
    with pytest.raises(ValueError, match="3"):
        grouped(3)


def test_a_failure_of_the_group_is_everybodys() -> None:
    def run(items: Sequence[int]) -> Sequence[int]:
        raise OSError(len(items))

    with pytest.raises(OSError, match="1"):
        Grouped(run)(5)
    with pytest.raises(OSError, match="1"):
        Grouped(run)(6)


@pytest.fixture
def store(migrated: str) -> Iterator[PostgresStore]:
    store = PostgresStore(migrated)
    yield store
    store.close()


def outcome(store: PostgresStore, new: NewEntry) -> Entry | Exception:
    try:
        return store.record(new)
    except NameTaken as error:
        return error


def test_many_record_at_once_in_many_directories(store: PostgresStore, connection: Connection) -> None:
    places = [store.make_directories(AssetPath((f"d{number}",))) for number in range(4)]
    store.make_directory(places[0], "taken", Ownership())
    ids = store.reserve_ids(200)
    news = [
        new_entry(places[number % 4], "taken" if number in {0, 40} else f"{number}.jpg", ids[number])
        for number in range(200)
    ]
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda new: outcome(store, new), news))
    refused = [number for number, found in enumerate(outcomes) if isinstance(found, NameTaken)]
    assert refused == [0, 40]
    for new, found in zip(news, outcomes, strict=True):
        if isinstance(found, Entry):
            assert (found.asset_id, found.name, found.path) == (new.asset_id, new.name, new.directory.path)
    for place in places:
        rows = connection.execute(
            "SELECT entry_id FROM asset_tree WHERE path = %s::ltree ORDER BY entry_id", [place.path.ltree]
        ).fetchall()
        assert [row[0] for row in rows] == list(range(len(rows)))
    assert connection.execute("SELECT count(*) FROM asset_tree").fetchone() == (198,)


def test_recording_what_is_recorded_gives_it_again(store: PostgresStore) -> None:
    new = new_entry(store.make_directories(AssetPath(("again",))), "a.jpg", store.reserve_ids(1)[0])
    first = store.record(new)
    assert store.record(new) == first
