"""Contents that came from afar, kept on local disk for the next reader, of any mount of the same store.

Objects never change, so what is kept is never stale. A file is `<hash of bucket and key>`; its SHA-256 is in an
extended attribute, and is compared when the file is first opened by a process: whatever happened to the disk meanwhile,
other bytes are never given. What was used last goes last. Several processes may use one directory; each sees that the
limits hold.
"""

import hashlib
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef

log = logging.getLogger(__name__)

_CHECKSUM: Final = "user.konifer.sha256"
_ARRIVING: Final = ".arriving-"
# What is made room for at once, as parts of the whole: looking for what was used last reads the directory.
_MORE: Final = 10
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Arriving:
    """An open file that an object is written to: one of the two is called, in the end.

    `keep` keeps it, once all of it is written, and raises OSError; `give_up` does not. The file is its user's to close.
    """

    file: BinaryIO
    keep: Callable[[], None]
    give_up: Callable[[], None]


class Cache:
    """Kept contents, up to `max_bytes`, and only while `min_free_bytes` of the disk stay free. Thread-safe."""

    def __init__(self, directory: Path, *, max_bytes: int, min_free_bytes: int) -> None:
        """Make the directory where it is missing; raises StoreRefused when it cannot be used."""
        self.directory: Final = directory
        self.max_bytes: Final = max_bytes
        self._min_free = min_free_bytes
        self._verified: set[str] = set()
        self._lock = threading.Lock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.used = sum(size for _, size, _ in self._list())
        except OSError as error:
            raise StoreRefused(f"the cache {directory} cannot be used: {error.strerror}") from error

    def find(self, ref: ObjectRef, size: int | None) -> BinaryIO | None:
        """Open what is kept of an object; None where nothing is, or not these bytes any more."""
        path = self._path(ref)
        try:
            file = path.open("rb", buffering=0)
        except OSError:
            return None
        try:
            if size in {None, os.fstat(file.fileno()).st_size} and self._is_sound(path.name, file):
                os.utime(file.fileno())
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
        if not self._make_room(size):
            return None
        try:
            descriptor, name = tempfile.mkstemp(prefix=_ARRIVING, dir=self.directory)
        except BaseException:
            self._charge(-size)
            raise
        file = cast(BinaryIO, os.fdopen(descriptor, "w+b", buffering=0))
        return Arriving(
            file, partial(self._keep, Path(name), file, self._path(ref)), partial(self._give_up, name, size)
        )

    def _keep(self, arriving: Path, file: BinaryIO, path: Path) -> None:
        os.setxattr(file.fileno(), _CHECKSUM, _digest(file).encode())
        arriving.replace(path)
        self._verified.add(path.name)

    def _give_up(self, name: str, size: int) -> None:
        Path(name).unlink(missing_ok=True)
        self._charge(-size)

    def drop(self, ref: ObjectRef) -> int:
        """Keep an object no longer; gives the bytes that are free now. Who has it open reads on."""
        return self._remove(self._path(ref))

    def _path(self, ref: ObjectRef) -> Path:
        return self.directory / hashlib.sha256(f"{ref.bucket}/{ref.key}".encode()).hexdigest()

    def _is_sound(self, name: str, file: BinaryIO) -> bool:
        if name in self._verified:
            return True
        sound = os.getxattr(file.fileno(), _CHECKSUM) == _digest(file).encode()
        if sound:
            self._verified.add(name)
        return sound

    def _charge(self, amount: int) -> None:
        with self._lock:
            self.used += amount

    def _make_room(self, size: int) -> bool:
        """Charge for `size` bytes, removing what was used longest ago; gives whether there is room."""
        with self._lock:
            if self.used + size <= self.max_bytes and self._is_free(size):
                self.used += size
                return True
            if size > self.max_bytes:
                return False
            kept = sorted(self._list())
            self.used = sum(bytes_ for _, bytes_, _ in kept)
            enough = self.max_bytes - max(size, self.max_bytes // _MORE)
            for _, bytes_, path in kept:
                if self.used <= enough and self._is_free(size):
                    break
                path.unlink(missing_ok=True)
                self.used -= bytes_
            if not self._is_free(size):
                return False
            self.used += size
            return True

    def _is_free(self, size: int) -> bool:
        return shutil.disk_usage(self.directory).free - size >= self._min_free

    def _list(self) -> Iterator[tuple[float, int, Path]]:
        """Give when each file was used last, its bytes and its path."""
        with os.scandir(self.directory) as files:
            for file in files:
                with suppress(FileNotFoundError):
                    found = file.stat()
                    yield found.st_mtime, found.st_size, Path(file.path)

    def _remove(self, path: Path) -> int:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        self._charge(-size)
        return size


def _digest(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
