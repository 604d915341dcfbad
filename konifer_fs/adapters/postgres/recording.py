"""Recording a stored draft as an entry. Part of the store's changing half.

The plain case is one pipeline, so one round trip: lock the directory, lock the asset that has the name, then the
whole protocol in one statement. The locks are statements of their own, because a statement does not see what it
waited for: as one statement alone, eight writers of the same names left 26 ghosts among 31 entries.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection, Rollback
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from konifer_fs.adapters.postgres import editing, naming, places, reading, sql_assets
from konifer_fs.adapters.postgres.pipelining import at_once, pipelined
from konifer_fs.adapters.postgres.places import Place, ownership_parameters
from konifer_fs.domain.asset import AnnotationEdit, Annotations
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import MovedOn, NameTaken
from konifer_fs.domain.node import Entry, derived_id
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.domain.variant import original_transformation
from konifer_fs.ports import NewEntry

_ATTEMPTS: Final = 10
_NO_EDIT: Final = AnnotationEdit()

Parameters = dict[str, Any]


def record(connection: Connection, new: NewEntry, dialect: Dialect = Dialect.C) -> Entry:
    """Record a stored draft under its name, over the entry that has it, in Konifer's `dialect`.

    Raises:
        NameTaken: the name is a directory's or a symbolic link's, or an asset's that it is not to be recorded over.
        MovedOn: its directory is removed again and again.
        TooManyAttributes, TextTooLong, AttributeMalformed: its edit cannot be applied to what the old entry has.
    """
    record_in = _record_plainly if is_plain(new) else _record_fully
    directory = new.directory
    for _ in range(_ATTEMPTS):
        if not directory.made:
            with connection.transaction():
                directory = places.lock(connection, directory).directory
        entry = record_in(connection, directory.id, new, dialect)
        if entry is not None:
            return entry
        directory = directory._replace(made=False)
    raise MovedOn(directory.path.shown)


def record_together(
    connection: Connection, news: Sequence[NewEntry], dialect: Dialect = Dialect.C
) -> Sequence[Entry] | None:
    """Record several plain drafts in one transaction, or give None, and nothing is recorded, when one cannot be.

    Directories are locked by id first, as everywhere.
    """
    now = datetime.now(UTC)
    if len({(new.directory.id, new.name) for new in news}) < len(news) or not all(new.directory.made for new in news):
        return None
    parameters_of = ((new, _parameters(new, new.directory.id, now, dialect)) for new in news)
    requests = sorted(parameters_of, key=lambda it: it[1]["dir"])
    with connection.transaction() as transaction:
        with connection.pipeline():
            locked = [connection.execute(sql_assets.LOCK_DIRECTORY, parameters) for _, parameters in requests]
            for _, parameters in requests:
                connection.execute(sql_assets.LOCK_NAMED, parameters)
            recorded = [connection.execute(sql_assets.COMMIT_DRAFT, parameters) for _, parameters in requests]
        rows = [(place.fetchone(), made.fetchone()) for place, made in zip(locked, recorded, strict=True)]
        if not all(path and row for path, row in rows):
            raise Rollback(transaction)
        entries = {
            new.asset_id: _entry(new, AssetPath.from_ltree(path[0]), row, now)
            for (new, _), (path, row) in zip(requests, rows, strict=True)
            if path
        }
        return [entries[new.asset_id] for new in news]
    return None


def is_plain(new: NewEntry) -> bool:
    """Whether `new` can be recorded in one round trip: nothing to be asked first, and nothing to be said of it."""
    return _needs_no_look(new) and new.edit == _NO_EDIT


def _needs_no_look(new: NewEntry) -> bool:
    """Whether nothing has to be looked at first: what `new` replaces, if anything, has its name by a row."""
    has_plain_name = new.name is not None and not naming.may_be_default(new.name)
    return has_plain_name and not new.keep and new.replaces is None and new.over is None


def _record_plainly(connection: Connection, directory: int, new: NewEntry, dialect: Dialect) -> Entry | None:
    """Record in the directory of that id, in one round trip; gives None when it is gone."""
    now = datetime.now(UTC)
    parameters = _parameters(new, directory, now, dialect)
    statements = sql_assets.LOCK_DIRECTORY, sql_assets.LOCK_NAMED, sql_assets.COMMIT_DRAFT
    locked, _, recorded = at_once(connection, parameters, *statements)
    found = locked.fetchone()
    return _entry(new, AssetPath.from_ltree(found[0]), recorded.fetchone(), now) if found else None


def _record_fully(connection: Connection, directory: int, new: NewEntry, dialect: Dialect) -> Entry | None:
    """Record in the directory of that id, whatever there is to heed; gives None when it is gone."""
    now = datetime.now(UTC)
    parameters = _parameters(new, directory, now, dialect)
    with pipelined(connection):
        locked = connection.execute(sql_assets.LOCK_DIRECTORY, parameters)
        if _needs_no_look(new):
            connection.execute(sql_assets.LOCK_NAMED, parameters)
            found, kept = None, None
        else:
            found = locked.fetchone()
            kept = _make_way(connection, found, new, parameters)
        recorded = connection.execute(sql_assets.COMMIT_DRAFT, parameters)
        facts = reading.find_facts(connection, [new.asset_id])
        found = found or locked.fetchone()
        if found is None:
            return None
        entry = _entry(new, AssetPath.from_ltree(found[0]), recorded.fetchone(), now)
        before = facts[new.asset_id].annotations
        editing.write_difference(connection, entry, before, new.edit.apply(kept or before), now)
        return entry


def _make_way(
    connection: Connection, locked: TupleRow | None, new: NewEntry, parameters: Parameters
) -> Annotations | None:
    """Take care of what is in the way of `new` in a directory that is `locked`; gives what was said of what is kept."""
    if locked is None:
        return None
    place = Place(parameters["dir"], AssetPath.from_ltree(locked[0]))
    if new.name is not None:
        naming.adopt(connection, place, new.name)
    named = connection.execute(sql_assets.LOCK_NAMED, parameters).fetchall()
    if new.over is not None and not {asset for (asset,) in named} <= new.over:
        raise NameTaken(new.name or "")
    if new.replaces is not None and (new.replaces,) not in named:
        connection.execute(sql_assets.DROP_ASSETS, {"assets": [new.replaces]})
    return _keep_old(connection, place, new, new.name, parameters) if new.keep and new.name else None


def _keep_old(
    connection: Connection, place: Place, new: NewEntry, name: str, parameters: Parameters
) -> Annotations | None:
    """Take the name and the id off the entry that has the name, and give its annotations."""
    old = reading.find_child(connection, place.directory, name)
    if not isinstance(old, Entry) or old.asset_id == new.replaces:
        return None
    annotations = reading.read_facts(connection, old).annotations
    row = connection.execute(sql_assets.KEEP_OLD, {"node": old.id, "derived": derived_id(old.asset_id)}).fetchone()
    if row is not None:
        editing.write_private(connection, row[0], {}, annotations.private)
        parameters["node"] = old.id
    return annotations


def _parameters(new: NewEntry, directory: int, now: datetime, dialect: Dialect) -> Parameters:
    return {
        "dir": directory,
        "name": new.name,
        "labels": list(candidate_labels(new.name)) if new.name is not None else [],
        "named": new.named_ns,
        "node": new.node_id,
        "asset": new.asset_id,
        "variant": uuid7(),
        "now": now.replace(tzinfo=None),
        "bucket": new.original.bucket,
        "key": new.original.key,
        "transformation": Jsonb(dialect.spell_transformation(original_transformation(new.attributes))),
        "attributes": Jsonb(dialect.spell_attributes(new.attributes.to_json())),
        "lqip": Jsonb(new.lqip),
        "size": new.size,
        "sha256": new.sha256,
        "received_size": new.received and new.received.size,
        "received_sha256": new.received and new.received.sha256,
        **ownership_parameters(new.ownership),
    }


def _entry(new: NewEntry, path: AssetPath, recorded: tuple[Any, ...] | None, now: datetime) -> Entry:
    if recorded is None:
        raise NameTaken(new.name or "")
    return Entry(
        id=recorded[0],
        path=path,
        made=True,
        name=new.name,
        asset_id=new.asset_id,
        entry_id=recorded[1],
        format=new.attributes.format,
        original=new.original,
        size=new.size,
        created_at=now,
        modified_at=now,
        ownership=new.ownership,
        sha256=new.sha256,
    )
