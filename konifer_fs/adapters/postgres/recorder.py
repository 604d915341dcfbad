"""Recording drafts from many threads: those that come together in one transaction, and what becomes of lost answers.

Used by the store. A request whose answer is lost may have been done; one that a process of the server has not even read
may be done whenever that goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from psycopg import Connection, Error

from konifer_fs.adapters.postgres import reading, recording
from konifer_fs.adapters.postgres.answering import answering, is_contended, is_lost, is_recorded_already, is_unheard
from konifer_fs.adapters.postgres.connecting import ServerSilent
from konifer_fs.adapters.postgres.grouping import Grouped
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import KoniferFsError, OutcomeUnknown, StoreUnreachable
from konifer_fs.domain.node import Entry
from konifer_fs.ports import NewEntry

T = TypeVar("T")

# None of a process that is gone; false of one that does not go within so many milliseconds.
_END: Final = """
SELECT pg_terminate_backend(pid, %(patience)s::bigint) FROM pg_stat_activity
 WHERE pid = ANY(%(backends)s::int[]) AND application_name = current_setting('application_name')
   AND pid <> pg_backend_pid()
"""
_PATIENCE_MS: Final = 1000


class Do(Protocol):
    """Does work on a connection, again while it fails with an error that passes."""

    def __call__(self, is_passing: Callable[[Error], bool], work: Callable[..., T], *args: object) -> T:
        """Give what `work` gives."""
        ...


class Recorder:
    """Records drafts in one dialect. Thread-safe."""

    def __init__(self, do: Do, connection: Callable[[], AbstractContextManager[Connection]], dialect: Dialect) -> None:
        self._do = do
        self._connection = connection
        self._dialect = dialect
        self._record_grouped = Grouped(self._record_group)
        self._unheard: set[int] = set()

    def record(self, new: NewEntry) -> Entry:
        """Record a stored draft, with others that come meanwhile; when its outcome is unknown, that is looked up."""
        return self._record_grouped(new) if recording.is_plain(new) else self._record_one(new)

    def find_outcome(self, asset_id: UUID) -> Entry | None:
        """Give the entry of an asset whose recording raised OutcomeUnknown, once nothing can come of that any more."""
        with answering():
            return self._do(is_lost, self._look_after_ending, reading.find_asset, asset_id)

    def _record_group(self, news: Sequence[NewEntry]) -> Sequence[Entry | Exception]:
        """Record several in one transaction; each by itself when that does not go smoothly."""
        in_doubt = False
        if len(news) > 1:
            try:
                with self._connection() as connection:
                    if entries := recording.record_together(connection, news, self._dialect):
                        return entries
            except Error as error:
                in_doubt = self._note_unheard(error)
        return [self._outcome(new, in_doubt) for new in news]

    def _outcome(self, new: NewEntry, in_doubt: bool) -> Entry | Exception:
        try:
            return self._record_one(new, in_doubt=in_doubt)
        except KoniferFsError as error:
            return error

    def _record_one(self, new: NewEntry, *, in_doubt: bool = False) -> Entry:
        with answering():
            if in_doubt and (recorded := self._find_recorded(new)):
                return recorded
            try:
                return self._do(is_contended, recording.record, new, self._dialect)
            except Error as error:
                if (self._note_unheard(error) or is_recorded_already(error)) and (recorded := self._find_recorded(new)):
                    return recorded
                raise

    def _find_recorded(self, new: NewEntry) -> Entry | None:
        with _finding_out():
            return self._do(is_lost, self._look_after_ending, reading.find_recorded, new)

    def _note_unheard(self, error: Error) -> bool:
        """Tell whether what was sent may have been done, or be done yet."""
        if isinstance(error, ServerSilent):
            self._unheard.add(error.backend)
        return is_unheard(error)

    def _look_after_ending(
        self, connection: Connection, look: Callable[[Connection, Any], Entry | None], wanted: NewEntry | UUID
    ) -> Entry | None:
        """Look once nothing can come any more of what was not answered; raises StoreUnreachable where that may."""
        backends = list(self._unheard)
        if backends:
            ended = connection.execute(_END, {"patience": _PATIENCE_MS, "backends": backends}).fetchall()
            if (False,) in ended:
                raise StoreUnreachable("a session that did not answer does not end")
            self._unheard.difference_update(backends)
        return look(connection, wanted)


@contextmanager
def _finding_out() -> Iterator[None]:
    try:
        yield
    except (Error, StoreUnreachable) as error:
        raise OutcomeUnknown("the database did not tell whether it was recorded") from error
