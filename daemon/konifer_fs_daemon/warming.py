"""`konifer-fs warm` and `konifer-fs evict`: having contents on local disk before they are wanted, or no longer.

To warm is to read, as anybody may. To evict, the mount's daemon is asked.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from konifer_fs_daemon.control import Message, NobodyAnswers, ask
from konifer_fs_daemon.mountpoint import MountRefused, is_ours, list_mounts
from konifer_fs_daemon.readers import read_each
from konifer_fs_daemon.running import Progress, find_running

_READERS: Final = 8
_PIECE: Final = 1 << 20


@dataclass(slots=True)
class Warmed:
    """What was read: files, bytes, and a line for each that could not be."""

    files: int = 0
    bytes: int = 0
    failures: list[str] = field(default_factory=list)


def warm(path: Path, progress: Progress) -> Warmed:
    """Read all files at and below `path` once; raises MountRefused when it lies on no mount."""
    _find_mount(path)
    warmed = Warmed()
    files = list(_list_files(path, warmed.failures))
    for done, (file, reading) in enumerate(read_each(_read, files, _READERS), 1):
        try:
            warmed.bytes += reading.result()
        except OSError as error:
            warmed.failures.append(f"{file}: {error.strerror}")
        else:
            warmed.files += 1
        progress({"done": done, "total": len(files)})
    return warmed


def evict(path: Path, progress: Progress) -> Message:
    """Have the mount keep nothing that is at and below `path`; gives the entries that are `done`, and `freed` bytes.

    Raises MountRefused when it lies on no running mount, or is not there.
    """
    mountpoint = _find_mount(path)
    status = find_running(mountpoint)
    if status is None:
        raise MountRefused(f"no daemon of this user answers for {mountpoint}")
    place = "/".join(("", *path.relative_to(mountpoint).parts))
    answer: Message = {}
    try:
        for answer in ask(Path(status["socket"]), "evict", name=place):
            if "error" in answer:
                raise MountRefused(answer["error"])
            progress(answer)
    except NobodyAnswers as error:
        raise MountRefused(f"the daemon of {mountpoint} went silent: {error}") from error
    if "freed" not in answer:
        raise MountRefused("it could not be done; the daemon's log says why")
    return answer


def _find_mount(path: Path) -> Path:
    mounts = list_mounts()
    mountpoint = next((place for place in (path, *path.parents) if place in mounts), None)
    if mountpoint is None or not is_ours(mountpoint):
        raise MountRefused(f"{path} is on no mount of konifer-fs")
    return mountpoint


def _list_files(path: Path, failures: list[str]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for place, below, names in walk(path, failures):
        below.sort()
        yield from (file for name in sorted(names) if not (file := Path(place, name)).is_symlink())


def walk(path: Path, failures: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk as `os.walk` does; `failures` gets a line for each directory that cannot be read."""
    return os.walk(path, onerror=lambda error: failures.append(f"{error.filename}: {error.strerror}"))


def _read(file: Path) -> int:
    """Read a file from the mount, and not from the kernel's memory, of which the mount hears nothing."""
    size = 0
    with file.open("rb", buffering=0) as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := stream.read(_PIECE):
            size += len(piece)
    return size
