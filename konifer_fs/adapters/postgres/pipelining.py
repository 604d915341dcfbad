"""Transactions that wait for the server only where a result is used. Used by the changing modules beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection


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
