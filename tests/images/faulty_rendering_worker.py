"""The real rendering worker, but for files that tell it how to fail. Run by test_renderers as a worker's command."""

import errno
import os
import signal
from typing import Any

from konifer_fs.adapters.pillow.rendering import worker
from konifer_fs.adapters.pillow.rendering.pipeline import render
from konifer_fs.domain.variant import Json


def fail_or_render(source: int, target: int, *others: Any) -> Json:  # noqa: ANN401 - a rendering's
    said = os.pread(source, 20, 0)
    if len(said) < 20:
        os.write(target, b"half a result")
        fail(said)
    return render(source, target, *others)


def fail(how: bytes) -> None:
    match how:
        case b"hang":
            signal.pause()
        case b"abort":
            os.abort()
        case b"killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"eat":
            bytearray(600 << 20)
        case b"raise":
            raise AssertionError
        case b"leave":
            os._exit(0)
        case b"full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if __name__ == "__main__":
    vars(worker)["_OPERATIONS"]["render"] = fail_or_render
    worker.main()
