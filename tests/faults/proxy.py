"""A network between the daemon and a store that misbehaves when it is told to, and is well again when it is told.

Works for any protocol, over TCP and over unix sockets. The tables at the end are the ways to fail.
"""

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

Connect = Callable[[], socket.socket]

_AT_ONCE: Final = struct.pack("ii", 1, 0)
_PIECE: Final = 65536


@dataclass(slots=True, kw_only=True)
class Proxy:
    """What becomes of what passes: everything, unless it is told otherwise.

    `is_silent` holds everything back and closes nothing; `delay` is slept before each piece of an answer;
    `answer_bytes` is how much of an answer passes before the connection is closed, or reset where `resets`;
    `instead` is said in place of every answer, after which the connection is closed.
    """

    is_silent: threading.Event = field(default_factory=threading.Event)
    delay: float = 0
    answer_bytes: int | None = None
    resets: bool = False
    instead: bytes = b""
    pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)

    def heal(self) -> None:
        """Let everything pass again."""
        self.delay, self.answer_bytes, self.resets, self.instead = 0, None, False, b""
        self.is_silent.clear()

    def hang_up(self) -> None:
        """End the connections that there are, with a reset where it `resets`."""
        for client, server in list(self.pairs):
            if self.resets:
                with suppress(OSError):  # its own thread may have closed it meanwhile
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            shut(server)


def fall_silent(proxy: Proxy) -> None:
    """Say nothing, like a server whose cable was pulled."""
    proxy.is_silent.set()


def reset_connections(proxy: Proxy) -> None:
    """Reset every connection, those that there are and new ones."""
    proxy.answer_bytes, proxy.resets = 0, True
    proxy.hang_up()


def close_connections(proxy: Proxy) -> None:
    """Close every connection in the middle of the first answer that comes."""
    proxy.answer_bytes = 10


def truncate_answers(proxy: Proxy) -> None:
    """Pass on an answer's header and the beginning of its content, and close as if that were all."""
    proxy.answer_bytes = 1000


def _status(line: str) -> Callable[[Proxy], None]:
    def say(proxy: Proxy) -> None:
        proxy.instead = f"HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        proxy.hang_up()

    return say


def connecting_to(family: socket.AddressFamily, address: str | tuple[str, int]) -> Connect:
    """Give what connects to `address`."""

    def connect() -> socket.socket:
        server = socket.socket(family)
        server.connect(address)
        return server

    return connect


@contextmanager
def proxying(listener: socket.socket, connect: Connect) -> Iterator[Proxy]:
    """Pass on what comes to `listener` to what `connect` connects to, until the block ends."""
    proxy = Proxy()
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=_serve, args=(proxy, client, connect)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        shut(listener)
        accepting.join()
        for pair in list(proxy.pairs):
            for end in pair:
                shut(end)
        for thread in threads:
            thread.join()
        listener.close()


def _serve(proxy: Proxy, client: socket.socket, connect: Connect) -> None:
    with client, suppress(OSError), connect() as server:
        proxy.pairs.append((client, server))
        try:
            _pass(proxy, client, server)
        finally:
            proxy.pairs.remove((client, server))


def _pass(proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
    answered = 0
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ)
        ready.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                while proxy.is_silent.is_set():
                    time.sleep(0.02)
                piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]
                if not piece:
                    return
                if key.fileobj is client:
                    server.sendall(piece)
                    continue
                time.sleep(proxy.delay)
                rest = None if proxy.answer_bytes is None else max(0, proxy.answer_bytes - answered)
                answered += len(piece)
                client.sendall(proxy.instead or piece[:rest])
                if proxy.instead or (rest is not None and rest < len(piece)):
                    if proxy.resets:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    return


def shut(end: socket.socket) -> None:
    """Let whoever waits for this socket know that nothing comes any more."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


DATABASE_FAULTS: Final[dict[str, Callable[[Proxy], None]]] = {
    "silent": fall_silent,
    "reset": reset_connections,
    "cut": close_connections,
}
OBJECT_FAULTS: Final[dict[str, Callable[[Proxy], None]]] = {
    **DATABASE_FAULTS,
    "500": _status("500 Internal Server Error"),
    "503": _status("503 Slow Down"),
}
