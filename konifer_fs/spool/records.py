"""Records of drafts: how one is written so that it is there, whole or not at all, whenever process or machine stop.

What is in a record is `vfs.draft_records`' business.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from functools import cache
from pathlib import Path
from typing import Any, Final

from konifer_fs.domain.errors import SpoolFull

Record = Mapping[str, Any]

_FULL: Final = {ENOSPC, EDQUOT, EFBIG}
# A write of up to so much is done or not done, whenever this process is killed.
_PAGE: Final = 4096


class SpoolRecord:
    """The record of one draft: a line of JSON at `path`, whose file stays open between `note` and `close`.

    `exists` is whether there is one, `is_saved` whether one was ever saved: from then on it is replaced as a whole.
    """

    def __init__(self, path: Path, descriptor: int = -1, *, exists: bool = False, is_saved: bool = False) -> None:
        self.path: Final = path
        self.exists = exists
        self.is_saved = is_saved
        self._descriptor = descriptor

    def note(self, record: Record) -> None:
        """Write a record that outlives this process; raises SpoolFull. One over a saved record is on disk, too.

        It tells by itself, after the machine has stopped, that the draft's bytes are in doubt.
        """
        text = _encode({**record, "boot": _boot(), "saved": self.is_saved})
        if self.is_saved or len(text) > _PAGE:
            self._replace(text)
        else:
            self._write(text)
        self.exists = True

    def save(self, record: Record) -> None:
        """Write a record that outlives the machine: it is on disk when this returns. Raises SpoolFull."""
        self._replace(_encode(record))
        self.exists = self.is_saved = True

    def forget(self) -> None:
        """Remove the record, if there is one."""
        if self.exists and self.is_saved:
            self.path.unlink(missing_ok=True)
        elif self.exists:
            self._write(b"\n")
        self.exists = False

    def close(self) -> None:
        """Close the file; no effect when it is closed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def give_up(self) -> int:
        """Give the descriptor, -1 for none, to whoever uses the file next."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def _write(self, text: bytes) -> None:
        """Write in place: the first line is what counts, so what is left of a longer one does not matter."""
        with telling_full():
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._descriptor, text, 0)

    def _replace(self, text: bytes) -> None:
        replace_synced(self.path, text)
        self.close()


def replace_synced(path: Path, text: bytes) -> None:
    """Let a file hold `text`, or what it held before: it is on disk when this returns. Raises SpoolFull."""
    temporary = path.with_suffix(".new")
    with telling_full(), temporary.open("wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def read_record(path: Path) -> dict[str, Any] | None:
    """Give the record at `path`, None for none; raises ValueError when it cannot be read."""
    try:
        text = path.read_bytes().partition(b"\n")[0]
    except FileNotFoundError:
        return None
    return dict(json.loads(text)) if text else None


def take_marks(record: dict[str, Any]) -> tuple[bool, bool]:
    """Take out of a record what `note` has put in.

    Gives whether the draft's bytes are known to be what was written, and whether one of its records was ever saved.
    """
    is_certain = record.pop("boot", _boot()) == _boot()
    return is_certain, record.pop("saved", True)


@cache
def _boot() -> str:
    """Give what is another each time the machine starts."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _encode(record: Record) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def telling_full() -> Iterator[None]:
    """Turn the errors of a full disk into SpoolFull."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise SpoolFull(os.strerror(error.errno)) from error
        raise
