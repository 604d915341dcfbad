"""What PostgreSQL's errors mean to us; the one place that knows them.

Used by the store around every statement, and by who looks at a database, or migrates it, without a store. Which
statements may be sent again is decided here too.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from psycopg import Connection, Error, InterfaceError, OperationalError, connect
from psycopg.errors import ConnectionTimeout
from psycopg_pool import PoolTimeout

from konifer_fs.adapters.postgres.connecting import ServerSilent
from konifer_fs.adapters.postgres.trusting import with_mend
from konifer_fs.domain.errors import StoreFull, StoreRefused, StoreUnreachable

T = TypeVar("T")

ATTEMPTS: Final = 4
_CONNECT_SECONDS: Final = 10

# Deadlock, serialization failure, and a variant that was inserted below an asset while we deleted it.
_CONTENDED: Final = frozenset({"40P01", "40001", "23503"})
_ENTRY_ID_TAKEN: Final = ("23505", "asset_tree_path_entry_id_uq")
_ASSET_RECORDED: Final = ("23505", "asset_tree_pkey")
# Time-outs of statements, locks and transactions; a server that shuts down, starts, or has no connection left.
_NO_ANSWER: Final = frozenset({"57014", "55P03", "25P03", "57P01", "57P02", "57P03", "53300", "40P01", "40001"})
_DISK_FULL: Final = "53100"
_NOT_GRANTED: Final = "42501"


@contextmanager
def answering() -> Iterator[None]:
    """Turn psycopg's errors into StoreUnreachable (no answer, or not in time), StoreFull and StoreRefused."""
    try:
        yield
    except Error as error:
        if error.sqlstate in _NO_ANSWER or is_lost(error) or isinstance(error, (ConnectionTimeout, PoolTimeout)):
            raise StoreUnreachable(_reason(error)) from error
        raise (StoreFull if error.sqlstate == _DISK_FULL else StoreRefused)(_reason(error)) from error


@contextmanager
def connected(conninfo: str) -> Iterator[Connection]:
    """Connect for what needs no store, in autocommit; raises StoreUnreachable, StoreFull, StoreRefused."""
    with answering(), connect(conninfo, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
        yield connection


def is_lost(error: Error) -> bool:
    """Whether the connection broke, so that it is unknown what became of the statement; a new one may work."""
    if isinstance(error, (ConnectionTimeout, PoolTimeout)):
        return False
    if error.sqlstate is None:
        return isinstance(error, (OperationalError, InterfaceError))
    return error.sqlstate.startswith("08") or error.sqlstate in {"57P01", "57P02", "57P03"}


def is_unheard(error: Error) -> bool:
    """Whether what was sent may have been done, or be done yet, though no answer came."""
    return is_lost(error) or isinstance(error, ServerSilent)


def is_contended(error: Error) -> bool:
    """Whether another transaction was in the way, so that the same again is likely to succeed."""
    return error.sqlstate in _CONTENDED or (error.sqlstate, error.diag.constraint_name) == _ENTRY_ID_TAKEN


def is_recorded_already(error: Error) -> bool:
    """Whether an asset of this id is there: an earlier attempt, whose outcome nobody heard of, recorded it."""
    return (error.sqlstate, error.diag.constraint_name) == _ASSET_RECORDED


def insistently(transaction: Callable[[], T], is_passing: Callable[[Error], bool]) -> T:
    """Run `transaction`, up to three times again while it fails with an error that passes."""
    for attempt in range(1, ATTEMPTS):
        try:
            return transaction()
        except Error as error:
            if not is_passing(error):
                raise
            time.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 - jitter
    return transaction()


def _reason(error: Error) -> str:
    """Give the server's own sentence, or the first line of the client library's; neither holds values."""
    text = error.diag.message_primary or (str(error).strip() or type(error).__name__).splitlines()[0]
    if error.sqlstate == _NOT_GRANTED:
        return f"{text} ({error.sqlstate}): docs/OPERATING.md tells, at Roles, what is to be granted"
    return f"{text} ({error.sqlstate})" if error.sqlstate else with_mend(text)
