"""The metadata store on PostgreSQL: takes connections from a pool, and leaves the statements to its neighbours.

Used by wiring. What is read and changed, and how, is in the modules named after it; each of their functions is a
method of the port, with a connection (in autocommit) first.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Concatenate, Final, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

from psycopg import Connection, Error
from psycopg.errors import ConnectionTimeout
from psycopg_pool import PoolTimeout

from konifer_fs.adapters.outage import Outage
from konifer_fs.adapters.postgres import (
    editing,
    moving,
    naming,
    reading,
    reaping,
    removing,
    selecting,
    sizing,
    variants,
)
from konifer_fs.adapters.postgres.ahead import read_ahead
from konifer_fs.adapters.postgres.answering import (
    answering,
    insistently,
    is_contended,
    is_lost,
)
from konifer_fs.adapters.postgres.connecting import BoundedConnection, open_pool
from konifer_fs.adapters.postgres.pruning import Pruner
from konifer_fs.adapters.postgres.recorder import Recorder
from konifer_fs.adapters.postgres.unjoined import UnjoinedConnection
from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import KoniferFsError, StoreUnreachable
from konifer_fs.domain.node import Directory, Entry, Node, Ownership, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Json
from konifer_fs.ports import (
    AssetFacts,
    BytesBelow,
    NewEntry,
    NewVariant,
    OnClash,
    PendingDelete,
    Selected,
    Selection,
    StoredAsset,
    StoredVariant,
)

P = ParamSpec("P")
T = TypeVar("T")

_LOOK_AGAIN: Final = 0.1


class Connections(NamedTuple):
    """How many connections are open, how many of these nobody uses, and how many callers wait for one."""

    open: int
    idle: int
    awaited: int


class PostgresStore:
    """Implements `ports.MetadataStore` on a database that `migrate.check` has passed.

    What is recorded is written in `dialect`, what is read may be in any. One that is not `joined` can only be read.
    `deadline`, in seconds, bounds the wait for a connection, each statement, each lock and a silent server.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        deadline: float = 30,
        min_connections: int = 1,
        max_connections: int = 10,
        application_name: str = "konifer-fs",
        dialect: Dialect = Dialect.C,
        joined: bool = True,
    ) -> None:
        self._dialect = dialect
        self._pool = open_pool(
            conninfo,
            BoundedConnection if joined else UnjoinedConnection,
            deadline=deadline,
            min_size=min_connections,
            max_size=max_connections,
            application_name=application_name,
        )
        self._deadline = deadline
        self._outage = Outage(deadline)
        self._recorder = Recorder(self._do, self._connection, dialect)
        self._pruner = Pruner()

    def find_directory(self, path: AssetPath) -> Directory | None:
        """Give the directory at `path`, if anything lies at or below it or a row makes it."""
        return self._read(reading.find_directory, path)

    def find_child(self, parent: Directory, name: str) -> Node | None:
        """Give what `name` denotes in `parent`."""
        return self._read(reading.find_child, parent, name)

    def list_children(self, parent: Directory) -> Iterator[Sequence[Node]]:
        """Give all children in pages; no connection is held in between."""
        pages = reading.list_pages(lambda after: self._read(reading.list_page, parent, after))
        return reading.list_children(read_ahead(pages, reading.PAGE), parent)

    def list_each(self, parents: Sequence[Directory], most: int) -> Sequence[Sequence[Node] | None]:
        """Give all children of each of several directories, None for one that has over `most`."""
        return self._read(reading.list_each, parents, most)

    def find_taken(self, parent: Directory, names: Sequence[str]) -> frozenset[str]:
        """Give those of `names` that are names of named files, symlinks or directories of `parent`."""
        return self._read(reading.find_taken, parent, names)

    def refresh(self, node: Node) -> Node | None:
        """Read `node` again."""
        return self._read(reading.refresh, node)

    def read_facts(self, entry: Entry) -> AssetFacts:
        """Read the facts of an entry."""
        return self._read(reading.read_facts, entry)

    def read_facts_of(self, entries: Sequence[Entry]) -> Sequence[AssetFacts | None]:
        """Read the facts of several entries; None for one that is gone."""
        return self._read(reading.read_facts_of, entries)

    def read_private_of(self, nodes: Sequence[Directory | Symlink]) -> Sequence[Mapping[str, bytes]]:
        """Read the private attributes of several directories and symlinks."""
        return self._read(reading.read_private_of, nodes)

    def count_files(self, directory: Directory) -> int:
        """Count the entries below `directory`."""
        return self._read(reading.count_files, directory)

    def count_entries(self, directory: Directory) -> int:
        """Count the entries, directories and symbolic links below `directory`."""
        return self._read(reading.count_entries, directory)

    def sum_bytes(self, directory: Directory) -> BytesBelow:
        """Add up the sizes of the entries below `directory`."""
        return self._read(reading.sum_bytes, directory)

    def find_identity(self) -> UUID:
        """Give the id of this store."""
        return self._read(reading.find_identity)

    def find_newest(self, directory: Directory, *, by_modification: bool) -> Entry | None:
        """Give the entry of `directory` created last, or modified last."""
        return self._read(selecting.find_newest, directory, by_modification=by_modification)

    def find_entry(self, directory: Directory, entry_id: int) -> Entry | None:
        """Give the entry of `directory` that has this id."""
        return self._read(selecting.find_entry, directory, entry_id)

    def stream_selected(self, directory: Directory, selection: Selection) -> Iterator[Sequence[tuple[str, Selected]]]:
        """Give what matches, in pages; holds a connection until exhausted or closed."""
        return self._stream(selecting.stream_selected, directory, selection)

    def stream_assets(self, directory: Directory) -> Iterator[Sequence[StoredAsset]]:
        """Give all entries of `directory`, the newest first, in pages; holds a connection as `stream_selected` does."""
        return self._stream(selecting.stream_assets, directory)

    def is_selected(self, entry: Entry, selection: Selection) -> bool:
        """Whether an entry has all of the labels and tags."""
        return self._read(selecting.is_selected, entry, selection)

    def list_shown_names(self, entries: Sequence[Entry | Selected]) -> Sequence[str]:
        """Give the name that each entry shows under."""
        return self._read(selecting.list_shown_names, entries)

    def list_labels(self, directory: Directory, selection: Selection) -> Iterator[Sequence[tuple[str, str]]]:
        """Give each label of what matches once, in pages; holds a connection until exhausted or closed."""
        return self._stream(selecting.list_labels, directory, selection)

    def list_tags(self, directory: Directory, selection: Selection) -> Iterator[Sequence[str]]:
        """Give each tag of what matches once, in pages; holds a connection until exhausted or closed."""
        return self._stream(selecting.list_tags, directory, selection)

    def make_directories(self, path: AssetPath) -> Directory:
        """Make rows for `path` and all above it."""
        return self._change(naming.make_directories, path)

    def reserve_ids(self, count: int) -> Sequence[int]:
        """Take `count` node ids that nothing else will get."""
        return self._change(naming.reserve_ids, count)

    def record(self, new: NewEntry) -> Entry:
        """Record a stored draft, with others that come meanwhile; when its outcome is unknown, that is looked up."""
        return self._recorder.record(new)

    def find_outcome(self, asset_id: UUID) -> Entry | None:
        """Give the entry of an asset whose recording raised OutcomeUnknown."""
        return self._recorder.find_outcome(asset_id)

    def record_sizes(self, found: Sequence[tuple[Entry, int]]) -> None:
        """Record sizes of entries' objects that Konifer stored."""
        self._settle(sizing.record_original_sizes, found)

    def find_asset(self, asset_id: UUID) -> Entry | None:
        """Give the entry of an asset."""
        return self._read(reading.find_asset, asset_id)

    def make_directory(self, parent: Directory, name: str, ownership: Ownership) -> Directory:
        """Make a directory."""
        return self._change(naming.make_directory, parent, name, ownership)

    def make_symlink(self, parent: Directory, name: str, target: str, ownership: Ownership) -> Symlink:
        """Make a symbolic link."""
        return self._change(naming.make_symlink, parent, name, target, ownership)

    def remove_named(self, parent: Directory, name: str, now_ns: int) -> int | None:
        """Delete the entry that has a name of its own by Konifer's protocol, and its node, whose id is given."""
        return self._change(removing.remove_named, parent, name, now_ns)

    def remove_entry(self, parent: Directory, entry: Entry, now_ns: int) -> None:
        """Delete an asset by Konifer's protocol, and its node."""
        self._change(removing.remove_entry, parent, entry, now_ns)

    def remove_symlink(self, parent: Directory, symlink: Symlink, now_ns: int) -> None:
        """Remove a symbolic link."""
        self._change(removing.remove_symlink, parent, symlink, now_ns)

    def remove_directory(self, directory: Directory, now_ns: int) -> None:
        """Remove an empty directory."""
        self._change(removing.remove_directory, directory, now_ns)

    def move_named(
        self, source: Directory, name: str, target: Directory, new_name: str, on_clash: OnClash, now_ns: int
    ) -> Entry | None:
        """Rename the entry that has a name of its own, also over another one."""
        return self._change(moving.move_named, source, name, target, new_name, on_clash, now_ns)

    def renumber(self, entry: Entry, number: int) -> Entry:
        """Let `number`, which no node has, be an entry's id: a draft was renamed over it. Raises MovedOn."""
        return self._change(editing.renumber, entry, number)

    def move(
        self, source: Directory, name: str, target: Directory, new_name: str, on_clash: OnClash, now_ns: int
    ) -> Node:
        """Rename a file, symlink or whole directory."""
        return self._change(moving.move, source, name, target, new_name, on_clash, now_ns)

    def set_ownership(self, node: Node, ownership: Ownership) -> Node:
        """Set what is not None in `ownership`."""
        return self._change(editing.set_ownership, node, ownership)

    def edit_annotations(self, entry: Entry, edit: AnnotationEdit) -> None:
        """Change alt, source, labels, tags, private attributes."""
        self._change(editing.edit_annotations, entry, edit)

    def edit_private(self, node: Directory | Symlink, changes: Mapping[str, bytes | None]) -> None:
        """Change private attributes of a directory or symlink."""
        self._change(editing.edit_private, node, changes)

    def list_variants(self, entry: Entry) -> Sequence[StoredVariant]:
        """Give the original and all variants of an entry, newest first."""
        return self._read(variants.list_variants, entry)

    def find_variant(self, entry: Entry, transformation: Json) -> StoredVariant | None:
        """Give the variant of an entry with this very transformation."""
        return self._read(variants.find_variant, entry, transformation, self._dialect)

    def record_variant(self, new: NewVariant) -> StoredVariant:
        """Record a variant, or give the one that somebody else recorded first, whose upload is waited for."""
        until = time.monotonic() + self._deadline
        while (stored := self._settle(variants.record_variant, new, self._dialect)) is None:
            if time.monotonic() > until:
                raise StoreUnreachable("another writer does not finish storing the same variant")
            time.sleep(_LOOK_AGAIN)
        return stored

    def remove_variant(self, variant: StoredVariant) -> None:
        """Delete a variant, never an original, by Konifer's protocol."""
        self._settle(variants.remove_variant, variant)

    def note_accesses(self, idle_after: Mapping[UUID, float | None]) -> None:
        """Set `last_accessed_at` of variants to now, and `expires_at` to so many seconds later."""
        self._settle(variants.note_accesses, idle_after)

    def list_pending_deletes(self, limit: int, *, after: PendingDelete | None) -> Sequence[PendingDelete]:
        """Give the oldest well-formed `VARIANT_DELETED` rows of the outbox, of those younger than `after`."""
        return self._read(reaping.list_pending_deletes, limit, after)

    def drop_pending_delete(self, pending: PendingDelete) -> None:
        """Forget an outbox row whose object is gone."""
        self._change(reaping.drop_pending_delete, pending)

    def sweep(self) -> int:
        """Delete what never became ready or uploaded, and what expired; counts."""
        return self._change(reaping.sweep)

    def prune_changes(self) -> int:
        """Forget changes that no mount will read any more; counts."""
        return self._change(self._pruner.prune)

    @contextmanager
    def exclusively(self, task: str) -> Iterator[bool]:
        """Hold an advisory lock of ours for a background task, on a connection of its own."""
        with answering(), self._connection() as connection, reaping.exclusively(connection, task) as free:
            yield free

    def count_connections(self) -> Connections:
        """Tell how the pool of connections is used."""
        stats = self._pool.get_stats()
        return Connections(
            open=stats["pool_size"], idle=stats["pool_available"], awaited=stats.get("requests_waiting", 0)
        )

    def close(self) -> None:
        """Let go of connections."""
        self._pool.close()

    def _read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`; again when its connection broke, for it changes nothing."""
        with answering():
            return self._do(is_lost, work, *args, **kwargs)

    def _stream(
        self,
        work: Callable[Concatenate[Connection, P], Iterator[Sequence[T]]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Iterator[Sequence[T]]:
        with answering(), self._connection() as connection:
            yield from work(connection, *args, **kwargs)

    def _change(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`; again when another transaction was in its way, so that it was rolled back."""
        with answering():
            return self._do(is_contended, work, *args, **kwargs)

    def _settle(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work`, a change that comes to the same when done twice; again in either case."""
        with answering():
            return self._do(lambda error: is_lost(error) or is_contended(error), work, *args, **kwargs)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Take a connection; raises StoreUnreachable at once while the server is known to be silent."""
        if not self._outage.may_ask():
            raise StoreUnreachable("the server did not answer a moment ago")
        try:
            with self._pool.connection() as connection:
                yield connection
        except (ConnectionTimeout, PoolTimeout):
            self._outage.note_silence()
            raise
        except KoniferFsError:
            self._outage.note_answer()
            raise
        else:
            self._outage.note_answer()

    def _do(
        self,
        is_passing: Callable[[Error], bool],
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def transaction() -> T:
            with self._connection() as connection:
                return work(connection, *args, **kwargs)

        return insistently(transaction, is_passing)
