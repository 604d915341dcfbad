"""What a worker process does whatever its kind: bound itself, and answer until its engine is gone.

A worker's last two arguments are MEMORY_BYTES and TIMEOUT_SECONDS; its standard input is one end of a SOCK_SEQPACKET
pair. An answer is a JSON object: what was asked for, or `error` (the name of a leaf) and `detail`.
"""

import json
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Final, TypeVar

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import KoniferFsError
from konifer_fs.domain.variant import Attributes, Json

T = TypeVar("T")

_MAX_MESSAGE_BYTES: Final = 65536
_CHANNEL: Final = 0
_GRACE_SECONDS: Final = 1.0


def serve(answer: Callable[[bytes], Json]) -> None:
    """Answer one message after the other with `answer`, within the limits of the command line."""
    memory_bytes, timeout = int(sys.argv[-2]), float(sys.argv[-1])
    # Not RLIMIT_AS: it would count the file that is mapped, so that large pictures could not be read.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while message := os.read(_CHANNEL, _MAX_MESSAGE_BYTES):
        # The engine kills a worker that is late; this ends one whose engine is gone.
        signal.setitimer(signal.ITIMER_REAL, timeout + _GRACE_SECONDS)
        said = json.dumps(answer(message)).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(_CHANNEL, said)


def read_file(path: str, read: Callable[[Buffer], T]) -> T:
    """Give what `read` makes of a file, which is mapped meanwhile."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - Path's own costs as much as a probe
        if not os.fstat(file.fileno()).st_size:
            return read(b"")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
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
