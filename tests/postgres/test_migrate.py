"""Migrations: what they make, of what they start, and what they refuse."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import Connection, connect

from konifer_fs.adapters.postgres import migrate
from konifer_fs.domain.errors import SchemaMismatch
from tests.postgres import trees
from tests.postgres.konifers import make_konifer

CONTRACT = {
    "asset_tree_path_gist_idx",
    "asset_tree_path_is_ready_idx",
    "asset_tree_path_entry_id_uq",
    "asset_tree_not_ready",
    "tr_assign_entry_id",
    "fk_asset_variant_asset_id_asset_tree_id",
    "asset_variant_asset_id_idx",
    "asset_variant_transformation_uq",
    "asset_variant_asset_id_original_variant_uq",
    "asset_variant_not_uploaded",
    "asset_variant_expires_at_idx",
    "asset_label_key_value_uq",
    "asset_tag_key_value_uq",
    "outbox_event_type_idx",
    "execution_time_idx",
    "last_heartbeat_idx",
    "priority_execution_time_idx",
    "prompt_embedding_cache_uq",
}
NEWEST = migrate.list_migrations("konifer_fs")[-1].version
INDEXES = [
    (table, index, f"CREATE INDEX {index} ON public.{table} USING btree ({columns})", "", "")
    for table, index, columns in [
        ("asset_label", "konifer_fs_label", '"left"(label_key, 128) COLLATE "C", "left"(label_value, 256) COLLATE "C"'),
        ("asset_tag", "konifer_fs_tag", '"left"(tag_value, 256) COLLATE "C"'),
    ]
]
FEED = [
    (
        "asset_tree",
        f"konifer_fs_{event.lower()}",
        (
            f"CREATE TRIGGER konifer_fs_{event.lower()} AFTER {event} ON public.asset_tree REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION konifer_fs.log_assets()"
        ),
        "",
        "",
    )
    for event, tables in [
        ("DELETE", "OLD TABLE AS old_rows"),
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ]
]
ADDED = [*INDEXES, *FEED]
KONIFERS = "asset_tree asset_variant asset_label asset_tag path_entry_counter outbox scheduled_tasks prompt_embedding"

ATTACHED = migrate.Migrated(left=[], is_attached=True, long_paths=0)


@pytest.fixture
def raw(database: str) -> Iterator[Connection]:
    with connect(database, autocommit=True) as connection:
        yield connection


def describe_tables(connection: Connection) -> list[tuple[object, ...]]:
    """Give all that is known of Konifer's tables: columns, constraints, indexes, triggers that have a name."""
    tables = KONIFERS.split()
    return connection.execute(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text, column_default::text"
        "  FROM information_schema.columns WHERE table_schema = 'public' AND table_name = ANY(%(tables)s)"
        " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint"
        "  WHERE conrelid::regclass::text = ANY(%(tables)s)"
        " UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public'"
        " UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), '', '' FROM pg_trigger"
        "  WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%(tables)s) ORDER BY 1, 2, 3",
        {"tables": tables},
    ).fetchall()


def test_an_empty_database_gets_konifers_tables_and_ours(raw: Connection) -> None:
    assert migrate.state(raw) == migrate.State(konifer=None, ours=None, empty=True)
    migrate.migrate(raw)
    assert migrate.state(raw) == migrate.State(konifer=8, ours=NEWEST, empty=False)
    migrate.check(raw)
    assert raw.execute("SELECT id FROM migrations ORDER BY id").fetchall() == [(number,) for number in range(1, 9)]
    assert raw.execute("SELECT * FROM migrations_lock").fetchall() == [(1, False)]
    assert raw.execute("SELECT id, path::text FROM konifer_fs.node").fetchall() == [(1, "root")]


def test_what_the_contract_names_has_that_name(raw: Connection) -> None:
    migrate.migrate(raw)
    assert {row[1] for row in describe_tables(raw)} >= CONTRACT


def test_entry_ids_start_at_0_and_never_come_back(connection: Connection) -> None:
    first = trees.add_asset(connection, "root.a")
    trees.add_asset(connection, "root.A")
    connection.execute("DELETE FROM asset_variant WHERE asset_id = %s", [first])
    connection.execute("DELETE FROM asset_tree WHERE id = %s", [first])
    trees.add_asset(connection, "root.a")
    rows = connection.execute("SELECT path::text, entry_id FROM asset_tree ORDER BY path").fetchall()
    assert rows == [("root.A", 0), ("root.a", 1)]


def test_a_konifers_database_gets_our_schema_beside_its_tables(raw: Connection) -> None:
    make_konifer(raw, version=5)
    asset = trees.add_asset(raw, "root.users.1")
    before = describe_tables(raw)
    assert migrate.state(raw) == migrate.State(konifer=5, ours=None, empty=False)
    with pytest.raises(SchemaMismatch, match=r"a Konifer's: .* run `konifer-fs migrate --join`"):
        migrate.migrate(raw, triggers=True)
    assert migrate.state(raw).ours is None
    for _ in range(2):
        assert migrate.migrate(raw, join=True) == migrate.Migrated(left=[], is_attached=False, long_paths=0)
        assert describe_tables(raw) == before
        migrate.check(raw)
        assert migrate.migrate(raw) == migrate.Migrated(left=[], is_attached=False, long_paths=0)
    assert migrate.migrate(raw, triggers=True) == ATTACHED
    assert migrate.state(raw) == migrate.State(konifer=5, ours=NEWEST, empty=False)
    assert [row for row in describe_tables(raw) if row not in before] == ADDED
    assert [row for row in before if row not in describe_tables(raw)] == []
    assert raw.execute("SELECT id FROM asset_tree").fetchall() == [(asset,)]


def test_paths_that_are_too_long_for_us_are_counted(raw: Connection) -> None:
    make_konifer(raw)
    for length in (100, 1860, 1900):
        trees.add_asset(raw, f"root.{'a' * (length // 2)}.{'b' * (length // 2)}")
    assert migrate.migrate(raw, join=True).long_paths == 1


@pytest.mark.parametrize("version", [4, 10])
def test_a_konifer_of_another_time_is_refused(raw: Connection, version: int) -> None:
    make_konifer(raw, version=4)
    raw.execute("INSERT INTO migrations VALUES (%s, '') ON CONFLICT DO NOTHING", [version])
    with pytest.raises(SchemaMismatch, match=f"at version {version}, this konifer-fs knows 5 to 9"):
        migrate.migrate(raw)
    assert migrate.state(raw).ours is None


@pytest.mark.parametrize("table", ["customers", "migrations"])
def test_a_strangers_database_is_left_alone(raw: Connection, table: str) -> None:
    raw.execute(f"CREATE TABLE {table} AS SELECT 8 AS id")
    with pytest.raises(SchemaMismatch, match="not Konifer's"):
        migrate.migrate(raw)
    assert migrate.state(raw) == migrate.State(konifer=None, ours=None, empty=False)


def test_a_schema_that_somebody_else_made_is_left_alone(raw: Connection) -> None:
    make_konifer(raw)
    raw.execute("CREATE SCHEMA konifer_fs")
    with pytest.raises(SchemaMismatch, match="schema konifer_fs is not of our making"):
        migrate.migrate(raw, join=True)


def test_migrating_again_changes_nothing(raw: Connection) -> None:
    migrate.migrate(raw)
    applied = raw.execute("SELECT * FROM konifer_fs.migration ORDER BY version").fetchall()
    migrate.migrate(raw)
    assert raw.execute("SELECT * FROM konifer_fs.migration ORDER BY version").fetchall() == applied


def test_the_owner_gets_what_another_could_not_make(raw: Connection) -> None:
    assert migrate.migrate(raw) == ATTACHED
    raw.execute("DROP INDEX konifer_fs_label, konifer_fs_tag")
    raw.execute("DROP TRIGGER konifer_fs_update ON asset_tree")
    assert migrate.migrate(raw) == ATTACHED
    assert [row for row in describe_tables(raw) if row in ADDED] == ADDED


def test_several_can_migrate_at_once(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.migrate_database, [database] * 4))
    migrate.check_database(database)


def test_a_migration_changed_after_it_was_applied_is_an_error(raw: Connection) -> None:
    migrate.migrate(raw)
    raw.execute("UPDATE konifer_fs.migration SET sha256 = decode(repeat('00', 32), 'hex') WHERE version = 1")
    for judge in (migrate.migrate, migrate.check):
        with pytest.raises(SchemaMismatch, match=r"migration 1 .* was changed"):
            judge(raw)


def test_a_schema_newer_than_ours_is_refused(raw: Connection) -> None:
    migrate.migrate(raw)
    raw.execute("INSERT INTO konifer_fs.migration (version, name, sha256) VALUES (99, 'later', '')")
    for judge in (migrate.migrate, migrate.check):
        with pytest.raises(SchemaMismatch, match="use a newer konifer-fs"):
            judge(raw)


def test_checking_says_what_to_run(raw: Connection) -> None:
    with pytest.raises(SchemaMismatch, match="empty: run `konifer-fs migrate`"):
        migrate.check(raw)
    make_konifer(raw)
    with pytest.raises(SchemaMismatch, match="no schema konifer_fs: run `konifer-fs migrate --join`"):
        migrate.check(raw)
    migrate.migrate(raw, join=True)
    raw.execute("DELETE FROM konifer_fs.migration WHERE version = %s", [NEWEST])
    with pytest.raises(SchemaMismatch, match=f"at version {NEWEST - 1}, not {NEWEST}: run `konifer-fs migrate`"):
        migrate.check(raw)


def test_a_database_of_an_earlier_version_gets_what_came_since(
    raw: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = {"konifer": migrate.list_migrations("konifer"), "konifer_fs": migrate.list_migrations("konifer_fs")[:2]}
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "list_migrations", earlier.__getitem__)
        migrate.migrate(raw)
    asset = trees.add_asset(raw, "root")
    trees.name_asset(raw, 1, "a.jpg", asset)
    migrate.migrate(raw)
    migrate.check(raw)
    assert raw.execute("SELECT count(*) FROM konifer_fs.variant").fetchone() == (0,)
    assert raw.execute("SELECT asset_id FROM konifer_fs.node WHERE name = 'a.jpg'").fetchone() == (asset,)


def test_a_role_that_may_not_attach_is_told_the_grant_and_makes_nothing_without(raw: Connection) -> None:
    make_konifer(raw)
    name = raw.execute("SELECT current_database()").fetchone()
    assert name is not None
    role, owner = f"migrator_{name[0]}", f"owner_{name[0]}"
    for made in (role, owner):
        raw.execute(f'CREATE ROLE "{made}"')
    raw.execute(f'GRANT CREATE ON SCHEMA public TO "{owner}"')
    for table in ("asset_tree", "asset_label", "asset_tag"):
        raw.execute(f'ALTER TABLE {table} OWNER TO "{owner}"')
    try:
        raw.execute(f'GRANT CREATE ON DATABASE "{name[0]}" TO "{role}"')
        raw.execute(f'GRANT SELECT ON migrations, asset_tree TO "{role}"')
        for granted in ("SELECT ON asset_variant", "REFERENCES ON asset_tree"):
            raw.execute(f'GRANT {granted} TO "{role}"')
            raw.execute(f'SET ROLE "{role}"')
            with pytest.raises(SchemaMismatch, match="GRANT REFERENCES ON asset_tree, asset_variant TO"):
                migrate.migrate(raw, join=True, triggers=True)
            assert migrate.state(raw).ours is None
            raw.execute("RESET ROLE")
        raw.execute(f'GRANT REFERENCES ON asset_variant TO "{role}"')
        raw.execute(f'SET ROLE "{role}"')
        left = migrate.migrate(raw, join=True, triggers=True).left
        migrate.check(raw)
        raw.execute("RESET ROLE")
        assert sorted(statement.split()[2] for statement in left) == sorted(row[1] for row in ADDED)
        assert not [row for row in describe_tables(raw) if row in ADDED]
        raw.execute(f'SET ROLE "{owner}"')
        for statement in left:
            raw.execute(statement)
        raw.execute(f'SET ROLE "{role}"')
        assert migrate.migrate(raw) == ATTACHED
    finally:
        raw.execute("RESET ROLE")
        for made in (role, owner):
            raw.execute(f'DROP OWNED BY "{made}" CASCADE')
            raw.execute(f'DROP ROLE "{made}"')


def test_every_table_and_column_of_ours_is_explained(raw: Connection) -> None:
    migrate.migrate(raw)
    bare = raw.execute(
        "SELECT c.relname, a.attname FROM pg_class c"
        "  JOIN (SELECT attrelid, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
        "        UNION ALL SELECT oid, 0, '' FROM pg_class) a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'konifer_fs'::regnamespace AND c.relkind = 'r'"
        "   AND col_description(c.oid, a.attnum) IS NULL AND NOT (a.attnum = 0 AND obj_description(c.oid) IS NOT NULL)"
    ).fetchall()
    assert bare == []


def test_an_entrys_row_goes_with_its_asset_whoever_deletes_it(connection: Connection) -> None:
    asset = trees.add_asset(connection, "root", original=False)
    trees.name_asset(connection, 1, "a.jpg", asset)
    connection.execute("DELETE FROM asset_tree WHERE id = %s", [asset])
    assert connection.execute("SELECT count(*) FROM konifer_fs.node").fetchone() == (1,)


def test_a_store_has_one_identity(connection: Connection) -> None:
    connection.execute("INSERT INTO konifer_fs.store DEFAULT VALUES ON CONFLICT DO NOTHING")
    assert connection.execute("SELECT count(*) FROM konifer_fs.store").fetchone() == (1,)
