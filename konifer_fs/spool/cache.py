"""Contents that came from afar, kept on local disk for the next reader, of any mount of the same store.

Objects never change, so what is kept is never stale. A file is `<hash of bucket and key>`; its SHA-256 is in an
extended attribute, and is compared when the file is first opened by a process: whatever happened to the disk meanwhile,
other bytes are never given. Its time of access is when it was used: what was used last goes last.

Several processes may use one directory, and keep to its limits together: what all files take is counted in one of them,
`.bytes`, and only who has that locked makes, names or removes others. What arrives has its full size from the first,
and is locked by who has it arrive, so that what a killed process left is known.
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef

log = logging.getLogger(__name__)

_CHECKSUM: Final = "user.konifer.sha256"
_ARRIVING: Final = ".arriving-"
_COUNT: Final = ".bytes"
_COUNT_BYTES: Final = 8
_BLOCK: Final = 4096
# What is made room for at once, as parts of the whole: looking for what was used last reads the directory.
_MORE: Final = 10
_PIECE: Final = 1 << 20
# Seconds that one waits for others to have changed what is here: rather than longer, nothing is kept.
PATIENCE: Final = 3.0
_LOCK_PAUSE: Final = 0.002
# They take 6 MiB of memory; of more files the checksums are compared again, now and then.
_MOST_VERIFIED: Final = 32_768


@dataclass(frozen=True, slots=True)
class Arriving:
    """An open file that an object is written to: one of the two is called, in the end.

    `keep` keeps it, once all of it is written, and is told its SHA-256; it raises OSError. `give_up` does not. The file
    is its user's to close.
    """

    file: BinaryIO
    keep: Callable[[bytes], None]
    give_up: Callable[[], object]


@dataclass(slots=True)
class _Count:
    """The bytes of disk that all files of a cache take."""

    taken: int


class Cache:
    """Kept contents, up to `max_bytes` of disk, and only while `min_free_bytes` of it stay free. Thread-safe."""

    def __init__(self, directory: Path, *, max_bytes: int, min_free_bytes: int) -> None:
        """Make the directory where it is missing; raises StoreRefused when it cannot be used."""
        self.directory: Final = directory
        self.max_bytes: Final = max_bytes
        self._min_free = min_free_bytes
        self._verified: set[tuple[int, int]] = set()
        try:
            with self._locked() as count:
                self._recount(count)
        except OSError as error:
            raise StoreRefused(f"the cache {directory} cannot be used: {error.strerror}") from error

    @property
    def used(self) -> int:
        """The bytes of disk that are taken, for all mounts of the store; 0 when the directory is gone."""
        with suppress(FileNotFoundError):
            return _to_int((self.directory / _COUNT).read_bytes())
        return 0

    def find(self, ref: ObjectRef, size: int | None, sha256: bytes | None = None) -> BinaryIO | None:
        """Open what is kept of an object; None where nothing is, or not these bytes any more, or never was."""
        path = self._path(ref)
        try:
            file = path.open("rb", buffering=0)
        except OSError:
            return None
        try:
            facts = os.fstat(file.fileno())
            if size in {None, facts.st_size} and self._is_sound(file, facts, sha256):
                os.utime(file.fileno(), ns=(time.time_ns(), facts.st_mtime_ns))
                file.seek(0)
                return file
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error)
        file.close()
        log.warning("%s is not what was kept there, and is fetched again", path)
        self._remove(path)
        return None

    def begin(self, ref: ObjectRef, size: int) -> "Arriving | None":
        """Give a file to write an object of so many bytes to; None for no room. Raises OSError."""
        with self._locked() as count:
            if not self._make_room(count, _taken_by(size)):
                return None
            descriptor, name = tempfile.mkstemp(prefix=_ARRIVING, dir=self.directory)
            path, file = Path(name), cast(BinaryIO, os.fdopen(descriptor, "w+b", buffering=0))
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if size:
                    os.posix_fallocate(descriptor, 0, size)
            except BaseException:
                file.close()
                path.unlink()
                raise
            count.taken += _taken_by(size)
        return Arriving(file, partial(self._keep, path, file, self._path(ref)), partial(self._remove, path))

    def _keep(self, arriving: Path, file: BinaryIO, path: Path, sha256: bytes) -> None:
        facts = os.fstat(file.fileno())
        os.setxattr(file.fileno(), _CHECKSUM, _spell(sha256))
        with self._locked() as count:
            replaced = _taken_by(path.stat().st_size) if path.exists() else 0
            arriving.replace(path)
            count.taken -= replaced
        self._note_sound(facts)

    def drop(self, ref: ObjectRef) -> int:
        """Keep an object no longer; gives the bytes that are free now. Who has it open reads on."""
        return self._remove(self._path(ref))

    def _path(self, ref: ObjectRef) -> Path:
        return self.directory / hashlib.sha256(f"{ref.bucket}/{ref.key}".encode()).hexdigest()

    def _is_sound(self, file: BinaryIO, facts: os.stat_result, sha256: bytes | None) -> bool:
        if (facts.st_ino, facts.st_mtime_ns) in self._verified:
            return True
        kept = os.getxattr(file.fileno(), _CHECKSUM)
        sound = (sha256 is None or _spell(sha256) == kept) and _spell(digest_of(file)) == kept
        if sound:
            self._note_sound(facts)
        return sound

    def _note_sound(self, facts: os.stat_result) -> None:
        if len(self._verified) >= _MOST_VERIFIED:
            self._verified.clear()
        self._verified.add((facts.st_ino, facts.st_mtime_ns))

    @contextmanager
    def _locked(self) -> Iterator[_Count]:
        """Keep all other threads and processes from changing what is here; the count is what the caller makes of it.

        Raises OSError, as where another process that has been stopped holds it.
        """
        # Anybody may remove the directory meanwhile.
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.directory / _COUNT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(file)
            known = os.pread(file, _COUNT_BYTES, 0)
            count = _Count(_to_int(known))
            try:
                if not known:
                    self._recount(count)
                yield count
            finally:
                os.pwrite(file, count.taken.to_bytes(_COUNT_BYTES, signed=True), 0)
        finally:
            os.close(file)

    def _make_room(self, count: _Count, wanted: int) -> bool:
        """Remove what was used longest ago until there is room for so many bytes; gives whether there is."""
        if self._has_room(count, wanted):
            return True
        if wanted > self.max_bytes:
            return False
        kept = sorted(self._recount(count))
        arriving = count.taken - sum(taken for _, taken, _ in kept)
        if arriving + wanted > self.max_bytes:
            return False
        enough = self.max_bytes - max(wanted, self.max_bytes // _MORE)
        for _, taken, path in kept:
            if count.taken <= enough and self._is_free(wanted):
                break
            path.unlink(missing_ok=True)
            count.taken -= taken
        return self._has_room(count, wanted)

    def _has_room(self, count: _Count, wanted: int) -> bool:
        return count.taken + wanted <= self.max_bytes and self._is_free(wanted)

    def _is_free(self, wanted: int) -> bool:
        return shutil.disk_usage(self.directory).free - wanted >= self._min_free

    def _recount(self, count: _Count) -> list[tuple[float, int, Path]]:
        """Count anew, removing what killed processes left; gives when each kept file was used, its bytes and path."""
        count.taken, kept = 0, []
        with os.scandir(self.directory) as files:
            for file in files:
                if file.name == _COUNT:
                    continue
                with suppress(FileNotFoundError):
                    path, found = Path(file.path), file.stat()
                    taken = _taken_by(found.st_size)
                    if not file.name.startswith(_ARRIVING):
                        kept.append((found.st_atime, taken, path))
                    elif not _is_locked(path):
                        path.unlink()
                        continue
                    count.taken += taken
        return kept

    def _remove(self, path: Path) -> int:
        """Remove a file, and count it no longer; gives its size. Nothing happens where that cannot be."""
        with suppress(OSError), self._locked() as count:
            size = path.stat().st_size
            path.unlink()
            count.taken -= _taken_by(size)
            return size
        return 0


def _lock(file: int) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds it") from None
            time.sleep(_LOCK_PAUSE)


def _to_int(count: bytes) -> int:
    return int.from_bytes(count, signed=True)


def _taken_by(size: int) -> int:
    """Give what a file of that size takes of a disk at most: whole blocks, and one for its checksum."""
    return (-(-size // _BLOCK) + 1) * _BLOCK


def _spell(sha256: bytes) -> bytes:
    return sha256.hex().encode()


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def digest_of(file: BinaryIO) -> bytes:
    """Give the SHA-256 of all that is in a file, which others may read meanwhile."""
    digest, at = hashlib.sha256(), 0
    while piece := os.pread(file.fileno(), _PIECE, at):
        digest.update(piece)
        at += len(piece)
    return digest.digest()
