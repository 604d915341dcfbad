"""Entries found by what Konifer knows of them: each function is the selecting method of the port that has its name.

Used by the store. What comes in pages is read through a cursor of the server, in a transaction of its own: one
statement, of which nobody holds more than a page.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

from psycopg import Connection

from konifer_fs.adapters.postgres import reading, rows, sql_select, variants
from konifer_fs.domain.node import Directory, Entry, derived_id
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.ports import Selected, Selection, StoredAsset

PAGE: Final = 2000
Shown: TypeAlias = Entry | Selected
_HIGHEST_ID: Final = (1 << 63) - 1


def find_newest(connection: Connection, directory: Directory, *, by_modification: bool) -> Entry | None:
    """Give the entry of `directory` created last, or modified last; of equal times the highest entry id."""
    statement = sql_select.NEWEST_MODIFIED if by_modification else sql_select.NEWEST_CREATED
    return _find(connection, directory, statement, {})


def find_entry(connection: Connection, directory: Directory, entry_id: int) -> Entry | None:
    """Give the entry of `directory` that has this id."""
    if not 0 <= entry_id <= _HIGHEST_ID:
        return None
    return _find(connection, directory, sql_select.BY_ENTRY_ID, {"entry": entry_id})


def stream_selected(
    connection: Connection, directory: Directory, selection: Selection
) -> Iterator[Sequence[tuple[str, Selected]]]:
    """Give what matches with the names it shows under, by path and then entry id, in pages."""
    statement = sql_select.entries(_condition(selection), recursive=selection.recursive)
    for page in _stream(connection, directory, selection, statement):
        by_path = ((AssetPath.from_ltree(path), found) for path, found in groupby(page, itemgetter(-1)))
        entries = [_selected(path, row) for path, found in by_path for row in found]
        yield list(zip(list_shown_names(connection, entries), entries, strict=True))


def _selected(path: AssetPath, row: rows.Row) -> Selected:
    node_id, name, asset_id, entry_id, word, mtime_ns, _ = row
    found = rows.format_of(word)
    number = derived_id(asset_id) if node_id is None else node_id
    return Selected(number, path, name, asset_id, entry_id, found.extension if found else "", mtime_ns)


def stream_assets(connection: Connection, directory: Directory) -> Iterator[Sequence[StoredAsset]]:
    """Give all that is known of the entries of `directory`, the newest first, in pages."""
    with connection.transaction(), connection.cursor(name="assets") as cursor:
        cursor.execute(sql_select.ASSETS, {"p": directory.path.ltree})
        while page := cursor.fetchmany(PAGE):
            assets = [asset for asset, _ in page]
            facts = reading.find_facts(connection, assets)
            stored = variants.list_variants_of_all(connection, assets)
            yield [StoredAsset(entry_id, facts[asset], stored[asset]) for asset, entry_id in page if asset in facts]


def is_selected(connection: Connection, entry: Entry, selection: Selection) -> bool:
    """Whether an entry has all of the labels and tags; where it lies is not looked at."""
    values = _values(selection)
    if values is None:
        return False
    statement = sql_select.described(labels=len(selection.labels), tags=len(selection.tags))
    return connection.execute(statement, {**values, "asset": entry.asset_id}).fetchone() is not None


def list_shown_names(connection: Connection, entries: Sequence[Shown]) -> Sequence[str]:
    """Give the name that each entry shows under: its own unless a directory has that, else the default that is free."""
    own = {number: entry.name for number, entry in enumerate(entries) if entry.name is not None}
    branching = _find_branching(connection, entries)
    hidden = _find_directories(connection, entries, own, branching)
    defaults = {number: entry.default_name for number, entry in enumerate(entries) if number not in own.keys() - hidden}
    taken = _find_directories(connection, entries, defaults, branching) | _find_taken(connection, entries, defaults)
    names = {**own, **defaults, **{number: entries[number].clashing_name for number in taken}}
    return [names[number] for number in range(len(entries))]


def _find_branching(connection: Connection, entries: Sequence[Shown]) -> AbstractSet[AssetPath]:
    """Give the paths of entries that have directories, so that a name may be one: those of few."""
    paths = {path.ltree: path for path in {entry.path for entry in entries}}
    return {paths[path] for (path,) in connection.execute(sql_select.BRANCHING, {"paths": list(paths)})}


def _find_directories(
    connection: Connection, entries: Sequence[Shown], names: Mapping[int, str], branching: AbstractSet[AssetPath]
) -> set[int]:
    spelled = [
        (number, entries[number].path.child(label).ltree)
        for number, name in names.items()
        if entries[number].path in branching
        for label in candidate_labels(name)
    ]
    values = {"numbers": [number for number, _ in spelled], "paths": [path for _, path in spelled]}
    return {number for (number,) in connection.execute(sql_select.DIRECTORIES, values)} if spelled else set()


def _find_taken(connection: Connection, entries: Sequence[Shown], names: Mapping[int, str]) -> set[int]:
    paths = {path.ltree: path for path in {entries[number].path for number in names}}
    asked = connection.execute(sql_select.NUMBERED, {"paths": list(paths)}) if paths else ()
    places = {paths[path]: place for place, (path,) in enumerate(asked, 1)}
    doubtful = [number for number in names if entries[number].path in places]
    values = {
        "numbers": doubtful,
        "places": [places[entries[number].path] for number in doubtful],
        "names": [names[number] for number in doubtful],
        "paths": [path.ltree for path in places],
    }
    return {number for (number,) in connection.execute(sql_select.TAKEN, values)} if doubtful else set()


def list_labels(
    connection: Connection, directory: Directory, selection: Selection
) -> Iterator[Sequence[tuple[str, str]]]:
    """Give each label of what matches once, in byte order, in pages."""
    for page in _stream(connection, directory, selection, sql_select.labels(_condition(selection))):
        yield [(key, value) for key, value in page]


def list_tags(connection: Connection, directory: Directory, selection: Selection) -> Iterator[Sequence[str]]:
    """Give each tag of what matches once, in byte order, in pages."""
    for page in _stream(connection, directory, selection, sql_select.tags(_condition(selection))):
        yield [tag for (tag,) in page]


def _find(connection: Connection, directory: Directory, statement: str, values: Mapping[str, Any]) -> Entry | None:
    place = {"id": directory.id, "p": directory.path.ltree}
    row = connection.execute(statement, {**place, **values}).fetchone()
    return reading.as_shown(connection, directory, rows.entry_in(directory.path, row)) if row else None


def _condition(selection: Selection) -> str:
    return sql_select.matching(labels=len(selection.labels), tags=len(selection.tags), recursive=selection.recursive)


def _stream(
    connection: Connection, directory: Directory, selection: Selection, statement: str
) -> Iterator[Sequence[rows.Row]]:
    values = _values(selection)
    if values is None:
        return
    with connection.transaction(), connection.cursor(name="selected") as cursor:
        cursor.execute(statement, {**values, "id": directory.id, "p": directory.path.ltree})
        while page := cursor.fetchmany(PAGE):
            yield page


def _values(selection: Selection) -> Mapping[str, str] | None:
    """Give the parameters that name labels and tags; None for a text that PostgreSQL cannot hold."""
    values = {f"tag{number}": tag for number, tag in enumerate(sorted(selection.tags))}
    for number, (key, value) in enumerate(sorted(selection.labels)):
        values |= {f"key{number}": key, f"value{number}": value}
    return None if any("\0" in value for value in values.values()) else values
