"""Moving whole directories: paths of directories and of assets, nothing else. Used by `moving`, in its transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.errors import CheckViolation

from konifer_fs.adapters.postgres import naming, places, reading, sql_moves
from konifer_fs.domain.errors import NameTooLong
from konifer_fs.domain.node import Entry
from konifer_fs.domain.path import MAX_STORED_BYTES, AssetPath

# Konifer cannot write this path, and none is shorter, so whatever is moved out of the way there stays short enough.
_ASIDE: Final = AssetPath(("-",))


@dataclass(frozen=True, slots=True)
class Rebase:
    """A directory that is to be at `new` with all that is at and below `old`."""

    old: AssetPath
    new: AssetPath

    @property
    def growth(self) -> int:
        """How many bytes longer each path below gets as PostgreSQL stores it."""
        return self.new.stored_bytes - self.old.stored_bytes


def rebase(connection: Connection, moves: Sequence[Rebase]) -> None:
    """Move one directory, or exchange two; raises NameTooLong before anything of a descendant is changed.

    Rows of directories go first, again until none is left behind: then all of them are locked, nothing of ours can
    come in below, and the assets follow in one later statement that sees all.
    """
    trees = {"old": [move.old.ltree for move in moves], "new": [move.new.ltree for move in moves]}
    limits = {"more": [move.growth for move in moves], "limit": MAX_STORED_BYTES}
    too_long = connection.execute(sql_moves.TOO_LONG, {**trees, **limits}).fetchone()
    if too_long and too_long[0]:
        raise NameTooLong(moves[0].new.shown)
    _keep_names(connection, trees)
    try:
        _move_paths(connection, moves)
    except CheckViolation as error:
        raise NameTooLong(moves[0].new.shown) from error
    connection.execute(sql_moves.LOCK_COUNTERS, trees)
    connection.execute(sql_moves.MOVE_ASSETS, trees)


def _move_paths(connection: Connection, moves: Sequence[Rebase]) -> None:
    if len(moves) == 1:
        steps = [*moves]
    else:
        one, other = moves
        steps = [Rebase(one.old, _ASIDE), other, Rebase(_ASIDE, one.new)]
    for step in steps:
        here = {"old": step.old.ltree, "new": step.new.ltree}
        while connection.execute(sql_moves.MOVE_PATHS, here).fetchone() != (0,):
            pass


def _keep_names(connection: Connection, trees: dict[str, list[str]]) -> None:
    """Name the entries that show under a default name now and will get another entry id."""
    for (text,) in connection.execute(sql_moves.RENUMBERED, trees).fetchall():
        path = AssetPath.from_ltree(text)
        names = _default_names(connection, path)
        if names:
            naming.name_entries(connection, places.make_path(connection, path), names)


def _default_names(connection: Connection, path: AssetPath) -> dict[str, Entry]:
    """Give the entries at `path` that have no name, by how they show."""
    directory = reading.find_directory(connection, path)
    if directory is None:
        return {}
    found = reading.list_pages(lambda after: reading.list_page(connection, directory, after))
    pages = reading.list_children(found, directory)
    entries = [node for page in pages for node in page if isinstance(node, Entry) and node.name is None]
    taken = reading.find_taken(connection, directory, [entry.default_name for entry in entries])
    return {entry.clashing_name if entry.default_name in taken else entry.default_name: entry for entry in entries}
