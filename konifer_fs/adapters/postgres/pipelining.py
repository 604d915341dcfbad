"""Transactions that wait for the server only where a result is used. Used by the changing modules beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow


def at_once(connection: Connection, values: Mapping[str, Any], *statements: str) -> list[Cursor[TupleRow]]:
    """Execute statements with the same values in one round trip, as one transaction; gives their results.

    What is sent up to a Sync is a transaction, without a BEGIN.
    """
    with connection.pipeline():
        return [connection.execute(statement, values) for statement in statements]


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Open a transaction whose statements are sent without waiting: for a result that is fetched, and at the end.

    One in which nothing is fetched takes one round trip; psycopg's own `transaction()` waits at its begin and at its
    end, too. A result's `rowcount` is not known before it is fetched. Whatever is raised within rolls it back.
    """
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            yield
            connection.execute("COMMIT")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise
