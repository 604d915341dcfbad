"""Rows of directories: finding them locked, and making those that are missing. Used by the changing modules beside it.

Every function runs in its caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow

from konifer_fs.adapters.postgres import sql_names
from konifer_fs.domain.errors import MovedOn, NameTooLong
from konifer_fs.domain.node import Directory, Ownership, derived_id
from konifer_fs.domain.path import MAX_NAME_BYTES, MAX_STORED_BYTES, AssetPath, decode_label

_UNSET = Ownership()


@dataclass(frozen=True, slots=True)
class Place:
    """A directory's row, locked until the transaction ends: its id, and where it lies now."""

    id: int
    path: AssetPath

    @property
    def directory(self) -> Directory:
        """The directory, to read in."""
        return Directory(id=self.id, path=self.path, made=True)


def lock(connection: Connection, directory: Directory, now_ns: int | None = None) -> Place:
    """Lock the directory, which gets its times set to `now_ns`, and a row if it has none; raises MovedOn."""
    found = connection.execute(
        sql_names.LOCK_DIRECTORY,
        {"id": directory.id, "made": directory.made, "path": directory.path.ltree, "now": now_ns},
    ).fetchone()
    if found:
        return Place(found[0], AssetPath.from_ltree(found[1]))
    if directory.made:
        raise MovedOn(directory.path.shown)
    place = make_path(connection, directory.path)
    if now_ns is not None:
        touch(connection, [place], now_ns)
    return place


def lock_both(connection: Connection, one: Directory, other: Directory) -> tuple[Place, Place]:
    """Lock two directories, or one twice; raises MovedOn."""
    if not (one.made and other.made):
        return lock(connection, one), lock(connection, other)
    found = connection.execute(sql_names.LOCK_DIRECTORIES, {"ids": [one.id, other.id]}).fetchall()
    places = {node: Place(node, AssetPath.from_ltree(path)) for node, path in found}
    for directory in (one, other):
        if directory.id not in places:
            raise MovedOn(directory.path.shown)
    return places[one.id], places[other.id]


def touch(connection: Connection, places: Sequence[Place], now_ns: int) -> None:
    """Set mtime and ctime of directories in which a name came or went."""
    connection.execute(sql_names.TOUCH, {"ids": [place.id for place in places], "now": now_ns})


def make_path(connection: Connection, path: AssetPath) -> Place:
    """Make the rows that are missing from the root down to `path`; gives its own, locked. Raises NameTooLong."""
    if path.stored_bytes > MAX_STORED_BYTES:
        raise NameTooLong(path.shown)
    place: Place | None = None
    while place is None or place.path != path:
        place = _make_missing(connection, _lock_nearest(connection, path), path)
    return place


def add_directory(connection: Connection, parent: Place, path: AssetPath, ownership: Ownership = _UNSET) -> int | None:
    """Insert the row of `path` in `parent`; gives its id, or None when another transaction was faster."""
    inserted = connection.execute(
        sql_names.INSERT_DIRECTORY,
        {
            "id": derived_id(path),
            "parent": parent.id,
            "name": _free_name(connection, parent, path),
            "path": path.ltree,
            **ownership_parameters(ownership),
        },
    ).fetchone()
    return inserted[0] if inserted else None


def ownership_parameters(ownership: Ownership) -> dict[str, int | None]:
    """Give the columns of an ownership."""
    return {
        "mode": ownership.mode,
        "uid": ownership.uid,
        "gid": ownership.gid,
        "mtime": ownership.mtime_ns,
        "ctime": ownership.ctime_ns,
    }


def _lock_nearest(connection: Connection, path: AssetPath) -> Place:
    paths = [ancestor.ltree for ancestor in path.ancestors()]
    found = None
    while found is None:  # a row that is renamed while it is waited for is no answer
        found = connection.execute(sql_names.LOCK_NEAREST, {"paths": paths}).fetchone()
    return Place(found[0], AssetPath.from_ltree(found[1]))


def _make_missing(connection: Connection, place: Place, path: AssetPath) -> Place | None:
    for label in path.labels[len(place.path.labels) :]:
        child = place.path.child(label)
        made = add_directory(connection, place, child)
        if made is None:
            return None
        place = Place(made, child)
    return place


def _free_name(connection: Connection, parent: Place, path: AssetPath) -> str:
    """Give the name of the directory `path`; of two that read alike, the one spelled so has it."""
    name = decode_label(path.label) or path.label
    holder = _find_holder(connection, parent, name, path)
    if holder and holder[2] is not None:
        name = path.label
    return _take_name(connection, parent, name, path)


def _take_name(connection: Connection, parent: Place, name: str, path: AssetPath) -> str:
    """Take `name` for the directory `path` from whatever has it: a directory keeps the name in a clash."""
    holder = _find_holder(connection, parent, name, path)
    if holder is None:
        return name
    node, is_entry, text = holder
    if is_entry:
        connection.execute(sql_names.UNNAME, {"id": node})
    elif text is not None:
        other = AssetPath.from_ltree(text)
        free = _take_name(connection, parent, other.label, other)
        connection.execute(sql_names.RENAME, {"id": node, "name": free})
    else:
        connection.execute(sql_names.RENAME, {"id": node, "name": _numbered(name, node)})
    return name


def _find_holder(connection: Connection, parent: Place, name: str, path: AssetPath) -> TupleRow | None:
    """Find what has `name`: its id, whether it is an entry, its path; the directory `path` itself does not count."""
    wanted = {"parent": parent.id, "name": name, "path": path.ltree}
    return connection.execute(sql_names.HOLDER, wanted).fetchone()


def _numbered(name: str, node: int) -> str:
    """Give another name for a symbolic link, which has no default name: its own and its id."""
    suffix = f".{node}"
    return name.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
