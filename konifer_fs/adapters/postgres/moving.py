"""Renaming files, symbolic links and whole directories, each in one transaction. Part of the store's changing half.

A file's rename changes a row, and its asset's path and entry id when the directory changes. A directory's takes one
lock of its kind, as in the kernel, and moves all below it (`rebasing`). No object is touched.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection

from konifer_fs.adapters.postgres import (
    naming,
    places,
    reading,
    removing,
    rows,
    sql_annotations,
    sql_assets,
    sql_moves,
    sql_names,
)
from konifer_fs.adapters.postgres.connecting import unbind
from konifer_fs.adapters.postgres.pipelining import at_once, pipelined
from konifer_fs.adapters.postgres.places import Place
from konifer_fs.adapters.postgres.rebasing import Rebase, rebase
from konifer_fs.domain.errors import (
    IsADirectory,
    MovedOn,
    MoveIntoItself,
    NameTaken,
    NoSuchName,
    NotADirectory,
)
from konifer_fs.domain.node import Directory, Entry, Node, Symlink
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.ports import OnClash


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `move` was asked for."""

    source: Directory
    name: str
    target: Directory
    new_name: str
    on_clash: OnClash
    now_ns: int


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in a directory that is locked, and what it denotes, if anything."""

    place: Place
    name: str
    node: Node | None


@dataclass(frozen=True, slots=True)
class Occupied(Spot):
    """One that something has."""

    node: Node


def move_named(
    connection: Connection,
    source: Directory,
    name: str,
    target: Directory,
    new_name: str,
    on_clash: OnClash,
    now_ns: int,
) -> Entry | None:
    """Rename the entry that has a name of its own, also over another (REPLACE), in one round trip; gives it.

    Gives None, and renames nothing, when there is more to heed.
    """
    if not (source.made and target.made) or naming.may_be_default(name) or naming.may_be_default(new_name):
        return None
    wanted = {
        "ids": [source.id, target.id],
        "dir": source.id,
        "name": name,
        "labels": list(candidate_labels(name)),
        "to": target.id,
        "new_name": new_name,
        "new_labels": list(candidate_labels(new_name)),
        "replace": on_clash is OnClash.REPLACE,
        "now": datetime.now(UTC).replace(tzinfo=None),
        "changed": now_ns,
    }
    *_, moved = at_once(
        connection,
        wanted,
        sql_names.LOCK_DIRECTORIES,
        sql_moves.LOCK_BOTH,
        sql_moves.PARK_NAMED,
        sql_annotations.INHERIT_PARKED,
        sql_annotations.INHERIT_PRIVATE_PARKED,
        sql_assets.DROP_REPLACED,
        sql_moves.MOVE_PARKED,
    )
    row = moved.fetchone()
    return rows.entry_in(AssetPath.from_ltree(row[-1]), row) if row else None


def move(
    connection: Connection,
    source: Directory,
    name: str,
    target: Directory,
    new_name: str,
    on_clash: OnClash,
    now_ns: int,
) -> Node:
    """Rename what `name` denotes in `source` to `new_name` in `target`; gives the moved node.

    Raises NoSuchName, NameTaken (REFUSE), IsADirectory, NotADirectory, DirectoryNotEmpty, MoveIntoItself,
    NameTooLong (any descendant), MovedOn (a directory is gone).
    """
    request = Request(source=source, name=name, target=target, new_name=new_name, on_clash=on_clash, now_ns=now_ns)
    # A look without locks tells mostly whether a directory is moved.
    serialised = isinstance(reading.find_child(connection, source, name), Directory)
    while True:
        with pipelined(connection):
            if serialised:
                _lock_trees(connection, request)
            old, new = _look(connection, request)
            _check_clash(old, new, on_clash)
            if new.node is not None and old.node.id == new.node.id:
                return old.node
            if serialised or not _moves_directory(old, new, on_clash):
                return _carry_out(connection, old, new, request)
        serialised = True


def _lock_trees(connection: Connection, request: Request) -> None:
    """Let no other directory be renamed, and lock all directories concerned, by id, for as long as it takes."""
    connection.execute(sql_moves.SERIALISE)
    connection.execute(sql_moves.UNBOUND)
    unbind(connection)
    paths = []
    for directory, name in ((request.source, request.name), (request.target, request.new_name)):
        now = reading.refresh(connection, directory)
        node = reading.find_child(connection, now, name) if isinstance(now, Directory) else None
        if isinstance(node, Directory):
            paths.append(node.path.ltree)
    ids = [directory.id for directory in (request.source, request.target) if directory.made]
    connection.execute(sql_names.LOCK_TREES, {"ids": ids, "paths": paths})


def _look(connection: Connection, request: Request) -> tuple[Occupied, Spot]:
    source, target = places.lock_both(connection, request.source, request.target)
    node = reading.find_child(connection, source.directory, request.name)
    if node is None:
        raise NoSuchName(request.name)
    other = reading.find_child(connection, target.directory, request.new_name)
    return Occupied(source, request.name, node), Spot(target, request.new_name, other)


def _check_clash(old: Occupied, new: Spot, on_clash: OnClash) -> None:
    """Raise what rename(2) does."""
    if on_clash is OnClash.REFUSE and new.node is not None:
        raise NameTaken(new.name)
    if on_clash is OnClash.EXCHANGE and new.node is None:
        raise NoSuchName(new.name)
    if isinstance(old.node, Directory) and new.place.path.is_within(old.node.path):
        raise MoveIntoItself(new.name)
    if on_clash is OnClash.EXCHANGE:
        if isinstance(new.node, Directory) and old.place.path.is_within(new.node.path):
            raise MoveIntoItself(old.name)
    elif isinstance(new.node, Directory) and not isinstance(old.node, Directory):
        raise IsADirectory(new.name)
    elif isinstance(old.node, Directory) and isinstance(new.node, Entry | Symlink):
        raise NotADirectory(new.name)


def _moves_directory(old: Occupied, new: Spot, on_clash: OnClash) -> bool:
    return isinstance(old.node, Directory) or (on_clash is OnClash.EXCHANGE and isinstance(new.node, Directory))


def _carry_out(connection: Connection, old: Occupied, new: Spot, request: Request) -> Node:
    _lock_assets(connection, old.node, new.node)
    moves: list[tuple[Node, Spot]] = [(_made(connection, old), new)]
    if request.on_clash is OnClash.EXCHANGE and new.node is not None:
        other = _made(connection, Occupied(new.place, new.name, new.node))
        connection.execute(sql_names.PARK, {"id": other.id})
        moves.append((other, old))
    elif new.node is not None:
        _clear(connection, moves[0][0], new.node)
    rebases = [
        Rebase(node.path, _path_for(connection, node, spot)) for node, spot in moves if isinstance(node, Directory)
    ]
    if rebases:
        rebase(connection, rebases)
    for node, spot in moves:
        _place(connection, node, spot, request.now_ns)
    places.touch(connection, [old.place, new.place], request.now_ns)
    moved = reading.find_child(connection, new.place.directory, new.name)
    if moved is None:
        raise MovedOn(new.name)
    return moved


def _lock_assets(connection: Connection, *nodes: Node | None) -> None:
    assets = [node.asset_id for node in nodes if isinstance(node, Entry)]
    if assets and len(connection.execute(sql_assets.LOCK_ASSETS, {"assets": assets}).fetchall()) < len(assets):
        raise MovedOn(", ".join(str(asset) for asset in assets))


def _made(connection: Connection, spot: Occupied) -> Node:
    """Give what is at `spot` a row where it has none."""
    node = spot.node
    if isinstance(node, Entry):
        return naming.entry_made(connection, node)
    if isinstance(node, Directory) and not node.made:
        made = places.add_directory(connection, spot.place, node.path)
        if made is None:
            raise MovedOn(spot.name)
        return node._replace(id=made, made=True)
    return node


def _clear(connection: Connection, heir: Node, replaced: Node) -> None:
    """Remove what is moved over; an entry gives what is said of it to the one that comes, if that has nothing."""
    if isinstance(replaced, Directory):
        removing.check_empty(connection, replaced)
        removing.drop_directory(connection, replaced.id)
    elif isinstance(replaced, Symlink):
        connection.execute(sql_names.REMOVE_NODE, {"id": replaced.id})
    else:
        if isinstance(heir, Entry):
            legacy = {"asset": heir.asset_id, "node": heir.id, "old": replaced.asset_id}
            now = datetime.now(UTC).replace(tzinfo=None)
            connection.execute(sql_annotations.INHERIT, {**legacy, "now": now})
            connection.execute(sql_annotations.INHERIT_PRIVATE, legacy)
        connection.execute(sql_assets.DROP_ASSETS, {"assets": [replaced.asset_id]})


def _path_for(connection: Connection, node: Directory, spot: Spot) -> AssetPath:
    """Give the path that a directory gets at `spot`: that of the directory it takes the place of, if any."""
    if isinstance(spot.node, Directory):
        return spot.node.path
    path = spot.place.path.child_named(spot.name)
    naming.check_label_free(connection, spot.place, spot.name, but=node.id)
    return path


def _place(connection: Connection, node: Node, spot: Spot, now_ns: int) -> None:
    naming.evict_stale(connection, spot.place, spot.name, but=node.id)
    if isinstance(node, Entry) and node.path != spot.place.path:
        connection.execute(sql_moves.MOVE_ASSET, {"asset": node.asset_id, "path": spot.place.path.ltree})
    connection.execute(sql_names.PLACE, {"id": node.id, "parent": spot.place.id, "name": spot.name, "ctime": now_ns})
