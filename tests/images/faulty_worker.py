"""The real worker, but for files that tell it how to fail. Run by test_engine as a worker's command."""

import os
import signal

from konifer_fs.adapters.pillow import worker
from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.adapters.pillow.probe import read_attributes
from konifer_fs.domain.variant import Attributes


def fail_or_read(data: Buffer) -> Attributes:
    match data[:20]:
        case b"hang":
            while True:
                pass
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
    return read_attributes(data)


if __name__ == "__main__":
    vars(worker)["read_attributes"] = fail_or_read
    worker.main()
