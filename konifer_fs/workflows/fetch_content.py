"""Getting at an object's bytes: the store's own file where there is one, else a copy of it on local disk.

One copy serves all who have the object open. It stays in the cache for later; where there is none, or no room in it,
the copy is in the spool's scratch space and goes when the last of them closes.
"""

import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from konifer_fs.domain.errors import ContentUnreadable, ObjectMissing
from konifer_fs.domain.node import Entry
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import ObjectStore
from konifer_fs.spool import Spool
from konifer_fs.spool.cache import Cache

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Content:
    """The bytes of one object, opened `uses` times."""

    ref: ObjectRef
    expected_size: int | None
    uses: int = 0
    file: BinaryIO | None = None
    size: int = 0
    charged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Contents:
    """The contents that are open on this mount. Thread-safe."""

    def __init__(self, objects: ObjectStore, spool: Spool, cache: Cache | None = None) -> None:
        self._objects = objects
        self._spool = spool
        self._cache = cache
        self._open: dict[ObjectRef, Content] = {}
        self._lock = threading.Lock()

    def acquire(self, ref: ObjectRef, expected_size: int | None) -> Content:
        """Open an object; each call is paired with a `release`. Remote bytes are fetched at the first read.

        Raises:
            ObjectMissing, ContentUnreadable: the file is not there, or has another size than was recorded.
        """
        with self._lock:
            content = self._open.setdefault(ref, Content(ref, expected_size))
            content.uses += 1
        try:
            if path := self._objects.local_path(ref):
                with content.lock:
                    if content.file is None:
                        self._adopt(content, path.open("rb", buffering=0))
        except FileNotFoundError as error:
            self.release(content)
            raise ObjectMissing(ref.key) from error
        except BaseException:
            self.release(content)
            raise
        return content

    def acquire_original(self, entry: Entry) -> Content:
        """Open the original of an entry; raises as `acquire`."""
        if entry.original is None:
            raise ObjectMissing(f"asset {entry.asset_id} has no original")
        return self.acquire(entry.original, entry.size)

    def pread(self, content: Content, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`, fetching the object first when it is not here."""
        return os.pread(self.fetch(content).fileno(), length, offset)

    def fetch(self, content: Content) -> BinaryIO:
        """Give the open file with all of the object's bytes."""
        if content.file is not None:
            return content.file
        with content.lock:
            return content.file or self._download(content)

    def path_of(self, content: Content) -> Path:
        """Give a path by which other processes of this user can open the object while it is open here."""
        return Path(f"/proc/{os.getpid()}/fd/{self.fetch(content).fileno()}")

    def _download(self, content: Content) -> BinaryIO:
        cache = self._cache
        file = cache.find(content.ref, content.expected_size) if cache else None
        if file is None:
            size = self._objects.size(content.ref) if content.expected_size is None else content.expected_size
            file = self._fetch_into_cache(cache, content, size) if cache else None
            if file is None:
                return self._fetch_into_scratch(content, size)
        self._adopt(content, file)
        return file

    def _fetch_into_cache(self, cache: Cache, content: Content, size: int) -> BinaryIO | None:
        """Fetch an object to where it stays; None where there is no room, or the disk fails."""
        try:
            with cache.keeping(content.ref, size) as file:
                if file is not None:
                    self._objects.fetch(content.ref, file)
        except OSError as error:
            log.warning("%s is not kept: %s", content.ref.key, error)
            return None
        return file

    def _fetch_into_scratch(self, content: Content, size: int) -> BinaryIO:
        self._spool.drafts.take(size)
        file = self._spool.scratch()
        try:
            self._objects.fetch(content.ref, file)
            file.flush()
            self._adopt(content, file)
        except BaseException:
            file.close()
            self._spool.drafts.take(-size)
            raise
        content.charged = size
        return file

    def _adopt(self, content: Content, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        if content.expected_size not in {None, size}:
            raise ContentUnreadable(f"object {content.ref.key} has {size} bytes, not {content.expected_size}")
        content.file, content.size = file, size

    def release(self, content: Content) -> None:
        """Close an object once."""
        with self._lock:
            content.uses -= 1
            if content.uses:
                return
            self._open.pop(content.ref, None)
        if content.file is not None:
            content.file.close()
        self._spool.drafts.take(-content.charged)

    def evict(self, ref: ObjectRef) -> int:
        """Keep an object no longer; gives the bytes of local disk that are free now, or when it is closed."""
        return self._cache.drop(ref) if self._cache else 0

    def in_use(self, ref: ObjectRef) -> bool:
        """Whether somebody has the object open here, so that it must not be deleted yet."""
        return ref in self._open
