"""Starting the daemon in the background, and how it tells the command that waits whether it came up.

The daemon is a fresh interpreter in a session of its own, not a fork, so that no thread or lock is inherited half-way.
It says one line of JSON on a pipe and closes it; a pipe closed without a word is a crash, which the log explains.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

_LAST_LINES: Final = 5
_UNWIND: Final = 60.0


class LaunchFailed(Exception):
    """The daemon did not come up; `is_misuse` is whether its arguments or its configuration are wrong."""

    def __init__(self, reason: str, *, is_misuse: bool = False) -> None:
        super().__init__(reason)
        self.is_misuse = is_misuse


class Readiness:
    """The daemon's end of the pipe; says one thing, once. Nobody waits when `descriptor` is None."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            # A server or worker started from here must not hold the pipe open.
            os.set_inheritable(descriptor, False)

    def tell_ready(self) -> None:
        """Say that the mountpoint answers."""
        self._tell("")

    def tell_failure(self, reason: str, *, is_misuse: bool) -> None:
        """Say why it does not come up, as `LaunchFailed` does; no effect after `tell_ready`."""
        self._tell(reason, is_misuse=is_misuse)

    def _tell(self, reason: str, *, is_misuse: bool = False) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with os.fdopen(descriptor, "w", encoding="utf-8") as pipe:
                json.dump({"reason": reason, "is_misuse": is_misuse}, pipe)


def launch(arguments: Sequence[str], log: Path) -> None:
    """Start `konifer-fs ARGUMENTS` with a log file and a pipe, and return once it says that it is ready.

    Raises:
        LaunchFailed: it said why not, or ended without a word; it is gone by then.
    """
    ours, theirs = os.pipe()
    hidden = ["--log-file", str(log), "--ready-fd", str(theirs)]
    command = [sys.executable, "-P", "-m", "konifer_fs_daemon", arguments[0], *hidden, *arguments[1:]]
    with os.fdopen(ours, encoding="utf-8") as pipe, log.open("ab") as output:
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, pass_fds=[theirs]
        )
        os.close(theirs)
        said = _wait(daemon, pipe)
    if not said:
        raise LaunchFailed(f"the daemon ended with {daemon.wait(_UNWIND)}; the end of {log}:\n{_tail(log)}")
    answer = json.loads(said)
    if answer["reason"]:
        daemon.wait(_UNWIND)
        raise LaunchFailed(answer["reason"], is_misuse=answer["is_misuse"])
    # It lives on as init's child: without this, Popen warns that it was left running.
    daemon.returncode = 0


def _wait(daemon: "subprocess.Popen[bytes]", pipe: IO[str]) -> str:
    """Read what the daemon says; however long it takes, since a database may be recovering. Ctrl-C ends both."""
    try:
        return pipe.read()
    except KeyboardInterrupt:
        daemon.terminate()
        daemon.wait(_UNWIND)
        raise


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
