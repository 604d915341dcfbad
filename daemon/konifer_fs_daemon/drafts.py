"""`konifer-fs drafts`: what mounts have not stored, and what can be done about it.

A running mount is asked; of one that is not mounted, or whose daemon has died or is silent, the spool is read.
"""

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from konifer_fs.config import load
from konifer_fs.domain.path import AssetPath
from konifer_fs.spool import list_kept, read_owner
from konifer_fs.wiring import spool_directory
from konifer_fs_daemon.control import DaemonSilent, NobodyAnswers, ask
from konifer_fs_daemon.mountpoint import MountRefused, list_mounts, resolve
from konifer_fs_daemon.reports import spell_duration, spell_size
from konifer_fs_daemon.running import Note, find_running, list_running
from konifer_fs_daemon.runtime import mount_name

# As `reports.list_drafts` gives it, and the `mountpoint`.
Listed = Mapping[str, Any]


def list_all(mountpoint: Path | None, note: Note, *, config_file: Path | None, data_dir: Path | None) -> list[Listed]:
    """Give the drafts of the mount at `mountpoint`, mounted or not, or of all running ones.

    Of a silent daemon `note` gets a sentence.

    Raises ConfigError; MountRefused for a mountpoint that nothing is known of.
    """
    if mountpoint is None:
        return [draft for status in list_running(note) for draft in _ask(status)]
    place = resolve(mountpoint)
    try:
        if status := find_running(place):
            return _ask(status)
    except DaemonSilent as error:
        note(f"{error}: this is what its spool tells")
    config = load(config_file, os.environ, data_dir=data_dir)
    spool = spool_directory(config, config.data_dir) / mount_name(place)
    if not spool.is_dir():
        raise MountRefused(f"no konifer-fs is mounted at {place}, and {spool.parent} has no spool of one")
    root = AssetPath.from_konifer(read_owner(spool).partition("/")[2])
    return [{**_read(file, record, root), "mountpoint": str(place)} for file, record in list_kept(spool)]


def _ask(status: Listed) -> list[Listed]:
    try:
        answer = next(ask(Path(status["socket"]), "drafts"))
    except (NobodyAnswers, StopIteration):
        return []
    return [{**draft, "mountpoint": status["mountpoint"]} for draft in answer["drafts"]]


def _read(file: Path, record: Listed, root: AssetPath) -> Listed:
    """Give a draft as its record tells of it, in the words of a running mount of `root`."""
    names = AssetPath.from_ltree(record["path"]).names[len(root.labels) :]
    return {
        "name": "/".join(("", *names, record["name"] or "")),
        "state": record["state"],
        "bytes": file.stat().st_size,
        "age_seconds": round(time.time() - record["since_ns"] / 1e9, 1),
        "error": record["error"] or None,
        "file": str(file),
    }


def describe(drafts: Iterable[Listed]) -> str:
    """Put drafts into lines for people: state, age, size, place, and what went wrong last."""
    lines = []
    for draft in drafts:
        age, size = spell_duration(draft["age_seconds"]), spell_size(draft["bytes"])
        lines.append(f"{draft['state']:<10} {age:>10} {size:>10}  {draft['mountpoint']}{draft['name']}")
        if draft["error"]:
            lines.append(f"{'':33} {draft['error']}")
    return "\n".join(lines) or "nothing waits to be stored"


def export(drafts: Iterable[Listed], directory: Path) -> list[Path]:
    """Copy the bytes of drafts into `directory`, under their paths on the mount; gives the copies.

    Raises MountRefused for a name that is taken there, or that two of them would have, before anything is copied.
    """
    copies = [(Path(draft["file"]), directory / draft["name"].lstrip("/")) for draft in drafts]
    targets = [copy for _, copy in copies]
    for copy in targets:
        if os.path.lexists(copy):
            raise MountRefused(f"{copy} exists already")
    for copy, after in pairwise(sorted(targets)):
        if after.is_relative_to(copy):
            raise MountRefused(f"{copy} would be the copy of one draft and have another's place: export mount by mount")
    for file, copy in copies:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, copy.open("xb") as target:
            shutil.copyfileobj(source, target)
    return targets


def drop(file: Path) -> None:
    """Remove the draft that a mount shows as `file`, and show the entry under it again.

    Raises MountRefused when it is no draft, is open, or lies on no mount.
    """
    path = Path(os.path.realpath(file.parent)) / file.name
    mountpoint = next((place for place in path.parents if place in list_mounts()), None)
    status = find_running(mountpoint) if mountpoint else None
    if mountpoint is None or status is None:
        raise MountRefused(f"{path} is on no running mount of konifer-fs")
    try:
        answer = next(ask(Path(status["socket"]), "drop", name=f"/{path.relative_to(mountpoint)}"))
    except (NobodyAnswers, StopIteration) as error:
        raise MountRefused(f"the daemon of {mountpoint} did not answer") from error
    if "error" in answer:
        raise MountRefused(answer["error"])
