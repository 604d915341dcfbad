"""The store itself: what it does when its server is away, restarts, is slow, silent or contended."""

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from psycopg import Connection, Error, connect, errors
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.outage import IN_HASTE
from konifer_fs.adapters.postgres import reading, recording
from konifer_fs.adapters.postgres.answering import answering, insistently, is_contended, is_lost
from konifer_fs.adapters.postgres.connecting import BoundedConnection, configure, open_pool
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.errors import NoSuchName, OutcomeUnknown, StoreRefused, StoreUnreachable
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import MetadataStore, OnClash
from tests.postgres import drafts, trees
from tests.postgres.wire import Wire, wired

ROOT = AssetPath()


@pytest.fixture
def store(migrated: str) -> Iterator[MetadataStore]:
    with closing(PostgresStore(migrated, deadline=30, application_name="konifer-fs/test")) as store:
        yield store


@pytest.fixture
def wire(migrated: str) -> Iterator[Wire]:
    with tempfile.TemporaryDirectory() as directory, wired(Path(directory), migrated) as wire:
        yield wire


def root_of(store: MetadataStore) -> Directory:
    root = store.find_directory(ROOT)
    assert root is not None
    return root


def test_what_was_recorded_is_read_back(store: MetadataStore) -> None:
    directory = store.make_directory(root_of(store), "Summer 2026", Ownership(mode=0o700))
    (node_id,) = store.reserve_ids(1)
    recorded = store.record(drafts.new_entry(directory, "hill.png", node_id))
    assert recorded.id == node_id
    assert store.find_child(root_of(store), "Summer 2026") == store.refresh(directory)
    found = store.find_child(directory, "hill.png")
    assert isinstance(found, Entry)
    assert found == recorded
    assert [node for nodes in store.list_children(directory) for node in nodes] == [found]
    assert store.read_facts(found).annotations.alt == ""


def test_a_page_of_children_holds_no_connection(migrated: str, connection: Connection) -> None:
    for number in range(3):
        trees.add_asset(connection, f"root.a{number}")
    with closing(PostgresStore(migrated, deadline=5, max_connections=1)) as store:
        root = root_of(store)
        pages = store.list_children(root)
        assert len(next(pages)) == 3
        assert store.find_child(root, "a0") is not None
        assert list(pages) == []


def test_a_statement_is_planned_once_for_numbers_of_all_sizes(migrated: str) -> None:
    with connect(migrated, autocommit=True) as session:
        configure(session, deadline=30)
        for number in (1, 1 << 20, 1 << 40, 1 << 62):
            reading.refresh(session, Directory(id=number, path=ROOT, made=True))
        wanted = "SELECT FROM pg_prepared_statements WHERE statement LIKE '%n.id = $1%'"
        prepared = session.execute(wanted, prepare=False)
        assert len(prepared.fetchall()) == 1


def test_connections_that_the_server_has_closed_are_not_waited_for(migrated: str, connection: Connection) -> None:
    """The pauses that psycopg makes between six of them would take longer than the deadline."""
    closed = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'konifer-fs/many'"
    name = "konifer-fs/many"
    with closing(
        open_pool(migrated, BoundedConnection, deadline=10, min_size=6, max_size=6, application_name=name)
    ) as pool:
        pool.wait()
        assert len(connection.execute(closed).fetchall()) == 6
        with pool.connection() as again:
            assert again.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("change", [False, True])
def test_a_restarted_server_is_not_noticed(store: MetadataStore, connection: Connection, change: bool) -> None:
    root = root_of(store)
    ended = connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'konifer-fs/test'"
    ).fetchall()
    assert ended
    if change:
        assert store.make_directory(root, "a", Ownership()).made
    else:
        assert root_of(store) == root


def test_a_lock_that_is_not_let_go_ends_with_the_deadline(migrated: str, connection: Connection) -> None:
    with closing(PostgresStore(migrated, deadline=1)) as store:
        root = root_of(store)
        with connection.transaction():
            connection.execute("LOCK TABLE konifer_fs.node IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreUnreachable, match="timeout"):
                store.find_child(root, "a")
        assert store.find_child(root, "a") is None


def test_no_server_at_all_is_unreachable(tmp_path: Path) -> None:
    conninfo = f"host={tmp_path} user=nobody dbname=none"
    with closing(PostgresStore(conninfo, deadline=1)) as store, pytest.raises(StoreUnreachable):
        store.find_identity()


def test_a_server_that_comes_late_is_waited_for(migrated: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        conninfo = make_conninfo(migrated, host=directory, port=5432)
        with closing(PostgresStore(conninfo, deadline=30)) as store, wired(Path(directory), migrated):
            assert root_of(store).path == ROOT


def test_a_listener_that_never_answers_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        conninfo = f"host=127.0.0.1 port={listener.getsockname()[1]} user=nobody dbname=none"
        with closing(PostgresStore(conninfo, deadline=1)) as store, pytest.raises(StoreUnreachable):
            store.find_identity()


def test_a_server_that_falls_silent_is_given_up(wire: Wire) -> None:
    with closing(PostgresStore(wire.conninfo, deadline=1)) as store:
        root = root_of(store)
        wire.fall_silent()
        with pytest.raises(StoreUnreachable, match="does not answer"):
            store.find_child(root, "a")


@pytest.fixture
def hanging(connection: Connection) -> Iterator[Callable[[], None]]:
    """Give what stops the processes that serve a store, as a disk that hangs does; the server takes new connections."""
    stopped: list[int] = []

    def stop() -> None:
        serving = "SELECT pid FROM pg_stat_activity WHERE application_name = 'konifer-fs/hanging'"
        stopped.extend(pid for (pid,) in connection.execute(serving))
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    yield stop
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_a_process_of_the_server_that_hangs_is_given_up(migrated: str, hanging: Callable[[], None]) -> None:
    with closing(PostgresStore(migrated, deadline=2, application_name="konifer-fs/hanging")) as store:
        directory = store.make_directory(root_of(store), "a", Ownership())
        new = drafts.new_entry(directory, "hill.png", store.reserve_ids(1)[0])
        hanging()
        with pytest.raises(OutcomeUnknown):
            store.record(new)
        with pytest.raises(StoreUnreachable):
            store.find_outcome(new.asset_id)
        assert store.find_child(directory, "hill.png") is None


def test_what_a_lost_connection_may_still_record_is_waited_for_also_when_a_process_was_given_up(
    migrated: str, connection: Connection
) -> None:
    with closing(PostgresStore(migrated, deadline=1)) as store:
        directory = store.make_directory(root_of(store), "a", Ownership())
        new = drafts.new_entry(directory, "hill.png", store.reserve_ids(1)[0])
        store._recorder._unheard.add(0)
        with connection.transaction():
            recording.record(connection, new)
            with pytest.raises(OutcomeUnknown):
                store._recorder._find_recorded(new)
        assert store._recorder._find_recorded(new) == store.find_child(directory, "hill.png")


def test_while_it_is_silent_who_answers_the_kernel_is_told_at_once(wire: Wire) -> None:
    with closing(PostgresStore(wire.conninfo, deadline=2)) as store:
        root = root_of(store)
        wire.fall_silent()
        before = IN_HASTE.set(True)
        try:
            with pytest.raises(StoreUnreachable, match="does not answer"):
                store.find_child(root, "a")
            for change in (False, True):
                with pytest.raises(StoreUnreachable, match="a moment ago"):
                    store.make_directory(root, "a", Ownership()) if change else store.find_child(root, "a")
        finally:
            IN_HASTE.reset(before)
        wire.speak()
        assert store.find_child(root, "a") is None


def test_a_slow_statement_of_a_living_server_is_waited_for(wire: Wire) -> None:
    with BoundedConnection.connect(wire.conninfo, autocommit=True) as connection:
        configure(connection, deadline=0.2)
        connection.execute("SET statement_timeout = 0")
        assert connection.execute("SELECT 'done', pg_sleep(1)").fetchone() == ("done", "")


def test_a_directorys_rename_that_takes_long_is_waited_for(migrated: str, connection: Connection) -> None:
    trees.add_asset(connection, "root.a")
    connection.execute(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END'"
    )
    connection.execute("CREATE TRIGGER slowly BEFORE UPDATE ON asset_tree FOR EACH ROW EXECUTE FUNCTION slowly()")
    with closing(PostgresStore(migrated, deadline=0.5)) as store:
        root = root_of(store)
        moved = store.move(root, "a", root, "b", OnClash.REFUSE, 0)
        assert moved == store.find_child(root, "b")


def test_a_commit_whose_answer_was_lost_is_found(wire: Wire) -> None:
    with closing(PostgresStore(wire.conninfo, deadline=30)) as store:
        directory = store.make_directory(root_of(store), "a", Ownership())
        (node_id,) = store.reserve_ids(1)
        new = drafts.new_entry(directory, "hill.png", node_id)
        wire.cut_answer_to(b"INSERT INTO asset_tree")
        recorded = store.record(new)
        assert wire.cuts == 1
        assert (recorded.asset_id, recorded.name, recorded.id) == (new.asset_id, "hill.png", node_id)
        assert recorded == store.find_child(directory, "hill.png")


def test_a_change_that_was_lost_with_its_connection_is_an_error(wire: Wire) -> None:
    with closing(PostgresStore(wire.conninfo, deadline=30)) as store:
        root = root_of(store)
        wire.cut_answer_to(b"INSERT INTO konifer_fs.node")
        with pytest.raises(StoreUnreachable):
            store.make_directory(root, "a", Ownership())
        assert wire.cuts == 1
        assert store.make_directory(root, "b", Ownership()).made


def test_a_refusal_carries_the_servers_reason(connection: Connection) -> None:
    with pytest.raises(StoreRefused, match=r'relation "nowhere" does not exist \(42P01\)'), answering():
        connection.execute("SELECT FROM nowhere")


def failing(times: int, error: type[Error]) -> Callable[[], str]:
    """Give work that fails so many times."""
    left = iter([error] * times)

    def work() -> str:
        for failure in left:
            raise failure
        return "done"

    return work


@pytest.mark.parametrize("error", [errors.DeadlockDetected, errors.SerializationFailure, errors.ForeignKeyViolation])
def test_a_transaction_that_was_in_anothers_way_is_done_again(error: type[Error]) -> None:
    assert insistently(failing(3, error), is_contended) == "done"
    with pytest.raises(error):
        insistently(failing(4, error), is_contended)


@pytest.mark.parametrize("error", [errors.UniqueViolation, errors.QueryCanceled, errors.AdminShutdown])
def test_nothing_else_is_done_again(error: type[Error]) -> None:
    with pytest.raises(error):
        insistently(failing(1, error), is_contended)


def test_an_entry_id_that_another_took_is_tried_again(connection: Connection) -> None:
    first = trees.add_asset(connection, "root.a")
    trees.add_asset(connection, "root.a")
    with pytest.raises(errors.UniqueViolation) as caught:
        connection.execute("UPDATE asset_tree SET entry_id = 1 WHERE id = %s", [first])
    assert is_contended(caught.value)
    assert not is_lost(caught.value)


def test_facts_of_the_domain_pass_unchanged() -> None:
    with pytest.raises(NoSuchName), answering():
        raise NoSuchName("a")


def test_the_oldest_connection_that_is_free_is_used(migrated: str) -> None:
    pool = open_pool(migrated, BoundedConnection, deadline=30, min_size=3, max_size=3, application_name="konifer-fs")
    with closing(pool):
        pool.wait()
        oldest, older, other = [pool.getconn() for _ in range(3)]
        assert oldest.number < older.number < other.number
        for connection in (older, oldest, other):
            pool.putconn(connection)
        for _ in range(4):
            with pool.connection() as first, pool.connection() as second:
                assert (first, second) == (oldest, older)


def test_many_threads_share_few_connections(migrated: str, connection: Connection) -> None:
    trees.add_asset(connection, "root.a")
    with closing(PostgresStore(migrated, deadline=30, max_connections=2)) as store:
        root = root_of(store)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda _: store.find_child(root, "a"), range(200)))
    assert len(set(found)) == 1
