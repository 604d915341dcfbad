"""Plans that a session makes while its tables are almost empty, and keeps: they are good when there is much, too."""

from psycopg import Connection, connect

from konifer_fs.adapters.postgres import moving
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import OnClash
from tests.postgres import ledger, trees
from tests.postgres.drafts import make

DIRECTORIES = 30
ENTRIES = 20


def test_naming_many_entries_reads_no_table_whole_though_it_was_planned_for_a_few(migrated: str) -> None:
    with connect(migrated, autocommit=True) as session:
        configure(session, deadline=30)
        root = make(session, AssetPath().konifer)

        def move(name: str, new_name: str) -> None:
            moving.move(session, root, name, root, new_name, OnClash.REPLACE, 77)

        def fill(name: str) -> None:
            for number in range(DIRECTORIES * ENTRIES):
                trees.add_asset(session, f"root.{name}.d{number % DIRECTORIES}")

        make(session, "/few")
        session.execute("VACUUM ANALYZE")
        move("few", "some")
        fill("many")
        move("many", "more")  # Makes counters: what comes to these paths again is numbered anew, and so is named.
        assert read_whole(session) < DIRECTORIES * ENTRIES
        before = ledger.one(session, "SELECT count(*) FROM konifer_fs.node WHERE asset_id IS NOT NULL")
        move("more", "many")
        move("many", "more")
        assert ledger.one(session, "SELECT count(*) FROM konifer_fs.node WHERE asset_id IS NOT NULL") > before
        assert read_whole(session) < DIRECTORIES * ENTRIES
        ledger.check(session)


def read_whole(session: Connection) -> int:
    """Give how many rows of ours were read by reading the whole table."""
    session.execute("SELECT pg_stat_force_next_flush()")
    statement = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'konifer_fs' AND relname = 'node'"
    return int(ledger.one(session, statement))
