"""Plans of the changing statements, and of all about variants: on tens of thousands of rows made of index look-ups.

What the sweepers and the reaper read is as long as there is work for them, so those statements are not asked.
"""

import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

import pytest
from psycopg import Connection, connect
from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres import sql_annotations, sql_assets, sql_moves, sql_names, sql_variants
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database
from tests.postgres.test_plans import FILL, list_steps

BACKGROUND: Final = {
    *("LOCK_OVERDUE", "DROP_OVERDUE_VARIANTS", "DROP_EXPIRED_VARIANTS"),
    *("PENDING_DELETES", "DROP_PENDING_DELETE"),
}
STATEMENTS: Final = [
    pytest.param(module, name, id=f"{module.__name__.rpartition('.')[2]}.{name}")
    for module in (sql_annotations, sql_assets, sql_moves, sql_names, sql_variants)
    for name in sorted(vars(module))
    if name.isupper() and not name.startswith("_") and name not in BACKGROUND
]


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedServer) -> Iterator[Connection]:
    with connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE filled_to_change TEMPLATE konifer")
        conninfo = make_conninfo(postgres.conninfo, dbname="filled_to_change")
        migrate_database(conninfo)
        with connect(conninfo, autocommit=True) as connection:
            connection.execute(FILL)
            configure(connection, deadline=30)
            yield connection
        session.execute("DROP DATABASE filled_to_change WITH (FORCE)")


def is_whole(step: Mapping[str, Any]) -> bool:
    """Whether a step of a plan reads a whole table or index, or takes Konifer's GiST index."""
    return (
        "Hash" in step["Node Type"]
        or (step["Node Type"] in {"Seq Scan", "Bitmap Heap Scan"} and "Relation Name" in step)
        or ("Index Name" in step and "Index Cond" not in step)
        or step.get("Index Name") == "asset_tree_path_gist_idx"
        or step.get("Subplan Name", "").startswith("hashed")
    )


def explain(connection: Connection, text: str) -> list[Mapping[str, Any]]:
    """Give the steps of the plan for a statement with parameters `$1` and so on, whatever their values."""
    row = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT json) {text}", prepare=False).fetchone()
    return list(list_steps(row[0])) if row else []


@pytest.mark.parametrize(("module", "name"), STATEMENTS)
def test_a_change_reads_by_index_and_by_no_gist(filled: Connection, module: ModuleType, name: str) -> None:
    statement: str = getattr(module, name)
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement)
    with filled.transaction(force_rollback=True):
        if module is sql_moves:
            filled.execute(sql_moves.UNBOUND)
        steps = explain(filled, text)
    assert steps
    assert not [step for step in steps if is_whole(step)]


def test_a_change_that_reads_a_whole_table_would_be_seen(filled: Connection) -> None:
    assert any(is_whole(step) for step in explain(filled, "DELETE FROM asset_tree WHERE alt = $1"))
