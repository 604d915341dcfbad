"""Processes that hold a share of the embedded server, for its tests."""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

ROOT: Final = Path(__file__).parents[2]
SITE: Final = Path(psycopg.__file__).parents[1]
ENVIRONMENT: Final = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(SITE)]),
    "PYTHONDONTWRITEBYTECODE": "1",
}

HOLD: Final = """
import signal, sys
from pathlib import Path
from konifer_fs.adapters.postgres import embedded
signal.signal(signal.SIGINT, lambda *_: None)
server = embedded.start(Path(sys.argv[1])) if len(sys.argv) > 1 else embedded.start_temporary()
print(server.conninfo, flush=True)
sys.stdin.read()
server.stop()
"""


@dataclass(frozen=True)
class Holder:
    """A process that holds a share of a server."""

    process: subprocess.Popen[str]
    conninfo: str

    def leave(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


def find_python(user: int) -> str | None:
    """Give a Python of this version that `user` can run with our packages, as this one may be root's own."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            command = [python, "-c", "import konifer_fs.adapters.postgres.embedded"]
            asked = subprocess.run(
                command, cwd="/", env=ENVIRONMENT, user=user, group=user, extra_groups=[], timeout=60, check=False
            )
            if asked.returncode == 0:
                return python
    return None


def run_holder(*directory: Path, user: int | None = None, python: str = sys.executable) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-c", HOLD, *directory],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def read_conninfo(process: subprocess.Popen[str]) -> str:
    """Wait until a holder has its server; gives a conninfo for us: a long path is spelled as a descriptor of its."""
    assert process.stdout is not None
    return process.stdout.readline().strip().replace("/proc/self/", f"/proc/{process.pid}/")
