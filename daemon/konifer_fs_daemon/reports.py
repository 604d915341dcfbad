"""What a mount tells of itself: made in the daemon as JSON, put into words by `konifer-fs status`.

No secret is in it: stores are named by where they are, not by how one gets in.
"""

import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from konifer_fs.spool import Spool
from konifer_fs.vfs.drafts import DraftState
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.vfs.journal import Journal

_SHOWN = 5
_UNJOINED = "without a schema of konifer-fs: names, owners, modes and times are defaults"
_ANSWERS = ("OK", "ENOENT", "ENODATA")


def report_drafts(filesystem: FileSystem) -> dict[str, list[dict[str, Any]]]:
    """Give the drafts by state, each with its path and size in bytes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for draft in list_drafts(filesystem):
        found.setdefault(draft["state"], []).append({"name": draft["name"], "bytes": draft["bytes"]})
    return found


def list_drafts(filesystem: FileSystem) -> list[dict[str, Any]]:
    """Give all that is not stored: path, state, size in bytes, age in seconds, last error, and the spool file."""
    now_ns = time.time_ns()
    return [
        {
            "name": filesystem.place_of(draft),
            "state": draft.state.value,
            "bytes": draft.file.size,
            "age_seconds": round((now_ns - draft.since_ns) / 1e9, 1),
            "error": draft.error or None,
            "file": str(draft.file.path),
        }
        for draft in filesystem.list_drafts()
        if draft.state is not DraftState.STORED
    ]


def report_spool(spool: Spool) -> dict[str, Any]:
    """Give what the spool holds and may hold, in bytes."""
    return {
        "directory": str(spool.directory),
        "bytes": spool.drafts.used,
        "max_bytes": spool.drafts.limit,
        "local_bytes": spool.local.used,
        "local_max_bytes": spool.local.limit,
    }


def report_operations(journal: Journal) -> dict[str, dict[str, float]]:
    """Give of each operation how often it was asked for, how often it failed, and the seconds that all of them took.

    That nothing has a name is an answer, and no failure.
    """
    durations = journal.durations
    found = {name: {"count": 0, "failed": 0, "seconds": taken.sum} for name, taken in durations.items()}
    for (name, outcome), count in journal.counts.items():
        if name in found:
            found[name]["count"] += count
            found[name]["failed"] += 0 if outcome in _ANSWERS else count
    return found


def report_process(started: float, now: float) -> dict[str, Any]:
    """Give pid, version, seconds of uptime and bytes of resident memory."""
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "pid": os.getpid(),
        "version": version("konifer-fs"),
        "uptime_seconds": round(now - started, 1),
        "rss_bytes": resident_pages * os.sysconf("SC_PAGE_SIZE"),
    }


def describe(status: Mapping[str, Any]) -> str:
    """Put the status of one mount into lines for people."""
    spool = status["spool"]
    lines = [
        f"{status['mountpoint']}{' (read-only)' if status['read_only'] else ''}",
        f"  daemon    pid {status['pid']}, version {status['version']}, up {spell_duration(status['uptime_seconds'])}",
        f"  memory    {spell_size(status['rss_bytes'])}",
        f"  metadata  {status['metadata']}",
        *([] if status.get("joined", True) else [f"            {_UNJOINED}"]),
        f"  objects   {status['objects']}",
        f"  path      {status['subpath']}",
        f"  spool     {spell_size(spool['bytes'])} of {spell_size(spool['max_bytes'])} in {spool['directory']}",
        f"  rendered  {status.get('renderings', 0)} variant(s)",  # An older daemon may answer.
        f"  log       {status['log'] or 'standard error'}",
    ]
    for state, drafts in status["drafts"].items():
        lines.append(f"  {state:<9} {len(drafts)} file(s)")
        lines += [f"            {draft['name']} ({spell_size(draft['bytes'])})" for draft in drafts[:_SHOWN]]
        if len(drafts) > _SHOWN:
            lines.append(f"            and {len(drafts) - _SHOWN} more (--json names all)")
    return "\n".join(lines)


def spell_size(count: float) -> str:
    """Give a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def spell_duration(seconds: float) -> str:
    """Give a number of seconds for people, in its two largest units."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"
