"""What a worker process does whatever its kind: bound and confine itself, and answer until its engine is gone.

A worker's last two arguments are MEMORY_BYTES and TIMEOUT_SECONDS; its standard input is one end of a SOCK_SEQPACKET
pair. A message comes with the files that it is about, opened: a worker needs no path. An answer is a JSON object: what
was asked for, or `error` (the name of a leaf) and `detail`.
"""

import json
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final, TypeVar

from konifer_fs.adapters.pillow.confining import confine
from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import KoniferFsError
from konifer_fs.domain.variant import Attributes, Json

T = TypeVar("T")

_MAX_MESSAGE_BYTES: Final = 65536
_MAX_FILES: Final = 2
_CHANNEL: Final = 0
_GRACE_SECONDS: Final = 1.0


def serve(answer: Callable[..., Json]) -> None:
    """Answer one message after the other with `answer(message, *files)`, within the limits of the command line.

    Files are descriptors, in the order in which the engine sent them, and closed afterwards.
    """
    memory_bytes, timeout = int(sys.argv[-2]), float(sys.argv[-1])
    # Not RLIMIT_AS: it would count the file that is mapped, so that large pictures could not be read.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    confine()
    with socket.socket(fileno=_CHANNEL) as channel:
        while (received := socket.recv_fds(channel, _MAX_MESSAGE_BYTES, _MAX_FILES))[0]:
            message, files, *_ = received
            # The engine kills a worker that is late; this ends one whose engine is gone.
            signal.setitimer(signal.ITIMER_REAL, timeout + _GRACE_SECONDS)
            said = json.dumps(answer(message, *files)).encode()
            signal.setitimer(signal.ITIMER_REAL, 0)
            for file in files:
                os.close(file)
            os.write(_CHANNEL, said)


def read_file(file: int, read: Callable[[Buffer], T]) -> T:
    """Give what `read` makes of a file, which is mapped meanwhile."""
    if not os.fstat(file).st_size:
        return read(b"")
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
        return read(data)


def spell_attributes(found: Attributes) -> Json:
    """Give attributes as the engine reads them."""
    return {
        "format": found.format.value, "width": found.width, "height": found.height,
        "page_count": found.page_count, "loop": found.loop, "color_space": found.color_space,
    }  # fmt: skip


def spell_error(kind: type[KoniferFsError], detail: str) -> Json:
    """Give an error as the engine reads it."""
    return {"error": kind.__name__, "detail": detail[:500]}
