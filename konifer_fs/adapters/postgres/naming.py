"""Making names: directories, symbolic links, and names for entries that had none. Part of the store's changing half.

A foreign writer's clash is settled when its directory gets a row: the directory keeps the name, the file shows under
its default name, a symbolic link gets its id appended.
"""

import time
from collections.abc import Mapping, Sequence

from psycopg import Connection

from konifer_fs.adapters.postgres import places, reading, sql_names
from konifer_fs.adapters.postgres.pipelining import at_once
from konifer_fs.adapters.postgres.places import Place
from konifer_fs.domain.errors import MovedOn, NameTaken
from konifer_fs.domain.node import Directory, Entry, Ownership, Symlink, derived_id
from konifer_fs.domain.path import AssetPath, candidate_labels, encode_name


def make_directories(connection: Connection, path: AssetPath) -> Directory:
    """Make rows for `path` and all above it where they are missing; raises NameTooLong."""
    found = reading.find_directory(connection, path)
    if found and found.made:
        return found
    with connection.transaction():
        place = places.make_path(connection, path)
        return reading.find_directory(connection, path) or place.directory


def reserve_ids(connection: Connection, count: int) -> Sequence[int]:
    """Take `count` node ids that nothing else will get."""
    return [row[0] for row in connection.execute(sql_names.RESERVE_IDS, {"count": count})]


def make_directory(connection: Connection, parent: Directory, name: str, ownership: Ownership) -> Directory:
    """Make a directory, in one round trip where nothing is in the way; raises NameTaken, NameTooLong, MovedOn."""
    if parent.made and not may_be_default(name):
        made = _make_in_one_trip(connection, parent, name, ownership)
        if made is not None:
            return made
    with connection.transaction():
        place = places.lock(connection, parent, _changed_ns(ownership))
        path = place.path.child_named(name)
        _check_free(connection, place, name)
        check_label_free(connection, place, name)
        node = places.add_directory(connection, place, path, ownership)
        if node is None:
            raise NameTaken(name)
        return Directory(id=node, path=path, made=True, ownership=ownership)


def _make_in_one_trip(connection: Connection, parent: Directory, name: str, ownership: Ownership) -> Directory | None:
    path = parent.path.child_named(name)
    wanted = {
        "ids": [parent.id],
        "parent": parent.id,
        "above": parent.path.ltree,
        "name": name,
        "names": [name, path.label],
        "labels": [*candidate_labels(name), *candidate_labels(path.label)],
        "id": derived_id(path),
        "path": path.ltree,
        "now": _changed_ns(ownership),
        **places.ownership_parameters(ownership),
    }
    _, inserted = at_once(connection, wanted, sql_names.LOCK_DIRECTORIES, sql_names.MAKE_DIRECTORY)
    row = inserted.fetchone()
    return Directory(id=row[0], path=path, made=True, ownership=ownership) if row else None


def make_symlink(connection: Connection, parent: Directory, name: str, target: str, ownership: Ownership) -> Symlink:
    """Make a symbolic link; raises NameTaken, MovedOn."""
    with connection.transaction():
        place = places.lock(connection, parent, _changed_ns(ownership))
        _check_free(connection, place, name)
        evict_stale(connection, place, name)
        row = connection.execute(
            sql_names.INSERT_SYMLINK,
            {"parent": place.id, "name": name, "target": target, **places.ownership_parameters(ownership)},
        ).fetchone()
        return Symlink(id=row[0] if row else 0, path=place.path, name=name, target=target, ownership=ownership)


def evict_stale(connection: Connection, place: Place, name: str, but: int | None = None) -> None:
    """Free a name that no entry shows under, `but` perhaps this one: another writer moved its asset, or a directory."""
    holder = connection.execute(sql_names.HOLDER, {"parent": place.id, "name": name, "path": None}).fetchone()
    if holder and holder[1] and holder[0] != but:
        connection.execute(sql_names.UNNAME, {"id": holder[0]})


def may_be_default(name: str) -> bool:
    """Whether an entry without a name may show under `name`."""
    return reading.default_entry_id(name) is not None


def adopt(connection: Connection, place: Place, name: str) -> None:
    """Give the entry that shows under `name` by default that name, so that it can be treated like any other."""
    found = reading.find_child(connection, place.directory, name) if may_be_default(name) else None
    if isinstance(found, Entry) and found.name is None:
        evict_stale(connection, place, name)
        name_entries(connection, place, {name: found})


def name_entries(connection: Connection, place: Place, names: Mapping[str, Entry], ctime_ns: int | None = None) -> None:
    """Let each entry have its name in `place`; those without a row get one."""
    connection.execute(
        sql_names.NAME_ENTRIES,
        {
            "parent": place.id,
            "ids": [derived_id(entry.asset_id) for entry in names.values()],
            "assets": [entry.asset_id for entry in names.values()],
            "names": list(names),
            "ctime": ctime_ns,
        },
    )


def entry_made(connection: Connection, entry: Entry) -> Entry:
    """Give `entry` a row where it has none; raises MovedOn."""
    if entry.made:
        return entry
    row = connection.execute(
        sql_names.ENTRY_NODE, {"id": derived_id(entry.asset_id), "asset": entry.asset_id}
    ).fetchone()
    if row is None:
        raise MovedOn(entry.name or entry.default_name)
    return entry._replace(id=row[0], made=True)


def check_label_free(connection: Connection, place: Place, name: str, but: int | None = None) -> None:
    """Raise NameTaken where a new directory `name` would take another name, too: its label, which something has.

    What has it may be the node `but`.
    """
    label = encode_name(name)
    holder = reading.find_child(connection, place.directory, label) if label != name else None
    if holder is not None and holder.id != but:
        raise NameTaken(f"{label}, as {name} is stored")


def _check_free(connection: Connection, place: Place, name: str) -> None:
    if reading.find_child(connection, place.directory, name) is not None:
        raise NameTaken(name)


def _changed_ns(ownership: Ownership) -> int:
    return time.time_ns() if ownership.ctime_ns is None else ownership.ctime_ns
