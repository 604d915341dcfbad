"""Plans of the reading statements: on tens of thousands of rows each is made of index look-ups.

The plans are generic ones, as on the store's connections, so they do not depend on the values asked for.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection, connect
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Literal

from konifer_fs.adapters.postgres import sql_read, unjoined
from konifer_fs.adapters.postgres.connecting import configure
from konifer_fs.adapters.postgres.embedded import EmbeddedServer
from konifer_fs.adapters.postgres.migrate import migrate_database

STATEMENTS = sorted(
    name
    for name, text in vars(sql_read).items()
    if re.fullmatch("[A-Z][A-Z_]*", name) and re.match(r"\s*(SELECT|WITH)", text)
)
VALUES: Mapping[str, Any] = {
    "id": 1,
    "ids": [1, 2],
    "p": "root.u0.8",
    "paths": ["root.u0.8", "root.u0.16"],
    "directories": True,
    "spellings": ["8", "16"],
    "names": ["n0", "n2"],
    "numbers": [0, 1],
    "places": [1, 2],
    "name": "n0",
    "least": "0",
    "most": "9",
    "entry": 1,
    "entries": True,
    "last": None,
    "link": "",
    "page": 2000,
    "asset": UUID(int=0),
    "assets": [UUID(int=0)],
}
FILL = """
INSERT INTO asset_tree (id, entry_id, path, alt, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), 0, ('root.u' || i % 4 || '.' || i / 5)::ltree, '', 'UPLOAD', i % 17 <> 0, now(), now()
    FROM generate_series(1, 30000) i
  UNION ALL
  SELECT gen_random_uuid(), 0, 'root.leaf', '', 'UPLOAD', true, now(), now() FROM generate_series(1, 5000);
INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip,
                           original_variant, created_at, uploaded_at)
  SELECT gen_random_uuid(), id, 'assets', id::text, '{"width": 1}', '{"format": "png"}', '{}', true, now(), now()
    FROM asset_tree;
INSERT INTO asset_variant (id, asset_id, object_store_bucket, object_store_key, transformation, attributes, lqip,
                           original_variant, created_at, uploaded_at)
  SELECT gen_random_uuid(), id, 'assets', id::text, '{"width": 2}', '{"format": "png"}', '{}', false, now(), now()
    FROM asset_tree;
INSERT INTO konifer_fs.variant SELECT id, 7, sha256('') FROM asset_variant WHERE NOT original_variant;
INSERT INTO asset_label SELECT gen_random_uuid(), id, 'team', 'red', now() FROM asset_tree;
INSERT INTO asset_tag SELECT gen_random_uuid(), id, 'hill', now() FROM asset_tree;
INSERT INTO konifer_fs.node (parent, name, path)
  SELECT 1, label, ('root.' || label)::ltree FROM unnest('{u0,u1,leaf}'::text[]) label;
INSERT INTO konifer_fs.node (parent, name, path)
  SELECT p.id, subpath(a.path, 2, 1)::text, a.path
    FROM (SELECT DISTINCT path FROM asset_tree WHERE path <@ 'root.u0') a
    JOIN konifer_fs.node p ON p.path = 'root.u0';
INSERT INTO konifer_fs.node (parent, name, asset_id, size)
  SELECT d.id, 'n' || a.entry_id, a.id, 7 FROM asset_tree a JOIN konifer_fs.node d ON d.path = a.path;
INSERT INTO konifer_fs.attribute SELECT id, 'user.note', '' FROM konifer_fs.node;
ANALYZE;
"""


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedServer) -> Iterator[Connection]:
    with connect(postgres.conninfo, dbname="postgres", autocommit=True) as session:
        session.execute("CREATE DATABASE filled TEMPLATE konifer")
        conninfo = make_conninfo(postgres.conninfo, dbname="filled")
        migrate_database(conninfo)
        with connect(conninfo, autocommit=True) as connection:
            connection.execute(FILL)
            configure(connection, deadline=30)
            yield connection
        session.execute("DROP DATABASE filled WITH (FORCE)")


def explain(connection: Connection, statement: str) -> object:
    """Give the generic plan of a statement of psycopg's style, as PostgreSQL's JSON."""
    names: list[str] = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement)
    values = SQL(", ").join(Literal(VALUES[name]) for name in names)
    connection.execute("DEALLOCATE ALL")
    connection.execute(f"PREPARE statement AS {text}", prepare=False)
    call = SQL("EXPLAIN (FORMAT json) EXECUTE statement") + (SQL("({})").format(values) if names else SQL(""))
    row = connection.execute(call, prepare=False).fetchone()
    return row and row[0]


def list_steps(plan: object) -> Iterator[Mapping[str, Any]]:
    """Give every step of a plan."""
    if isinstance(plan, Mapping):
        if "Node Type" in plan:
            yield plan
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from list_steps(part)


def hold_look_ups(steps: Sequence[Mapping[str, Any]]) -> None:
    """Hold that all that is read of tables is looked up in an index, and none of it in a GiST one."""
    scans = [step for step in steps if "Relation Name" in step]
    assert {step["Node Type"] for step in scans} <= {"Index Scan", "Index Only Scan"}
    assert not [step for step in scans if step["Index Name"] == "asset_tree_path_gist_idx"]
    assert not [step for step in scans if "Index Cond" not in step]
    assert not [step for step in steps if "Hash" in step["Node Type"]]
    assert not [step for step in steps if step.get("Subplan Name", "").startswith("hashed")]


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name != "IDENTITY"])
def test_a_statement_reads_by_index_and_by_no_gist(filled: Connection, name: str) -> None:
    steps = list(list_steps(explain(filled, getattr(sql_read, name))))
    assert any("Relation Name" in step for step in steps)
    hold_look_ups(steps)


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name != "IDENTITY"])
def test_so_it_does_where_our_schema_is_not(filled: Connection, name: str) -> None:
    statement = unjoined.spell(getattr(sql_read, name))
    steps = list(list_steps(explain(filled, statement)))
    assert steps
    hold_look_ups(steps)


def test_a_page_is_read_from_where_it_begins(filled: Connection) -> None:
    def count_blocks(entry: int) -> int:
        values = {**VALUES, "p": "root.leaf", "directories": False, "entry": entry, "page": 10}
        row = filled.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {sql_read.CHILDREN}", values).fetchone()
        (plan,) = row[0] if row else []
        return int(plan["Plan"]["Shared Hit Blocks"]) + int(plan["Plan"]["Shared Read Blocks"])

    ids = [row[0] for row in filled.execute("SELECT entry_id FROM asset_tree WHERE path = 'root.leaf' ORDER BY 1")]
    count_blocks(-1)  # What the first look at a table reads of catalogues is no page's.
    assert count_blocks(ids[-100]) <= count_blocks(-1) + 3


def test_a_plan_that_reads_a_whole_table_would_be_seen(filled: Connection) -> None:
    steps = list_steps(explain(filled, "SELECT * FROM asset_tree WHERE alt = %(name)s"))
    assert {step["Node Type"] for step in steps} == {"Seq Scan"}
