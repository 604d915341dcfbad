"""One worker process as the engine sees it: start, ask, kill, reap. Not thread-safe but for `kill`."""

import os
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from konifer_fs.domain.errors import ContentUnreadable

_MAX_MESSAGE_BYTES: Final = 65536

# What reads strangers' files gets no credentials from our environment.
_INHERITED: Final = ("PATH", "LANG", "LC_", "LD_", "PYTHON")
_REAP_SECONDS: Final = 5.0


class WorkerProcess:
    """A running worker and the channel to it, on which a message is a packet."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start `command` with its end of the channel as standard input; raises ContentUnreadable."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            # A directory of its own keeps no mount busy; a session of its own is not ended by Ctrl-C.
            self._process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._channel.close()
            raise ContentUnreadable("no worker could be started") from error
        finally:
            theirs.close()

    def ask(self, request: bytes, files: Sequence[int], timeout: float) -> bytes:
        """Send a request with its open files and give the answer.

        Raises ContentUnreadable after `timeout` seconds, or when it died.
        """
        self._channel.settimeout(timeout)
        try:
            socket.send_fds(self._channel, [request], files)
            answer = self._channel.recv(_MAX_MESSAGE_BYTES)
        except TimeoutError as error:
            raise ContentUnreadable("reading it takes too long") from error
        except OSError as error:
            raise ContentUnreadable("reading it failed") from error
        if not answer:
            raise ContentUnreadable("what reads it crashed")
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once, which also ends an `ask` in another thread."""
        self._process.kill()

    def end(self) -> None:
        """Kill, reap, and let go of the channel."""
        self._process.kill()
        # One that sleeps in the kernel, on a dead disk, is left to be reaped later.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_SECONDS)
        self._channel.close()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
