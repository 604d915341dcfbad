"""Connections as the store needs them: bounded in time, planned for our statements, in UTC.

Used by the store's pool. A connection is in autocommit: a single reading statement needs no transaction, and a
change opens its own with `connection.transaction()`.
"""

import errno
import logging
import math
import os
import select
import socket
import time
from bisect import insort
from collections import deque
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any, Final, cast

from psycopg import Connection, Error
from psycopg.abc import RV, PQGen
from psycopg.adapt import Buffer, Loader
from psycopg.conninfo import make_conninfo
from psycopg.errors import ConnectionTimeout
from psycopg.pq import ConnStatus, PGconn, PollingStatus
from psycopg.rows import TupleRow
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import ConnectionPool

log = logging.getLogger(__name__)

# A plan is made once a session, maybe while its tables are almost empty: it must be good for large ones, too.
_SETTINGS: Final = """
SELECT set_config(name, value, false) FROM (VALUES
  ('plan_cache_mode', 'force_generic_plan'),
  ('enable_seqscan', 'off'),
  ('cursor_tuple_fraction', '1'),
  ('jit', 'off'),
  ('max_parallel_workers_per_gather', '0'),
  ('timezone', 'UTC'),
  ('datestyle', 'ISO'),
  ('statement_timeout', %(deadline)s),
  ('lock_timeout', %(deadline)s),
  ('idle_in_transaction_session_timeout', %(deadline)s)) settings (name, value)
"""
# Of a connection's patience, what goes before the server is looked for.
_SILENT: Final = 0.75
# What a server that ends a statement in time has to say so. One whose disk hangs cannot end a commit.
_GRACE_SECONDS: Final = 2.0
# Within this a pool tries again and again to connect; then it does when somebody asks, without a growing pause.
_RECONNECT_SECONDS: Final = 4.0
_CUT_OFF: Final = (errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ETIMEDOUT)
_NUMBERS: Final = count()
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


class ServerSilent(ConnectionTimeout):
    """The server did not answer at all. Its process `backend` may still do what was asked of it."""

    def __init__(self, backend: int) -> None:
        super().__init__("the server does not answer")
        self.backend = backend


class BoundedConnection(Connection[TupleRow]):
    """A connection that gives up on a server which does not answer at all.

    The server ends what takes longer than `limit` seconds by itself (statement_timeout). When it does not, or when it
    has been silent for most of `patience` seconds, and for the rest of them does not take a new connection either, this
    one is closed, with ServerSilent. `number` tells which of two was opened first.
    """

    patience: float = math.inf
    limit: float = math.inf

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - psycopg's own, passed on
        super().__init__(*args, **kwargs)
        self.number = next(_NUMBERS)

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:  # noqa: ANN401 - psycopg's own, passed on
        """Wait for the server; every operation of psycopg comes through here."""
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: PQGen[RV]) -> PQGen[RV]:
        heard_at = looked_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard_at = looked_at = time.monotonic()
                elif time.monotonic() - heard_at > self.limit + _GRACE_SECONDS:
                    self._give_up()
                elif time.monotonic() - looked_at > self.patience * _SILENT:
                    self._check_server()
                    looked_at = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return cast("RV", end.value)

    def _check_server(self) -> None:
        conninfo = make_conninfo(self.info.dsn, password=self.info.password)
        if not _answers(conninfo, self.patience * (1 - _SILENT)):
            self._give_up()

    def _give_up(self) -> None:
        backend = self.info.backend_pid
        self.close()
        raise ServerSilent(backend)


def _answers(conninfo: str, seconds: float) -> bool:
    """Whether a server takes or refuses a connection within `seconds`; that no way leads to it is no answer."""
    until = time.monotonic() + seconds
    attempt = PGconn.connect_start(conninfo.encode())
    try:
        status = PollingStatus.WRITING
        while attempt.status != ConnStatus.BAD and status in {PollingStatus.READING, PollingStatus.WRITING}:
            poll = select.poll()
            poll.register(attempt.socket, select.POLLIN if status is PollingStatus.READING else select.POLLOUT)
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000) or _is_cut_off(attempt.socket):
                return False
            status = PollingStatus(attempt.connect_poll())
    finally:
        attempt.finish()
    return True


def _is_cut_off(descriptor: int) -> bool:
    """Whether the network says that the other end of a socket cannot be reached."""
    with socket.socket(fileno=os.dup(descriptor)) as end:
        return end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in _CUT_OFF


class UtcLoader(Loader):
    """Reads Konifer's timestamps, which are UTC without saying so; those Python has no year for become its limits."""

    def load(self, data: Buffer) -> datetime:
        """Give an aware datetime."""
        text = str(data, "ascii")
        try:
            return datetime.fromisoformat(f"{text}+00:00")
        except ValueError:
            return _EARLIEST if text == "-infinity" or text.endswith("BC") else _LATEST


def unbind(connection: Connection) -> None:
    """Wait for statements that the server does not end, either, until the connection is next taken from its pool."""
    if isinstance(connection, BoundedConnection):
        connection.limit = math.inf


def configure(connection: Connection, deadline: float) -> None:
    """Set up a new connection as every statement of ours expects it."""
    if isinstance(connection, BoundedConnection):
        connection.patience = connection.limit = deadline
    connection.prepare_threshold = 0
    connection.adapters.register_loader("timestamp", UtcLoader)
    # By the size of a number psycopg takes a type, and the server plans a statement anew for each.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.execute(_SETTINGS, {"deadline": str(int(deadline * 1000))})


class _OldestFirst(deque[BoundedConnection]):
    def append(self, connection: BoundedConnection) -> None:
        """Put a connection before all that were opened after it."""
        insort(self, connection, key=lambda it: it.number)


class WarmPool(ConnectionPool[BoundedConnection]):
    """A pool that gives the oldest connection that is free, and connects in the background.

    The server's process behind that one has most plans, catalogs and rows at hand: taking turns, as psycopg's pools do,
    all that we ask took a sixth longer. What the server has closed is thrown away as it is met; psycopg's own check
    pauses for a second, two and four between several of these, when the server is long back.
    """

    def __init__(self, conninfo: str, **settings: Any) -> None:  # noqa: ANN401 - psycopg's own, passed on
        super().__init__(conninfo, open=False, **settings)
        self._pool = _OldestFirst()
        self.open()

    def getconn(self, timeout: float | None = None) -> BoundedConnection:
        """Give a connection that the server has not closed; raises PoolTimeout."""
        until = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            connection = super().getconn(until - time.monotonic())
            try:
                _check_alive(connection)
            except Error as error:
                log.info("the server has closed a connection: %s", error)
                self.putconn(connection)
            else:
                connection.limit = connection.patience
                return connection


def open_pool(
    conninfo: str,
    connection_class: type[BoundedConnection],
    *,
    deadline: float,
    min_size: int,
    max_size: int,
    application_name: str,
) -> WarmPool:
    """Open a pool; an unreachable server shows at the first use."""
    return WarmPool(
        conninfo,
        connection_class=connection_class,
        kwargs={
            "autocommit": True,
            "application_name": application_name,
            "connect_timeout": max(2, min(10, int(deadline))),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": int(deadline * 1000),
        },
        min_size=min_size,
        max_size=max_size,
        timeout=deadline,
        reconnect_timeout=min(deadline, _RECONNECT_SECONDS),
        configure=partial(configure, deadline=deadline),
    )


def _check_alive(connection: BoundedConnection) -> None:
    """Raise OperationalError for a connection that the server has closed; costs no round trip for a live one."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        connection.execute("")
