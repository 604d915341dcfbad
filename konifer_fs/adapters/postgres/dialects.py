"""Which release of Konifer has written the rows of a database: a mount writes as that one does.

Used by wiring and `doctor`. The newest and the oldest rows are looked at, so that a database whose Konifer was replaced
by one that cannot read what was there is noticed.
"""

from typing import Final

from psycopg import Connection

from konifer_fs.adapters.postgres.answering import connected
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import DialectUnclear

# Versions of Konifer's tables from here on are of releases that write dialect C.
_FIRST_OF_C: Final = 6
_KEY: Final = "filesystem.dialect"

_WRITTEN: Final = """
WITH sample AS (
  (SELECT attributes, transformation FROM asset_variant ORDER BY id LIMIT 500) UNION ALL
  (SELECT attributes, transformation FROM asset_variant ORDER BY id DESC LIMIT 500)),
 words AS (
  SELECT attributes ->> 'format' AS word,
         attributes ?| '{pageCount,colorSpace}' OR transformation ?| '{metadata,colorSpace}' AS has_more FROM sample)
SELECT coalesce(bool_or(word = upper(word)), false), coalesce(bool_or(word = upper(word) AND has_more), false),
       coalesce(bool_or(word = lower(word)), false), (SELECT max(id) FROM migrations)
  FROM words
"""


def find_dialect(conninfo: str, stated: Dialect | None, *, read_only: bool) -> Dialect:
    """Give the dialect to write, and to make requests canonical by; `stated` is what the configuration says.

    Raises:
        DialectUnclear: it cannot be told, what is stated is another, or the rows are of several; never when read-only.
        StoreUnreachable, StoreRefused: the server does not answer, or not as it must.
    """
    with connected(conninfo) as connection:
        try:
            return _decide(connection, stated)
        except DialectUnclear:
            if not read_only:
                raise
            return stated or Dialect.C


def _decide(connection: Connection, stated: Dialect | None) -> Dialect:
    row = connection.execute(_WRITTEN).fetchone() or (False, False, False, None)
    has_names, has_more, has_spellings, version = row
    if has_names and has_spellings:
        raise DialectUnclear(
            "rows of Konifer 0.3 or earlier and of 0.4 or later, which no Konifer reads both: use -o ro"
        )
    if not has_names and not has_spellings:
        if stated is None and version is not None and version < _FIRST_OF_C:
            raise DialectUnclear(
                f"no row tells: set {_KEY} to a (Konifer 0.1, 0.2), b (0.3) or c (0.4 and later), or use -o ro"
            )
        return stated or Dialect.C
    found = Dialect.C if has_spellings else Dialect.B if has_more else Dialect.A
    if stated in {None, found} or (stated is Dialect.B and found is Dialect.A):
        return stated or found
    raise DialectUnclear(f"{_KEY} is {stated.value}, and the rows are of {found.value}: leave it out, or use -o ro")
