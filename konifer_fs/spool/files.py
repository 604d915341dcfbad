"""Spool files: the bytes of drafts, each charged to an allowance and beside its record."""

import hashlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from konifer_fs.domain.errors import ContentUnreadable, MovedOn, SpoolFull
from konifer_fs.domain.variant import Fingerprint
from konifer_fs.spool.records import Record, SpoolRecord, telling_full

_PIECE: Final = 1 << 20
_MOST_EMPTY: Final = 16


class Allowance:
    """A number of bytes that may be used, shared by any number of spool files and threads; `key` is its setting."""

    def __init__(self, limit: int, key: str) -> None:
        self.limit: Final = limit
        self._key = key
        self.used = 0
        self._lock = threading.Lock()

    def take(self, amount: int, *, anyway: bool = False) -> None:
        """Charge `amount` bytes, or give them back when negative; raises SpoolFull over the limit, unless `anyway`."""
        with self._lock:
            if amount > 0 and self.used + amount > self.limit and not anyway:
                raise SpoolFull(f"{self._key} is {self.limit} bytes")
            self.used += amount


class Blank(NamedTuple):
    """An empty spool file, or where one may be made: the descriptors are of its bytes and record, -1 for none."""

    path: Path
    descriptor: int
    record: int

    def remove(self) -> None:
        """Close and remove it."""
        for descriptor in (self.descriptor, self.record):
            if descriptor >= 0:
                os.close(descriptor)
        remove(self.path)


Empty = deque[Blank]


class SpoolFile:
    """The bytes of one draft, open between `open` and `close`, and its record.

    `number` is another for every draft of this process, while a later one may get the same `path`. A file that an
    object store has taken for an object, by a second name, is never changed: a copy is. Not locked: one thread at a
    time may change file and record; `pread` may run beside that.
    """

    _numbers: Final = itertools.count()

    def __init__(
        self,
        path: Path,
        record: SpoolRecord,
        allowance: Allowance,
        size: int = 0,
        *,
        empty: Empty | None = None,
        descriptor: int = -1,
    ) -> None:
        self.path: Final = path
        self.record: Final = record
        self.number: Final = next(self._numbers)
        self.size = size
        self._allowance = allowance
        self._allowance.take(size, anyway=True)
        self._descriptor = descriptor
        self._empty = empty
        self._is_discarded = False

    def open(self) -> None:
        """Open the file, making it when it is not there; no effect when it is open.

        Raises SpoolFull; MovedOn once discarded.
        """
        if self._is_discarded:
            raise MovedOn(self.path.name)
        if self._descriptor < 0:
            with telling_full():
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Close the file and keep it; no effect when it is closed."""
        self.record.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have the file open meanwhile."""
        was_open = self._descriptor >= 0
        self.open()
        try:
            yield
        finally:
            if not was_open:
                self.close()

    def pread(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`; fewer only at the end."""
        return os.pread(self._descriptor, length, offset)

    def pwrite(self, content: bytes, offset: int) -> None:
        """Write all of `content` at `offset`."""
        end = max(self.size, offset + len(content))
        self._own(self.size)
        with self._growing(end):
            view = memoryview(content)
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                view, offset = view[written:], offset + written
        self.size = end

    def truncate(self, size: int) -> None:
        """Cut, or lengthen with zeros, to `size` bytes."""
        self._own(min(size, self.size))
        with self._growing(size):
            os.ftruncate(self._descriptor, size)
        self._allowance.take(min(0, size - self.size))
        self.size = size

    def fill_from(self, descriptor: int, size: int) -> None:
        """Copy the `size` bytes of another open file into this empty one, within the kernel."""
        with self._growing(size):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            _copy(descriptor, self._descriptor, size)
        self.size = size

    def fingerprint(self) -> Fingerprint:
        """Give number and checksum of all bytes."""
        checksum = hashlib.sha256()
        for offset in range(0, self.size, _PIECE):
            # Room for a whole piece costs as much as the sum of a small file.
            checksum.update(self.pread(min(_PIECE, self.size - offset), offset))
        return Fingerprint(self.size, checksum.digest())

    def sync(self) -> None:
        """Force the bytes to disk."""
        os.fsync(self._descriptor)

    def charge_to(self, allowance: Allowance, *, anyway: bool = False) -> None:
        """Charge the file to another allowance; raises SpoolFull, unless `anyway`, and leaves it where it was."""
        if allowance is not self._allowance:
            allowance.take(self.size, anyway=anyway)
            self._allowance.take(-self.size)
            self._allowance = allowance

    def save(self, record: Record) -> None:
        """Make the draft outlive the machine: bytes and record are on disk when this returns. Raises SpoolFull."""
        with self.opened():
            self.sync()
        self.record.save(record)

    def discard(self) -> None:
        """Remove bytes and record, and the files unless the next draft may have them; no effect the second time.

        Nobody else gets an object, or the files of a saved record: its removal is not on disk yet, and it may come
        back when the machine stops.
        """
        if self._is_discarded:
            return
        self._is_discarded = True
        self.record.forget()
        if self._empty is None or self.record.is_saved or len(self._empty) >= _MOST_EMPTY or self._descriptor < 0:
            self.close()
            remove(self.path)
        else:
            if self._is_object():
                self.path.unlink()
                os.close(self._descriptor)
                self._descriptor = -1
            else:
                os.ftruncate(self._descriptor, 0)
            self._empty.append(Blank(self.path, self._descriptor, self.record.give_up()))
            self._descriptor = -1
        self._allowance.take(-self.size)
        self.size = 0

    def _is_object(self) -> bool:
        return os.fstat(self._descriptor).st_nlink > 1

    def _own(self, size: int) -> None:
        """Go on with a copy of the first `size` bytes if the file is an object's; raises SpoolFull."""
        if not self._is_object():
            return
        beside = self.path.with_suffix(".copy")
        copy = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with telling_full():
                _copy(self._descriptor, copy, size)
                if self.record.is_saved:
                    os.fsync(copy)
                beside.replace(self.path)
                os.dup2(copy, self._descriptor, inheritable=False)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        finally:
            os.close(copy)

    @contextmanager
    def _growing(self, size: int) -> Iterator[None]:
        """Charge what `size` bytes are more than before; file and charge are as they were if it fails."""
        grown = max(0, size - self.size)
        self._allowance.take(grown)
        try:
            with telling_full():
                yield
        except BaseException:
            os.ftruncate(self._descriptor, self.size)
            self._allowance.take(-grown)
            raise


def _copy(source: int, target: int, size: int) -> None:
    """Copy the first `size` bytes to where `target` stands, within the kernel; raises ContentUnreadable for fewer."""
    at = 0
    while at < size:
        copied = os.sendfile(target, source, at, size - at)
        if not copied:
            raise ContentUnreadable(f"it ends after {at} of {size} bytes")
        at += copied


def remove(path: Path) -> None:
    """Remove the bytes at `path`, and their record."""
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)


def fingerprint_of(path: Path) -> Fingerprint:
    """Give number and checksum of the bytes of a file that another process has made."""
    with path.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256")
        return Fingerprint(stream.tell(), checksum.digest())
