"""Transactions that are sent as a whole. Used by the changing modules beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection, Error


@contextmanager
def one_trip(connection: Connection) -> Iterator[None]:
    """Send a transaction as one pipeline; psycopg's own `transaction()` would wait at its begin and at its end."""
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            yield
            connection.execute("COMMIT")
    except Error:
        if not connection.closed:
            connection.rollback()
        raise
