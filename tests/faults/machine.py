"""A machine on which systemd is the first process: namespaces, over a copy on write of this machine's own root."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SYSTEMD: Final = Path("/lib/systemd/systemd")
_ROOM: Final = Path("/opt/konifer-fs")
_SECONDS: Final = 120

# $1 is a directory to work in, the rest are lines of shell which prepare the new root, from inside of it.
_BOOT: Final = f"""
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t fusectl fusectl sys/fs/fuse/connections
for place in dev run; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
for name in null zero full random urandom tty fuse; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for unit in udevd udev-trigger; do ln -s /dev/null "etc/systemd/system/systemd-$unit.service"; done
# At boot what lies below /tmp is removed, which may be this project.
mkdir -p etc/tmpfiles.d
ln -sf /dev/null etc/tmpfiles.d/tmp.conf
chroot . sh -euc "$2"
mkdir old
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=test PATH="$PATH" {SYSTEMD} --system --unit=basic.target --log-target=journal
"""


class Machine:
    """A running one; `pid` is its systemd's, and `root` where its root is seen from here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Run a command there as root, and give what it printed."""
        done = subprocess.run(
            ["nsenter", "--all", f"--target={self.pid}", "env", "-C", "/", *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Give a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self) -> str:
        """Give what was logged."""
        return self.run("journalctl", "--no-pager", "--quiet", "--lines=200", check=False)


@contextmanager
def booted(place: Path, prepare: Sequence[str]) -> Iterator[Machine]:
    """Boot to basic.target, and power off at the end. `place` is an empty directory; `prepare` are lines of shell."""
    isolated = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork", "--kill-child"]
    process = subprocess.Popen(
        [*isolated, "sh", "-c", _BOOT, "sh", place, "\n".join(prepare)], stdin=subprocess.DEVNULL, cwd="/"
    )
    try:
        machine = Machine(_wait_for_systemd(process))
        machine.run("systemctl", "is-system-running", "--wait", check=False)
        yield machine
    finally:
        # What is first in a namespace of processes takes all others with it.
        process.kill()
        process.wait(_SECONDS)


def _wait_for_systemd(process: "subprocess.Popen[bytes]") -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/root/run/systemd/private").exists():
                return int(child)
        time.sleep(0.05)
    raise AssertionError("no systemd came up")


def installing() -> list[str]:
    """Give lines of shell that install this konifer-fs as its units expect it, wherever it and Python lie here."""
    ours = Path(__file__).parents[2]
    parts = [Path(sys.prefix), Path(sys.base_prefix), ours]
    above = dict.fromkeys(str(parent) for part in parts for parent in (part, *part.parents))
    sources = ":".join(filter(None, sys.path))
    settings = "/etc/systemd/system/$unit.service.d"
    return [
        f"ln -s {sys.prefix} {_ROOM}",
        f"chmod a+rx {' '.join(above)}",
        "mkdir -p /etc/sysusers.d",
        f"cp {ours}/systemd/konifer-fs.sysusers /etc/sysusers.d/konifer-fs.conf",
        "systemd-sysusers 2>/dev/null",
        f"cp {ours}/systemd/*@.* /etc/systemd/system/",
        "for unit in konifer-fs@ konifer-fs-mount@; do",
        f"  mkdir {settings}",
        f"  printf '[Service]\\nEnvironment=PYTHONPATH={sources}\\n' >{settings}/sources.conf",
        "done",
        f"echo BindReadOnlyPaths={' '.join(map(str, parts))} >>/etc/systemd/system/konifer-fs@.service.d/sources.conf",
    ]
