"""Brings a database to the schema that this version needs, and tells whether it is there.

Used by the store's start, `konifer-fs migrate` and `doctor`. The SQL is in `migrations/`: Konifer's own tables, made
only in an empty database so that a Konifer can be started on it later, and the schema `konifer_fs`. Tables that a
Konifer made are never altered, except for the foreign keys of ours that point at them, and for what `attaching` and
`indexes` add.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final

from psycopg import Connection

from konifer_fs.adapters.postgres.answering import connected
from konifer_fs.adapters.postgres.attaching import add_triggers, has_triggers
from konifer_fs.adapters.postgres.indexes import add_indexes
from konifer_fs.domain.errors import SchemaMismatch

KONIFER_VERSIONS: Final = range(5, 10)
_COMMAND: Final = "run `konifer-fs migrate`"
_JOIN: Final = "run `konifer-fs migrate --join`"
_OR_READ: Final = "or mount with -o ro: names, owners, modes and times are defaults then"
_LOCK: Final = 7237123446850544
_REFERENCED: Final = ("asset_tree", "asset_variant")

_VERSIONS: Final = """
SELECT to_regclass('migrations') IS NOT NULL AND to_regclass('asset_tree') IS NOT NULL,
       to_regclass('konifer_fs.migration') IS NOT NULL,
       EXISTS (SELECT FROM pg_class c
                WHERE c.relnamespace IN (to_regnamespace('konifer_fs'), to_regnamespace(current_schema()))
                  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
                  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                                     AND d.objid = c.oid AND d.deptype = 'e'))
"""
# Of a path as it is before any compression, as `node_path_size` counts it.
_LONG_PATHS: Final = "SELECT count(*) FROM asset_tree WHERE pg_column_size(subpath(path, 0)) > 1900"
_BOOKKEEPING: Final = """
CREATE TABLE migrations (id integer PRIMARY KEY, description text);
CREATE TABLE migrations_lock (id integer PRIMARY KEY, locked boolean);
INSERT INTO migrations_lock VALUES (1, false);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of `migrations/`."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> bytes:
        """Checksum of the file."""
        return sha256(self.text.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a database holds: the version of Konifer's tables and of ours, None where there are none.

    `empty` is a database without any table; one that has tables of neither is a stranger's.
    """

    konifer: int | None
    ours: int | None
    empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What became of a database.

    `left` are the statements that only the owner of Konifer's tables may run; `is_attached` is whether mounts are to be
    told of others' changes; `long_paths` are assets at paths over our bound, counted when a database is joined: all of
    them are looked at.
    """

    left: Sequence[str]
    is_attached: bool
    long_paths: int


def list_migrations(folder: str) -> list[Migration]:
    """Read the migrations of `konifer` or `konifer_fs`, in order."""
    found = []
    for file in (files(__package__) / "migrations" / folder).iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(version=int(number.lstrip("V")), name=name.lstrip("_"), text=file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.version)


def migrate_database(conninfo: str, *, join: bool = False, triggers: bool = False) -> Migrated:
    """Do `migrate` on the database at `conninfo`; raises StoreUnreachable and StoreRefused too."""
    with connected(conninfo) as connection:
        return migrate(connection, join=join, triggers=triggers)


def rehearse_migration(conninfo: str) -> None:
    """Do `migrate` on the database at `conninfo` and undo it; raises StoreUnreachable and StoreRefused too."""
    with connected(conninfo) as connection, connection.transaction(force_rollback=True):
        migrate(connection)


def check_database(conninfo: str, *, read_only: bool = False) -> bool:
    """Do `check` on the database at `conninfo`; raises StoreUnreachable and StoreRefused too."""
    with connected(conninfo) as connection:
        return check(connection, read_only=read_only)


def state(connection: Connection) -> State:
    """Tell what the database holds."""
    konifer, ours, any_table = connection.execute(_VERSIONS).fetchone() or (False, False, False)
    return State(
        konifer=_number(connection, "SELECT max(id) FROM migrations") if konifer else None,
        ours=_number(connection, "SELECT max(version) FROM konifer_fs.migration") if ours else None,
        empty=not any_table,
    )


def migrate(connection: Connection, *, join: bool = False, triggers: bool = False) -> Migrated:
    """Make what is missing, in one transaction; may be called by several at once, and again.

    A Konifer's database gets our schema only with `join`, and triggers and indexes on its tables only with `triggers`.

    Raises:
        SchemaMismatch: the server is too old or lacks ltree, the tables are a stranger's, of a newer version, or a
            Konifer's that was not to be joined, or an applied migration's file was changed since.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        _check_server(connection)
        now = state(connection)
        if now.empty:
            _make_konifer(connection)
        else:
            _check_konifer(now)
        _check_ours(connection, now)
        if not (now.empty or now.ours or join):
            raise SchemaMismatch(f"its tables are a Konifer's: to have konifer-fs beside it, {_JOIN}")
        if now.ours is None and _number(connection, "SELECT count(to_regnamespace('konifer_fs'))"):
            raise SchemaMismatch("its schema konifer_fs is not of our making: drop or rename it, it will be made")
        missing = [migration for migration in list_migrations("konifer_fs") if migration.version > (now.ours or 0)]
        if missing:
            _check_may_attach(connection)
        for migration in missing:
            _apply(connection, migration)
        attach = triggers or now.empty or has_triggers(connection)
        return Migrated(
            left=[*add_triggers(connection), *add_indexes(connection)] if attach else [],
            is_attached=attach,
            long_paths=_number(connection, _LONG_PATHS) if join else 0,
        )


def check(connection: Connection, *, read_only: bool = False) -> bool:
    """Give whether our schema is beside Konifer's tables; only who is `read_only` can do without.

    Raises:
        SchemaMismatch: the database is not as this version needs it; says which command to run.
    """
    _check_server(connection)
    now = state(connection)
    if now.empty:
        raise SchemaMismatch(f"the database is empty: {_COMMAND}")
    _check_konifer(now)
    _check_ours(connection, now)
    newest = list_migrations("konifer_fs")[-1].version
    if now.ours is None:
        if read_only:
            return False
        raise SchemaMismatch(f"the database is a Konifer's, and has no schema konifer_fs: {_JOIN}, {_OR_READ}")
    if now.ours < newest:
        raise SchemaMismatch(f"the schema konifer_fs is at version {now.ours}, not {newest}: {_COMMAND}")
    return True


def _number(connection: Connection, statement: str, values: Sequence[object] = ()) -> int:
    row = connection.execute(statement, values).fetchone()
    return row[0] if row and row[0] is not None else 0


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < 160000:
        raise SchemaMismatch(f"PostgreSQL {connection.info.server_version // 10000} is too old, 16 or newer is needed")
    if not _number(connection, "SELECT count(*) FROM pg_available_extensions WHERE name = 'ltree'"):
        raise SchemaMismatch("the server lacks the extension ltree: install PostgreSQL's contrib modules")


def _check_konifer(now: State) -> None:
    if now.konifer is None:
        raise SchemaMismatch("the database has tables, but they are not Konifer's: name an empty one, or Konifer's")
    if now.konifer not in KONIFER_VERSIONS:
        known = f"{KONIFER_VERSIONS[0]} to {KONIFER_VERSIONS[-1]}"
        raise SchemaMismatch(f"Konifer's tables are at version {now.konifer}, this konifer-fs knows {known}")


def _check_ours(connection: Connection, now: State) -> None:
    """Raise unless what was applied are the first of our migrations, as they are now."""
    if now.ours is None:
        return
    known = {migration.version: migration for migration in list_migrations("konifer_fs")}
    rows = connection.execute("SELECT version, sha256 FROM konifer_fs.migration ORDER BY version").fetchall()
    for version, checksum in rows:
        if version not in known:
            raise SchemaMismatch(f"the schema konifer_fs is at version {now.ours}: use a newer konifer-fs")
        if known[version].sha256 != checksum:
            raise SchemaMismatch(f"migration {version} of the schema konifer_fs was changed after it was applied")


def _check_may_attach(connection: Connection) -> None:
    refused = "SELECT count(*) FROM unnest(%s::text[]) t (name) WHERE NOT has_table_privilege(name, 'REFERENCES')"
    if _number(connection, refused, [list(_REFERENCED)]):
        grant = f"GRANT REFERENCES ON {', '.join(_REFERENCED)} TO {connection.info.user}"
        raise SchemaMismatch(f"the owner of Konifer's tables must first {grant}")


def _make_konifer(connection: Connection) -> None:
    connection.execute("CREATE EXTENSION IF NOT EXISTS ltree")
    connection.execute(_BOOKKEEPING)
    for migration in list_migrations("konifer"):
        connection.execute(migration.text)
        description = migration.name.replace("_", " ")
        connection.execute("INSERT INTO migrations VALUES (%s, %s)", [migration.version, description])


def _apply(connection: Connection, migration: Migration) -> None:
    connection.execute(migration.text)
    connection.execute(
        "INSERT INTO konifer_fs.migration (version, name, sha256) VALUES (%s, %s, %s)",
        [migration.version, migration.name, migration.sha256],
    )
