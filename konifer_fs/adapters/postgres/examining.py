"""Looking at a PostgreSQL server from outside: how it is addressed, what it is, what its clock says.

Used by wiring and `doctor`. Whether the schema is right is `migrate`'s to say.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from konifer_fs.adapters.postgres.answering import connected
from konifer_fs.adapters.postgres.trusting import find_authorities

_FACTS = """
SELECT current_setting('server_version_num')::int,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'ltree'),
       extract(epoch FROM clock_timestamp())::float8
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """`version` as 180006, `clock_ahead` in seconds of this machine's clock, to about a round trip."""

    version: int
    has_ltree: bool
    clock_ahead: float


def spell_conninfo(
    *, host: str, port: int, database: str, user: str, password: str, ssl_mode: str, ssl_root_cert: Path | None
) -> str:
    """Give libpq's spelling of where a server is and how one gets in.

    Who is verified in full, and by no `ssl_root_cert`, is by the system's authorities.
    """
    authorities = ssl_root_cert or (find_authorities() if ssl_mode == "verify-full" else None)
    given = {"password": password, "sslrootcert": str(authorities or "")}
    further = {name: value for name, value in given.items() if value}
    return make_conninfo(host=host, port=port, dbname=database, user=user, sslmode=ssl_mode, **further)


def examine(conninfo: str) -> ServerFacts:
    """Ask the server; raises StoreUnreachable, StoreRefused."""
    with connected(conninfo) as connection:
        before = time.time()
        version, has_ltree, clock = connection.execute(_FACTS).fetchone() or (0, False, 0.0)
        now = (before + time.time()) / 2
    return ServerFacts(version=version, has_ltree=has_ltree, clock_ahead=clock - now)
