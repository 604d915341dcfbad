"""Changing what is said about a node: ownership, annotations, private attributes. Part of the store's changing half.

Only differences are written. What Konifer sees bumps `modified_at`, for that drives its ETag; what it does not see
moves the row's ctime.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from psycopg import Connection
from uuid_utils.compat import uuid7

from konifer_fs.adapters.postgres import naming, places, reading, rows, sql_annotations, sql_assets, sql_names
from konifer_fs.adapters.postgres.pipelining import pipelined
from konifer_fs.domain.asset import AnnotationEdit, Annotations
from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Directory, Entry, Node, Ownership, Symlink


def set_ownership(connection: Connection, node: Node, ownership: Ownership) -> Node:
    """Set what is not None in `ownership`; a node that has no row gets one. Raises MovedOn."""
    if isinstance(node, Symlink) or node.made:
        return _set_ownership(connection, node, ownership)
    with connection.transaction():
        return _set_ownership(connection, _made(connection, node), ownership)


def _set_ownership(connection: Connection, made: Node, ownership: Ownership) -> Node:
    parameters = {"id": made.id, **places.ownership_parameters(ownership)}
    row = connection.execute(sql_names.SET_OWNERSHIP, parameters).fetchone()
    if row is None:
        raise MovedOn(str(made.id))
    return made._replace(ownership=rows.ownership_of(row))


def renumber(connection: Connection, entry: Entry, number: int) -> Entry:
    """Let `number`, which no node has, be the entry's id. Raises MovedOn."""
    with connection.transaction():
        made = naming.entry_made(connection, entry)
        if connection.execute(sql_names.RENUMBER, {"id": made.id, "number": number}).fetchone() is None:
            raise MovedOn(str(entry.id))
    return made._replace(id=number)


def edit_annotations(connection: Connection, entry: Entry, edit: AnnotationEdit) -> None:
    """Change alt, source, labels, tags, private attributes; raises MovedOn, and what `AnnotationEdit.apply` raises."""
    with pipelined(connection):
        connection.execute(sql_assets.LOCK_ASSETS, {"assets": [entry.asset_id]})
        before = reading.read_facts(connection, entry).annotations
        after = edit.apply(before)
        write_difference(connection, entry, before, after, datetime.now(UTC), time.time_ns())


def edit_private(connection: Connection, node: Directory | Symlink, changes: Mapping[str, bytes | None]) -> None:
    """Change private attributes of a directory or symlink; raises TooManyAttributes, MovedOn."""
    with pipelined(connection):
        made = _made(connection, node)
        locked = connection.execute(sql_names.LOCK_NODE, {"id": made.id})
        before = Annotations(private=reading.read_private(connection, node._replace(id=made.id)))
        if locked.fetchone() is None:
            raise MovedOn(str(node.id))
        after = AnnotationEdit(private=changes).apply(before)
        if before.private != after.private:
            write_private(connection, made.id, before.private, after.private)
            connection.execute(sql_names.CHANGED, {"id": made.id, "ctime": time.time_ns()})


def write_difference(
    connection: Connection,
    entry: Entry,
    before: Annotations,
    after: Annotations,
    now: datetime,
    changed_ns: int | None = None,
) -> None:
    """Make the annotations of `entry`, which are `before`, be `after`; `now` is when, as Konifer sees it.

    What it does not see moves the ctime of the entry's row to `changed_ns`, if that is given.
    """
    said = replace(before, private=after.private)
    if said != after:
        stamp = now.replace(tzinfo=None)
        text = {"alt": after.alt, "source_url": after.source_url}
        connection.execute(sql_annotations.ANNOTATE, {"asset": entry.asset_id, "now": stamp, **text})
        _write_labels(connection, entry.asset_id, before.labels, after.labels, stamp)
        _write_tags(connection, entry.asset_id, before.tags, after.tags, stamp)
    if before.private != after.private:
        node = _node_of(connection, entry)
        write_private(connection, node, before.private, after.private)
        if changed_ns is not None:
            connection.execute(sql_names.CHANGED, {"id": node, "ctime": changed_ns})


def write_private(connection: Connection, node: int, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    """Make the private attributes of a row, which are `before`, be `after`."""
    gone = [name for name in before if name not in after]
    new = {name: value for name, value in after.items() if before.get(name) != value}
    if gone:
        connection.execute(sql_annotations.DROP_PRIVATE, {"node": node, "names": gone})
    if new:
        connection.execute(
            sql_annotations.INSERT_PRIVATE, {"node": node, "names": list(new), "values": list(new.values())}
        )


def _write_labels(
    connection: Connection, asset: UUID, before: Mapping[str, str], after: Mapping[str, str], now: datetime
) -> None:
    gone = [key for key, value in before.items() if after.get(key) != value]
    new = {key: value for key, value in after.items() if before.get(key) != value}
    if gone:
        connection.execute(sql_annotations.DROP_LABELS, {"asset": asset, "keys": gone})
    if new:
        connection.execute(
            sql_annotations.INSERT_LABELS,
            {"asset": asset, "ids": _ids(new), "keys": list(new), "values": list(new.values()), "now": now},
        )


def _write_tags(
    connection: Connection, asset: UUID, before: tuple[str, ...], after: tuple[str, ...], now: datetime
) -> None:
    """Write the tags that follow the common beginning anew, for their order is that of their ids."""
    after = tuple(dict.fromkeys(after))
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    if before[same:]:
        connection.execute(sql_annotations.DROP_TAGS, {"asset": asset, "tags": list(before[same:])})
    if after[same:]:
        new = list(after[same:])
        connection.execute(sql_annotations.INSERT_TAGS, {"asset": asset, "ids": _ids(new), "tags": new, "now": now})


def _ids(wanted: Iterable[object]) -> list[UUID]:
    return sorted(uuid7() for _ in wanted)


def _node_of(connection: Connection, entry: Entry) -> int:
    """Give the row that the asset has now, for an entry that was kept has lost the one it had to its successor."""
    return naming.entry_made(connection, entry._replace(made=False)).id


def _made(connection: Connection, node: Node) -> Node:
    """Give `node` a row where it has none; raises MovedOn."""
    if isinstance(node, Entry):
        return naming.entry_made(connection, node)
    if isinstance(node, Directory) and not node.made:
        return node._replace(id=places.lock(connection, node).id, made=True)
    return node
