"""A mount to measure, and commands with a time-out."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Final

SECONDS: Final = 600


@dataclass(slots=True, kw_only=True)
class Mount:
    """A mount at `path`: of the embedded default, but for what is in the text `config`."""

    path: Path
    data: Path
    config: str = ""

    @property
    def conninfo(self) -> str:
        """How its embedded database is reached."""
        return f"host={self.data / 'postgres' / 'cluster'} user=konifer dbname=konifer"

    def command(self, *arguments: str | Path) -> str:
        """Run a command of konifer-fs; gives what it printed."""
        command = [sys.executable, "-m", "konifer_fs_daemon", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout

    def mount(self) -> None:
        """Mount, from what was there before."""
        config_file = self.data.with_suffix(".conf")
        config_file.write_text(self.config)
        self.command("mount", "-c", config_file, "--data-dir", self.data, self.path)

    def umount(self) -> None:
        """Unmount, once everything is stored."""
        self.command("umount", self.path)

    def resident_mib(self) -> float:
        """Give what of the daemon is in memory, in MiB."""
        pid = json.loads(self.command("status", "--json", self.path))[0]["pid"]
        fields = (Path("/proc") / str(pid) / "statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def run(*command: str | Path) -> None:
    """Run a command; raises CalledProcessError. Its end is waited for without a time-out, which would be polling."""
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL) as process:
        watch = Timer(SECONDS, process.kill)
        watch.start()
        try:
            code = process.wait()
        finally:
            watch.cancel()
    if code:
        raise subprocess.CalledProcessError(code, command)
