"""A worker as all are, but it does what its messages say and no worker should. Run by test_confining as a command.

Its first argument is the library that makes the filter. Signals are number 0, which hurts nobody if let through.
"""

import ctypes
import fcntl
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from konifer_fs.adapters.pillow import confining
from konifer_fs.adapters.pillow.serving import serve
from konifer_fs.domain.variant import Json

_SYSCALL: Final = ctypes.CDLL(None, use_errno=True).syscall
# The same number on every architecture, as all that are younger than 2011.
_IO_URING_SETUP, _PIDFD_OPEN = 425, 434


def start_a_thread() -> None:
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()


def call(number: int, *arguments: object) -> None:
    if _SYSCALL(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def call_libc(name: str, *arguments: object) -> None:
    if ctypes.CDLL(None, use_errno=True)[name](*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


WAYS: Final[dict[str, Callable[[str], object]]] = {
    "connect": lambda _: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "make a socket": lambda _: socket.socket(socket.AF_UNIX),
    "make a pair of sockets": lambda _: socket.socketpair(),
    "run a program": lambda _: subprocess.run(["true"], check=True, timeout=60),
    "become a program": lambda _: os.execv("/bin/true", ["true"]),
    "fork": lambda _: os.fork() or os._exit(0),
    "signal its parent": lambda _: os.kill(os.getppid(), 0),
    "signal all": lambda _: os.kill(-1, 0),
    "have its parent told": lambda _: fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid()),
    "hold its parent": lambda _: call(_PIDFD_OPEN, os.getppid(), 0),
    "trace its parent": lambda _: call_libc("ptrace", 16, os.getppid(), 0, 0),
    "unshare": lambda _: call_libc("unshare", 0x10000000),
    "mount": lambda path: call_libc("mount", b"none", os.fsencode(path), b"tmpfs", 0, None),
    "make an io_uring": lambda _: call(_IO_URING_SETUP, 1, ctypes.create_string_buffer(256)),
    "change its user": lambda _: os.setuid(os.getuid()),
    "change its limits": lambda _: call_libc("setrlimit", resource.RLIMIT_NOFILE, struct.pack("QQ", 99, 99)),
    "write over a file": lambda path: os.open(path, os.O_WRONLY),
    "empty a file": lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),
    "make a file": lambda path: os.open(f"{path} new", os.O_RDWR | os.O_CREAT),
    "remove a file": os.unlink,
    "rename a file": lambda path: Path(path).rename(f"{path} new"),
    "link a file": lambda path: os.link(path, f"{path} new"),
    "make a directory": lambda path: Path(f"{path} new").mkdir(),
    "open a file for all": lambda path: Path(path).chmod(0o777),
    "read a file": lambda path: Path(path).read_bytes(),
    "read its parent's environment": lambda _: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "start a thread": lambda _: start_a_thread(),
    "signal itself": lambda _: os.kill(os.getpid(), 0),
}


def answer_message(message: bytes) -> Json:
    way, path = message.decode().split(": ")
    try:
        WAYS[way](path)
    except OSError as error:
        return {"pid": os.getpid(), "came": type(error).__name__}
    return {"pid": os.getpid(), "came": "done"}


if __name__ == "__main__":
    vars(confining)["_LIBSECCOMP"] = sys.argv[1]
    serve(answer_message)
