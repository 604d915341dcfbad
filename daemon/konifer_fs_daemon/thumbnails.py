"""`konifer-fs thumbnails --prime`: fills the user's own cache of thumbnails from a mount.

For file managers that do not read shared repositories. Everything is read from the mount's files, so a mount of
another user's will do.
"""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from konifer_fs.config import home_directory
from konifer_fs.domain.thumbnails import (
    PNG_HEAD_BYTES,
    SHARED,
    file_uri,
    personal_texts,
    relative_uri,
    retold,
    thumbnail_name,
)
from konifer_fs_daemon.mountpoint import MountRefused
from konifer_fs_daemon.readers import read_each
from konifer_fs_daemon.running import Progress
from konifer_fs_daemon.warming import walk

_READERS: Final = 4
# Of a draft, and of what is gone again.
_NO_ENTRY: Final = frozenset({errno.ENODATA, errno.ENOENT})


@dataclass(slots=True)
class Primed:
    """What became of the thumbnails: `failures` tells a line for each that could not be had."""

    made: int = 0
    fresh: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    picture: Path
    size: str


def prime(directory: Path, sizes: Sequence[str], progress: Progress) -> Primed:
    """Have thumbnails of all pictures at and below `directory` in the user's cache; those that are up to date stay.

    `directory` is absolute, as file managers will spell it. Raises MountRefused when it is no konifer-fs; ConfigError
    where no home directory is known.
    """
    if not (directory / SHARED / "normal").is_dir():
        raise MountRefused(f"{directory} has no thumbnails to offer: is it on a mount of konifer-fs?")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home_directory(os.environ) / ".cache") / "thumbnails"
    for size in sizes:
        (cache / size).mkdir(mode=0o700, parents=True, exist_ok=True)
    primed = Primed()
    wanted = [_Wanted(picture, size) for picture in _list_pictures(directory, primed.failures) for size in sizes]
    for done, (each, priming) in enumerate(read_each(partial(_prime_one, cache), wanted, _READERS), 1):
        try:
            made = priming.result()
        except OSError as error:
            primed.failures.append(f"{each.picture}: {error.strerror}")
        else:
            primed.made += made
            primed.fresh += not made
        progress({"done": done, "total": len(wanted)})
    return primed


def _list_pictures(directory: Path, failures: list[str]) -> Iterator[Path]:
    """Give the entries at and below a directory; `failures` gets a line for each that may not be read."""
    for place, below, names in walk(directory, failures):
        below.sort()
        for name in sorted(names):
            picture = Path(place, name)
            try:
                if not picture.is_symlink() and os.getxattr(picture, "user.konifer.entry-id"):
                    yield picture
            except OSError as error:
                if error.errno not in _NO_ENTRY:
                    failures.append(f"{picture}: {error.strerror}")


def _prime_one(cache: Path, wanted: _Wanted) -> bool:
    """Have one thumbnail in the cache; gives whether it had to be made."""
    picture = wanted.picture
    uri = file_uri(str(picture))
    target = cache / wanted.size / thumbnail_name(uri)
    texts = personal_texts(uri, picture.stat().st_mtime_ns)
    if _begins_with(target, texts):
        return False
    shared = picture.parent / SHARED / wanted.size / thumbnail_name(relative_uri(picture.name))
    content = retold(shared.read_bytes(), texts)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".konifer-fs-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return True


def _begins_with(target: Path, texts: bytes) -> bool:
    try:
        with target.open("rb") as file:
            return file.read(PNG_HEAD_BYTES + len(texts))[PNG_HEAD_BYTES:] == texts
    except FileNotFoundError:
        return False
