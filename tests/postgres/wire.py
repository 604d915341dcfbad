"""A wire to the test server that can be cut or go silent: a relay between two unix sockets.

Used by the tests of what the store does when its server misbehaves.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Wire:
    """Passes bytes on between clients and the server behind `conninfo`, until it is told to misbehave."""

    def __init__(self, directory: Path, conninfo: str) -> None:
        behind = conninfo_to_dict(conninfo)
        self.conninfo = make_conninfo(conninfo, host=str(directory), port=5432)
        self._behind = f"{behind['host']}/.s.PGSQL.{behind.get('port', 5432)}"
        self._speaks = threading.Event()
        self._speaks.set()
        self._cuts_answer_to = b""
        self._answers = threading.Event()
        self._answers.set()
        self._answers_until = b""
        self.cuts = 0
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on any more, in either direction, and close nothing."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass everything on again, what was held back first."""
        self._speaks.set()
        self._answers.set()

    def cut_answer_to(self, request: bytes) -> None:
        """Pass on the next request that holds these bytes, and close the connection when its answer comes."""
        self._cuts_answer_to = request

    def answer_until(self, request: bytes) -> None:
        """Pass no answer on any more once a request comes that holds these bytes."""
        self._answers_until = request

    def close(self) -> None:
        """Close everything."""
        self.speak()
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._behind)
                self._sockets += [client, server]
                cut = threading.Event()
                threading.Thread(target=self._pass_requests, args=(client, server, cut), daemon=True).start()
                threading.Thread(target=self._pass_answers, args=(server, client, cut), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while piece := client.recv(65536):
                self._speaks.wait()
                if self._cuts_answer_to and self._cuts_answer_to in piece:
                    self._cuts_answer_to = b""
                    self.cuts += 1
                    cut.set()
                if self._answers_until and self._answers_until in piece:
                    self._answers_until = b""
                    self._answers.clear()
                server.sendall(piece)
        _hang_up(client, server)

    def _pass_answers(self, server: socket.socket, client: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while (piece := server.recv(65536)) and not cut.is_set():
                self._speaks.wait()
                self._answers.wait()
                client.sendall(piece)
        _hang_up(client, server)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wired(directory: Path, conninfo: str) -> Iterator[Wire]:
    """Lay a wire to the server of `conninfo`, with its socket in `directory`."""
    wire = Wire(directory, conninfo)
    try:
        yield wire
    finally:
        wire.close()
