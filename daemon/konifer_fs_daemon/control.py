"""The control socket: how commands talk to a running mount.

A request is one line of JSON, `{"command": …}` and its arguments; the answer is one line or more, until the daemon
closes. What is done then is in `replies`. Who may connect is settled by the socket's directory (`runtime`).
"""

import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import trio

from konifer_fs_daemon.mountpoint import MountRefused

Message = Mapping[str, Any]
Tell = Callable[[Message], Awaitable[None]]
Command = Callable[[Message, Tell], Awaitable[None]]

log = logging.getLogger(__name__)

_PATIENCE: Final = 30.0
_LONGEST_REQUEST: Final = 4096
# `struct ucred`, of the process that listens: unix(7)
_CREDENTIALS: Final = struct.Struct("iII")


class NobodyAnswers(Exception):
    """No daemon listens at this socket."""


class DaemonSilent(MountRefused):
    """A daemon listens, and says nothing."""


def ask(path: Path, command: str, *, patience: float = _PATIENCE, **arguments: str) -> Iterator[Message]:
    """Send `command` with its arguments to the mount that listens at `path` and give its answers as they come.

    Raises:
        NobodyAnswers: nothing listens there, or it went away.
        DaemonSilent: it said nothing for `patience` seconds.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
            with connection.makefile(encoding="utf-8") as lines:
                for line in lines:
                    yield json.loads(line)
        except TimeoutError as error:
            pid, _, _ = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            raise DaemonSilent(f"the daemon {pid} does not answer") from error
        except (OSError, ValueError) as error:
            raise NobodyAnswers(f"{path}: {error}") from error


async def serve_control(
    path: Path, commands: Mapping[str, Command], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Listen at `path` until cancelled; what an earlier daemon left there is replaced."""

    async def converse(stream: trio.SocketStream) -> None:
        try:
            await _converse(stream, commands)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a control connection was closed by its other side")
        except* Exception:
            log.exception("a command failed")

    listener = _listen(path)
    try:
        task_status.started()
        await trio.serve_listeners(converse, [trio.SocketListener(listener)])
    finally:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 (a local socket's name)


def _listen(path: Path) -> trio.socket.SocketType:
    """Bind beside and rename, so that who finds the socket can connect to it."""
    listener = socket.socket(socket.AF_UNIX)
    beside = path.with_suffix(f".{os.getpid()}")
    listener.bind(str(beside))
    beside.chmod(0o600)
    listener.listen()
    beside.replace(path)
    return trio.socket.from_stdlib_socket(listener)


async def _converse(stream: trio.SocketStream, commands: Mapping[str, Command]) -> None:
    async def tell(message: Message) -> None:
        await stream.send_all(json.dumps(message).encode() + b"\n")

    request = _read_request(await _read_line(stream))
    command = commands.get(str(request.get("command")))
    try:
        await (command(request, tell) if command else tell({"error": f"the commands are {', '.join(commands)}"}))
    finally:
        await trio.aclose_forcefully(stream)


async def _read_line(stream: trio.SocketStream) -> bytes:
    line = b""
    with trio.move_on_after(_PATIENCE):
        while b"\n" not in line and len(line) < _LONGEST_REQUEST and (received := await stream.receive_some()):
            line += received
    return line


def _read_request(line: bytes) -> Message:
    try:
        request = json.loads(line)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}
