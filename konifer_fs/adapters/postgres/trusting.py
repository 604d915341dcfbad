"""By whose certificates a server's is verified, and what to do when it is by none of them.

libpq's own word for the system's, `sslrootcert=system`, asks the OpenSSL that it came with, and the one in psycopg's
wheel looks where no system has any: so they are looked for here.
"""

import os
import ssl
from pathlib import Path
from typing import Final

# Of Debian, Fedora, openSUSE and Alpine, and of those that are made of them.
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# By what libpq's sentence says.
_MENDS: Final = {
    "certificate verify failed": "unless it has expired, set data-store.postgresql.ssl-root-cert to its authority's",
    "does not match host name": "set data-store.postgresql.host to a name that stands in it",
    "root certificate file": "set data-store.postgresql.ssl-root-cert to the file of the server's authority",
    "server does not support SSL": "set data-store.postgresql.ssl-mode = disable in a network that can be trusted",
}


def find_authorities() -> str | None:
    """Give the file of the system's authorities; None where there is none, or where libpq has been given others.

    These are PGSSLROOTCERT and `~/.postgresql/root.crt`.
    """
    if os.environ.get("PGSSLROOTCERT") or Path(os.path.expanduser("~/.postgresql/root.crt")).exists():  # noqa: PTH111
        return None
    places = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((place for place in places if place and Path(place).is_file()), None)


def with_mend(reason: str) -> str:
    """Give libpq's sentence, and what to do about it where that is a server's certificate."""
    return next((f"{reason}: {mend}" for said, mend in _MENDS.items() if said in reason), reason)
