"""A network that misbehaves: a TCP relay before a real server, and servers that say what a test wants."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

BUSY: Final = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Relay:
    """How what passes is changed, and what passed.

    `cut_after` is the number of response bytes after which a connection is reset, the next `cuts` times;
    `pause` is slept before each 256 KiB of a request; the next `busy` connections are told to come again. What raises
    OSError when it edits ends the connection.
    """

    edit_request: Callable[[bytes], bytes] = bytes
    edit_response: Callable[[bytes], bytes] = bytes
    cut_after: int = 0
    cuts: int = 0
    pause: float = 0
    busy: int = 0
    endpoint_url: str = ""
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_busy(self) -> bool:
        with self.lock:
            self.busy -= 1
            return self.busy >= 0

    def takes_cut(self) -> bool:
        with self.lock:
            self.cuts -= 1
            return self.cuts >= 0


@contextmanager
def relaying(relay: Relay, upstream_url: str) -> Iterator[Relay]:
    """Run `relay` before the server at `upstream_url`; the address to use is its `endpoint_url`."""
    address = urlsplit(upstream_url)

    def serve(client: socket.socket) -> None:
        if relay.is_busy():
            with suppress(OSError):
                client.recv(256 << 10)
                client.sendall(BUSY)
            shut(client)
            return
        with socket.create_connection((address.hostname, address.port or 80), timeout=60) as upstream:
            requests = threading.Thread(target=pump_requests, args=(relay, client, upstream))
            requests.start()
            pump_responses(relay, upstream, client)
            shut(client)
            shut(upstream)
            requests.join()

    with listening(serve, relay) as url:
        relay.endpoint_url = url
        yield relay


def pump_requests(relay: Relay, client: socket.socket, upstream: socket.socket) -> None:
    with suppress(OSError):
        while piece := client.recv(256 << 10):
            time.sleep(relay.pause)
            upstream.sendall(relay.edit_request(piece))
    shut(upstream)


def pump_responses(relay: Relay, upstream: socket.socket, client: socket.socket) -> None:
    passed = 0
    with suppress(OSError):
        while piece := upstream.recv(64 << 10):
            client.sendall(relay.edit_response(piece))
            passed += len(piece)
            if relay.cut_after and passed >= relay.cut_after and relay.takes_cut():
                return


@contextmanager
def answering(answer: bytes) -> Iterator[Relay]:
    """Run a server that reads a request's header, says `answer`, and says no more; b"" is silence."""
    relay = Relay()

    def serve(client: socket.socket) -> None:
        with suppress(OSError):
            client.recv(64 << 10)
            client.sendall(answer)
            while client.recv(64 << 10):
                pass

    with listening(serve, relay) as url:
        relay.endpoint_url = url
        yield relay


@contextmanager
def listening(serve: Callable[[socket.socket], None], relay: Relay) -> Iterator[str]:
    """Run `serve` in a thread for each connection, until the block ends; gives the address."""
    clients: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                relay.connections += 1
                clients.append(client)
                threads.append(threading.Thread(target=serve, args=(client,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            shut(listener)
            accepting.join()
            for client in clients:
                shut(client)
            for thread in threads:
                thread.join()
            for client in clients:
                client.close()


def shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
