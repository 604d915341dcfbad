"""What the tree holds: each function is the reading method of the port that has its name.

Used by the store, and by the changing side for what it returns. Nothing here changes anything; assets that are not
ready are never seen. A name is believed only while its asset lies at the path of the directory that shows it, and no
directory there has it: other writers of Konifer's tables know nothing of names.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from psycopg import Connection

from konifer_fs.adapters.postgres import rows, sql_read
from konifer_fs.domain.asset import Annotations
from konifer_fs.domain.dialect import read_attributes
from konifer_fs.domain.errors import MovedOn, SchemaMismatch
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Directory, Entry, Node, Symlink
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.domain.variant import Fingerprint
from konifer_fs.ports import AssetFacts, BytesBelow, NewEntry

PAGE: Final = 2000
# So many names are looked for at once, without asking first whether any can be there.
_FEW: Final = 10
_EXTENSIONS: Final = "|".join(re.escape(known.extension) for known in ImageFormat)
_DEFAULT_NAME: Final = re.compile(rf"(0|[1-9][0-9]{{0,17}})(\.[0-9a-f-]{{36}})?({_EXTENSIONS})?")
_BY_DEFAULT_NAME: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the next page of a directory's children begins: after what was listed last, of each kind."""

    kind: str = "d"
    label: str | None = None
    entry_id: int = -1
    link: str = ""


def find_directory(connection: Connection, path: AssetPath) -> Directory | None:
    """Give the directory at `path`, if anything lies at or below it or a row makes it."""
    row = connection.execute(sql_read.DIRECTORY, {"p": path.ltree}).fetchone()
    return rows.directory_at(path, row) if row else None


def default_entry_id(name: str) -> int | None:
    """Give the id of the one entry that may show under `name` without having a name, so that it is worth a look."""
    number = _DEFAULT_NAME.fullmatch(name)
    return int(number[1]) if number else None


def find_child(connection: Connection, parent: Directory, name: str) -> Node | None:
    """Give what `name` denotes: a directory, else a named file or symlink, else an entry's default name."""
    place = {"id": parent.id, "p": parent.path.ltree, "name": name, "entry": default_entry_id(name)}
    paths = [parent.path.child(label).ltree for label in candidate_labels(name)]
    found = connection.execute(sql_read.CHILD, {**place, "paths": paths}).fetchall()
    if not found:
        return None
    row = min(found, key=lambda row: row[-1])
    node = rows.node_in(parent.path, row)
    if row[-1] == _BY_DEFAULT_NAME and isinstance(node, Entry):
        return _under_default_name(connection, parent, node, name)
    return node


def list_pages(read_page: Callable[[Cursor], Sequence[rows.Row]], page: int = PAGE) -> Iterator[Sequence[rows.Row]]:
    """Give the rows of all children: directories by label, then entries by entry id, then symlinks by name.

    `read_page` does `list_page` on a connection that it needs no longer than that.
    """
    after: Cursor | None = Cursor()
    while after is not None:
        found = read_page(after)
        yield found
        after = _past(after, found[-1]) if len(found) == page else None


def list_children(pages: Iterable[Sequence[rows.Row]], parent: Directory) -> Iterator[Sequence[Node]]:
    """Give all children of `parent`, of which `pages` are the rows."""
    labels: set[str] = set()
    for found in pages:
        shown = _nodes_of(parent, found, labels)
        if shown:
            yield shown


def list_each(connection: Connection, parents: Sequence[Directory], most: int) -> list[Sequence[Node] | None]:
    """Give all children of each of several directories, ordered as in `list_children`; None for over `most`."""
    values = {
        "ids": [parent.id for parent in parents],
        "paths": [parent.path.ltree for parent in parents],
        "page": most + 1,
    }
    found: list[list[rows.Row]] = [[] for _ in parents]
    for rank, *row in connection.execute(sql_read.CHILDREN_OF_EACH, values):
        found[rank - 1].append(row)
    return [
        _nodes_of(parent, its, set()) if len(its) <= most else None for parent, its in zip(parents, found, strict=True)
    ]


def _nodes_of(parent: Directory, found: Sequence[rows.Row], labels: set[str]) -> Sequence[Node]:
    """Read children as they show beside the directories whose `labels` were listed before; adds those of these."""
    labels.update(row[1] for row in found if row[0] == "d")
    nodes = [rows.node_in(parent.path, row) for row in found]
    return [node for node in (_beside(labels, node) for node in nodes) if node is not None] if labels else nodes


def list_page(connection: Connection, parent: Directory, after: Cursor, page: int = PAGE) -> Sequence[rows.Row]:
    """Read the rows of up to `page` children of `parent` after the cursor; fewer are the last."""
    return connection.execute(
        sql_read.CHILDREN,
        {
            "id": parent.id,
            "p": parent.path.ltree,
            "page": page,
            "directories": after.kind == "d",
            "last": parent.path.child(after.label).ltree if after.label is not None else None,
            "entries": after.kind != "l",
            "entry": after.entry_id,
            "link": after.link,
        },
    ).fetchall()


def find_taken(connection: Connection, parent: Directory, names: Sequence[str]) -> frozenset[str]:
    """Give those of `names` that are names of named files, symlinks or directories of `parent`."""
    place = {"id": parent.id, "p": parent.path.ltree}
    if len(names) > _FEW:
        bounds = {"least": min(names), "most": max(names)}
        row = connection.execute(sql_read.MAY_BE_TAKEN, {**place, **bounds}).fetchone()
        if row == (False,):
            return frozenset()
    spelled = [(name, parent.path.child(label).ltree) for name in names for label in candidate_labels(name)]
    found = connection.execute(
        sql_read.TAKEN_NAMES,
        {
            **place,
            "names": list(names),
            "spellings": [name for name, _ in spelled],
            "paths": [path for _, path in spelled],
        },
    )
    return frozenset(name for (name,) in found)


def refresh(connection: Connection, node: Node) -> Node | None:
    """Read `node` again: by its id when it is made, else by path or asset.

    Whether a directory has taken the name of an entry since is not looked at; lookups and listings tell.
    """
    match node:
        case Directory(made=False):
            return find_directory(connection, node.path)
        case Directory():
            row = connection.execute(sql_read.DIRECTORY_BY_ID, {"id": node.id}).fetchone()
            return rows.directory_at(AssetPath.from_ltree(row[-1]), row) if row else None
        case Entry(made=False):
            return find_asset(connection, node.asset_id)
        case Entry():
            row = connection.execute(sql_read.ENTRY_BY_ID, {"id": node.id}).fetchone()
        case Symlink():
            row = connection.execute(sql_read.SYMLINK_BY_ID, {"id": node.id}).fetchone()
    return rows.node_in(AssetPath.from_ltree(row[-1]), row) if row else None


def find_asset(connection: Connection, asset_id: UUID) -> Entry | None:
    """Give the entry of a ready asset, with the name it has by its row."""
    row = connection.execute(sql_read.ENTRY_BY_ASSET, {"asset": asset_id}).fetchone()
    return rows.entry_in(AssetPath.from_ltree(row[-1]), row) if row else None


def find_recorded(connection: Connection, new: NewEntry) -> Entry | None:
    """Tell what became of recording `new` when its connection broke: waits until that lets go of the directory."""
    connection.execute(sql_read.AWAIT_DIRECTORY, {"id": new.directory.id})
    return find_asset(connection, new.asset_id)


def read_facts(connection: Connection, entry: Entry) -> AssetFacts:
    """Read all facts of an entry at once; raises MovedOn when it is gone."""
    (facts,) = read_facts_of(connection, [entry])
    if facts is None:
        raise MovedOn(entry.name or entry.default_name)
    return facts


def read_facts_of(connection: Connection, entries: Sequence[Entry]) -> list[AssetFacts | None]:
    """Read all facts of several entries at once; None for one that is gone."""
    found = find_facts(connection, [entry.asset_id for entry in entries])
    return [found.get(entry.asset_id) for entry in entries]


def find_facts(connection: Connection, assets: Sequence[UUID]) -> dict[UUID, AssetFacts]:
    """Read the facts of those assets that are there."""
    return {row[-1]: _facts_of(row) for row in connection.execute(sql_read.FACTS, {"assets": assets})}


def _facts_of(row: rows.Row) -> AssetFacts:
    alt, source_url, created_at, modified_at, attributes, lqip, size, sha256, labels, tags, names, values, _ = row
    annotations = Annotations(
        alt=alt or "",
        source_url=source_url,
        labels=dict(labels),
        tags=tuple(tags),
        private=dict(zip(names, values, strict=True)),
    )
    return AssetFacts(
        annotations=annotations,
        attributes=read_attributes(rows.json_object(attributes)),
        lqip=rows.json_object(lqip),
        created_at=created_at,
        modified_at=modified_at,
        received=Fingerprint(size, sha256) if size is not None and sha256 is not None else None,
    )


def read_private(connection: Connection, node: Directory | Symlink) -> Mapping[str, bytes]:
    """Read the private attributes of a directory or symlink."""
    return read_private_of(connection, [node])[0]


def read_private_of(connection: Connection, nodes: Sequence[Directory | Symlink]) -> list[Mapping[str, bytes]]:
    """Read the private attributes of several directories and symlinks at once."""
    found: dict[int, dict[str, bytes]] = {node.id: {} for node in nodes}
    for number, name, value in connection.execute(sql_read.PRIVATE, {"ids": list(found)}):
        found[number][name] = value
    return [found[node.id] for node in nodes]


def count_files(connection: Connection, directory: Directory) -> int:
    """Count the entries below `directory`."""
    row = connection.execute(sql_read.FILES_BELOW, {"p": directory.path.ltree}).fetchone() or (0,)
    return int(row[0])


def count_entries(connection: Connection, directory: Directory) -> int:
    """Count the entries, directories and symbolic links below `directory`."""
    row = connection.execute(sql_read.ENTRIES_BELOW, {"p": directory.path.ltree}).fetchone() or (0,)
    return int(row[0] or 0)


def sum_bytes(connection: Connection, directory: Directory) -> BytesBelow:
    """Add up the sizes of the entries below `directory`."""
    row = connection.execute(sql_read.BYTES_BELOW, {"p": directory.path.ltree}).fetchone() or (0, 0)
    return BytesBelow(known=int(row[0] or 0), unknown=row[1])


def as_shown(connection: Connection, parent: Directory, entry: Entry) -> Entry:
    """Give an entry of `parent` without the name that a directory there has taken."""
    paths = (parent.path.child(label) for label in candidate_labels(entry.name or ""))
    return entry._replace(name=None) if any(find_directory(connection, path) for path in paths) else entry


def find_identity(connection: Connection) -> UUID:
    """Give the id of this store."""
    row = connection.execute(sql_read.IDENTITY).fetchone()
    if row is None:
        raise SchemaMismatch("the table konifer_fs.store is empty")
    identity: UUID = row[0]
    return identity


def _under_default_name(connection: Connection, parent: Directory, entry: Entry, name: str) -> Entry | None:
    """Give `entry` if `name` is how it shows: it has no name, or a directory has taken that."""
    if name not in {entry.default_name, entry.clashing_name}:
        return None
    shown = as_shown(connection, parent, entry)
    return shown if shown.name is None else None


def _beside(labels: AbstractSet[str], node: Node) -> Node | None:
    """Give `node` as it shows beside directories of these labels: these keep a name that is claimed twice."""
    if (
        isinstance(node, Directory)
        or node.name is None
        or not any(label in labels for label in candidate_labels(node.name))
    ):
        return node
    return node._replace(name=None) if isinstance(node, Entry) else None


def _past(after: Cursor, row: rows.Row) -> Cursor:
    match row[0]:
        case "d":
            return replace(after, label=row[1])
        case "f":
            return replace(after, kind="f", entry_id=row[9])
        case _:
            return replace(after, kind="l", link=row[1])
