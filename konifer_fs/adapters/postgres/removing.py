"""Removing names: entries by Konifer's protocol, symbolic links, empty directories.

Part of the store's changing half.
"""

from psycopg import Connection

from konifer_fs.adapters.postgres import naming, places, reading, sql_assets, sql_names
from konifer_fs.adapters.postgres.pipelining import at_once
from konifer_fs.adapters.postgres.places import Place
from konifer_fs.domain.errors import DirectoryNotEmpty, MovedOn, ReadOnly
from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.domain.path import AssetPath


def remove_named(connection: Connection, parent: Directory, name: str, now_ns: int) -> int | None:
    """Delete the entry that has a name of its own, in one round trip; gives its node's id, None for no such entry."""
    if not parent.made or naming.may_be_default(name):
        return None
    wanted = {"ids": [parent.id], "dir": parent.id, "name": name, "now": now_ns}
    statements = sql_names.LOCK_DIRECTORIES, sql_assets.LOCK_NAMED, sql_assets.DROP_NAMED
    *_, dropped = at_once(connection, wanted, *statements)
    found = dropped.fetchone()
    return None if found is None else int(found[0])


def remove_entry(connection: Connection, parent: Directory, entry: Entry, now_ns: int) -> None:
    """Delete an asset with its variants, one outbox row an object, and its row; raises MovedOn.

    The directory stays, though it may have been there only because of this entry.
    """
    with connection.transaction():
        place = places.lock(connection, parent, now_ns)
        wanted = {"dir": place.id, "asset": entry.asset_id, "name": entry.name}
        if connection.execute(sql_assets.LOCK_ENTRY, wanted).fetchone() is None:
            raise MovedOn(entry.name or entry.default_name)
        if entry.name is None and not _shows(connection, place, entry):
            raise MovedOn(entry.default_name)
        connection.execute(sql_assets.DROP_ASSETS, {"assets": [entry.asset_id]})


def remove_symlink(connection: Connection, parent: Directory, symlink: Symlink, now_ns: int) -> None:
    """Remove a symbolic link; raises MovedOn."""
    with connection.transaction():
        place = places.lock(connection, parent, now_ns)
        wanted = {"id": symlink.id, "parent": place.id, "name": symlink.name}
        if connection.execute(sql_names.REMOVE_SYMLINK, wanted).fetchone() is None:
            raise MovedOn(symlink.name)


def remove_directory(connection: Connection, directory: Directory, now_ns: int) -> None:
    """Remove an empty directory; raises DirectoryNotEmpty (also for what is not ready yet), MovedOn, ReadOnly (root).

    Locked are it and the directory above: what a mount puts into it meanwhile is seen here, or finds it gone. Where
    nothing is in the way, it takes one round trip.
    """
    if not directory.path.labels:
        raise ReadOnly(directory.path.shown)
    if directory.made and _remove_in_one_trip(connection, directory, now_ns):
        return
    with connection.transaction():
        paths = {"paths": [directory.path.ltree, directory.path.parent.ltree]}
        locked = connection.execute(sql_names.LOCK_PATHS, paths).fetchall()
        found = {AssetPath.from_ltree(path): Place(node, AssetPath.from_ltree(path)) for node, path in locked}
        place, above = found.get(directory.path), found.get(directory.path.parent)
        check_empty(connection, directory if place is None else place.directory)
        if place is None or above is None or (directory.made and place.id != directory.id):
            raise MovedOn(directory.path.shown)
        drop_directory(connection, place.id)
        places.touch(connection, [above], now_ns)


def _remove_in_one_trip(connection: Connection, directory: Directory, now_ns: int) -> bool:
    path, above = directory.path.ltree, directory.path.parent.ltree
    wanted = {"paths": [path, above], "id": directory.id, "path": path, "above": above, "now": now_ns}
    _, removed = at_once(connection, wanted, sql_names.LOCK_PATHS, sql_names.DROP_EMPTY)
    return removed.fetchone() is not None


def check_empty(connection: Connection, directory: Directory) -> None:
    """Raise DirectoryNotEmpty when anything is in `directory`, ready or not."""
    wanted = {"id": directory.id, "path": directory.path.ltree}
    holds = connection.execute(sql_names.HOLDS_ANYTHING, wanted).fetchone()
    if holds and holds[0]:
        raise DirectoryNotEmpty(directory.path.shown)


def drop_directory(connection: Connection, node: int) -> None:
    """Delete the row of a directory that is empty; rows that name it for assets elsewhere lose that name."""
    connection.execute(sql_names.UNNAME_CHILDREN, {"id": node})
    connection.execute(sql_names.REMOVE_NODE, {"id": node})


def _shows(connection: Connection, place: Place, entry: Entry) -> bool:
    """Whether `entry` still shows under a name that its number makes."""
    shown = (
        reading.find_child(connection, place.directory, name) for name in (entry.default_name, entry.clashing_name)
    )
    return any(isinstance(node, Entry) and node.asset_id == entry.asset_id for node in shown)
