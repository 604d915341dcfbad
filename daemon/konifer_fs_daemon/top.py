"""`konifer-fs top`: what mounts are doing, as a table that is drawn anew every few seconds.

Daemons are asked on their control sockets, so a mount whose stores are silent is told of, too.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from konifer_fs_daemon.reports import spell_duration, spell_size
from konifer_fs_daemon.running import Note, list_running, read_status

_UNSTORED: Final = ("pending", "incomplete", "writing")
_MOST_OPERATIONS: Final = 12

Status = Mapping[str, Any]


class Rate(NamedTuple):
    """What became of an operation between two looks: per second, failures per second, and milliseconds for each."""

    operation: str
    asked: float
    failed: float
    milliseconds: float


def watch(mountpoint: Path | None, interval: float, note: Note, *, once: bool) -> None:
    """Draw until interrupted, or once after one interval; of a silent daemon `note` gets a sentence.

    Raises:
        MountRefused: nothing of this user answers at `mountpoint`.
    """
    console = Console()
    looks = _look(mountpoint, interval, note)
    if once:
        console.print(next(looks))
        return
    try:
        with Live(console=console, auto_refresh=False, screen=True) as live:
            for drawn in looks:
                live.update(drawn, refresh=True)
    except KeyboardInterrupt:
        return


def _look(mountpoint: Path | None, interval: float, note: Note) -> Iterator[Group]:
    before, at = _ask(mountpoint, note), time.monotonic()
    while True:
        time.sleep(interval)
        now, then = _ask(mountpoint, note), at
        at = time.monotonic()
        drawn = [draw(before.get(name), status, at - then) for name, status in now.items()]
        yield Group(*drawn) if drawn else Group("nothing is mounted")
        before = now


def _ask(mountpoint: Path | None, note: Note) -> dict[str, Status]:
    found = list_running(note) if mountpoint is None else [read_status(mountpoint)]
    return {str(status["mountpoint"]): status for status in found}


def compare(before: Status | None, now: Status, seconds: float) -> Sequence[Rate]:
    """Give what was done between two looks, the most frequent first; all of it where there was no look before."""
    known = before.get("operations", {}) if before is not None and before["pid"] == now["pid"] else {}
    rates = []
    for operation, found in now.get("operations", {}).items():  # An older daemon may answer.
        count, failed, taken = (
            found[field] - known.get(operation, {}).get(field, 0) for field in ("count", "failed", "seconds")
        )
        if count > 0:
            rates.append(Rate(operation, count / seconds, failed / seconds, 1000 * taken / count))
    return sorted(rates, key=lambda rate: (-rate.asked, rate.operation))


def draw(before: Status | None, now: Status, seconds: float) -> Group:
    """Draw one mount: where it is, how it is, and what is being done."""
    unstored = sum(len(now["drafts"].get(state, ())) for state in _UNSTORED)
    spool = now["spool"]
    table = Table("operation")
    for heading in ("a second", "failed", "ms each"):
        table.add_column(heading, justify="right")
    for rate in compare(before, now, seconds)[:_MOST_OPERATIONS]:
        table.add_row(rate.operation, f"{rate.asked:,.1f}", f"{rate.failed:,.1f}", f"{rate.milliseconds:,.2f}")
    return Group(
        Text(f"{now['mountpoint']}{' (read-only)' if now['read_only'] else ''}", style="bold"),
        f"up {spell_duration(now['uptime_seconds'])}, memory {spell_size(now['rss_bytes'])}, not stored {unstored}, "
        f"spool {spell_size(spool['bytes'])} of {spell_size(spool['max_bytes'])}",
        table,
    )
