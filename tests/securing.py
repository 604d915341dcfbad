"""TLS before a real server that has none. It ends here, as it does at many a server's door, and no client sees that."""

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import trustme

from tests.contracts.relay import Relay, listening, shut

_PIECE: Final = 65536


@contextmanager
def secured(
    authority: trustme.CA, connect: Callable[[], socket.socket], greet: Callable[[socket.socket], object] = id
) -> Iterator[int]:
    """Serve by TLS, as `localhost`, what `connect` connects to; gives the port.

    `greet` is what a protocol wants said before TLS begins.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def serve(client: socket.socket) -> None:
        greet(client)
        with suppress(OSError), context.wrap_socket(client.dup(), server_side=True) as inner, connect() as upstream:
            _pump(inner, upstream)
        shut(client)

    with listening(serve, Relay()) as url:
        yield urlsplit(url).port or 0


def _pump(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    """Pass on what either says until one has no more to say, in one thread: a TLS connection is none for two."""
    while True:
        ready, *_ = select.select([] if client.pending() else [client, upstream], [], [])
        for source in ready or [client]:
            piece = source.recv(_PIECE)
            if not piece:
                return
            (upstream if source is client else client).sendall(piece)


def trust_nothing_else(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Be a user who has told no library whom to trust."""
    monkeypatch.setenv("HOME", str(home))
    for name in ("PGSSLROOTCERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
