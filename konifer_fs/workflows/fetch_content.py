"""Getting at an object's bytes: the store's own file where there is one, else a copy of it on local disk.

One copy serves all who have the object open, and comes as they read it. Once it is whole it stays in the cache for
later; where there is none, or no room in it, it is in the spool's scratch space, and goes when the last of them closes.
"""

import logging
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from konifer_fs.domain.errors import ContentUnreadable, KoniferFsError, ObjectMissing
from konifer_fs.domain.node import Entry
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import ObjectStore, Part
from konifer_fs.spool import Spool
from konifer_fs.spool.cache import Arriving, Cache, digest_of
from konifer_fs.workflows.arriving import Arrival

log = logging.getLogger(__name__)

_AHEAD_AT_ONCE: Final = 8
_MOST_AHEAD: Final = 32 << 20


@dataclass(slots=True, eq=False)
class Content:
    """The bytes of one object, opened `uses` times; `file` is there once all `size` of them are.

    `came_damaged` is how often others had come in its place before.
    """

    ref: ObjectRef
    expected_size: int | None
    sha256: bytes | None = None
    came_damaged: int = 0
    uses: int = 0
    file: BinaryIO | None = None
    size: int = 0
    arrival: Arrival | None = None
    kept: Arriving | None = None
    came_sha256: bytes = b""
    charged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_damaged(self) -> bool:
        """Whether other bytes have come, so that nothing can be read of it."""
        return self.arrival is not None and self.arrival.is_damaged


@dataclass(slots=True)
class Traffic:
    """How often an object was found kept, how often it had to be fetched, and how many bytes were."""

    hits: int = 0
    misses: int = 0
    fetched_bytes: int = 0


class Contents:
    """The contents that are open on this mount. Thread-safe."""

    def __init__(self, objects: ObjectStore, spool: Spool, cache: Cache | None = None) -> None:
        self._objects = objects
        self._spool = spool
        self._cache = cache
        self._open: dict[ObjectRef, Content] = {}
        self._damaged: Counter[ObjectRef] = Counter()
        self._lock = threading.Lock()
        self.traffic: Final = Traffic()
        self._ahead = ThreadPoolExecutor(_AHEAD_AT_ONCE, thread_name_prefix="reading ahead")

    def acquire(self, ref: ObjectRef, expected_size: int | None, sha256: bytes | None = None) -> Content:
        """Open an object; each call is paired with a `release`. Remote bytes are fetched at the first read.

        Those that have come whole are compared with the SHA-256; what is read before cannot be.
        A remote object whose size is not recorded is looked for at once: what is taken for empty is never read.

        Raises:
            ObjectMissing, ContentUnreadable: the file is not there, or has another size than was recorded.
        """
        with self._lock:
            content = self._open.get(ref)
            if content is None or content.is_damaged:
                self._note_damage(content)
                content = self._open[ref] = Content(ref, expected_size, sha256, self._damaged[ref])
            content.uses += 1
        if content.file is not None:  # It can be read also when the store has no such object any more.
            return content
        try:
            if path := self._objects.local_path(ref):
                with content.lock:
                    if content.file is None:
                        self._adopt(content, path.open("rb", buffering=0))
            elif expected_size is None:
                content.expected_size = self._objects.size(ref)
        except FileNotFoundError as error:
            self.release(content)
            raise ObjectMissing(f"{ref.bucket}/{ref.key}") from error
        except BaseException:
            self.release(content)
            raise
        return content

    def acquire_original(self, entry: Entry) -> Content:
        """Open the original of an entry; raises as `acquire`."""
        if entry.original is None:
            raise ObjectMissing(f"asset {entry.asset_id} has no original")
        return self.acquire(entry.original, entry.size, entry.sha256)

    def is_here(self, content: Content, length: int, offset: int) -> bool:
        """Whether a read of `length` bytes at `offset` need not wait for anything."""
        return content.file is not None or (content.arrival is not None and content.arrival.has(length, offset))

    def pread(self, content: Content, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`, fetching these first when they are not here."""
        if content.file is None and (arrival := self._arrival(content)):
            return arrival.read(length, offset)
        return os.pread(self.fetch(content).fileno(), length, offset)

    def fetch(self, content: Content) -> BinaryIO:
        """Give the open file with all of the object's bytes."""
        if content.file is None and (arrival := self._arrival(content)):
            arrival.finish()
            return arrival.file
        assert content.file is not None  # noqa: S101 (for the type checker)
        return content.file

    def fetch_ahead(self, entry: Entry) -> None:
        """Have an original kept before somebody reads it, unless it is large: it is read as it arrives then."""
        if self._cache and entry.original is not None and entry.size is not None and entry.size <= _MOST_AHEAD:
            self._ahead.submit(self._try_fetch, entry)

    def _try_fetch(self, entry: Entry) -> None:
        try:
            content = self.acquire_original(entry)
            try:
                self.fetch(content)
            finally:
                self.release(content)
        except (KoniferFsError, OSError) as error:
            log.debug("asset %s was not fetched ahead: %s", entry.asset_id, error)

    def close(self) -> None:
        """Fetch nothing ahead any more."""
        self._ahead.shutdown(wait=False, cancel_futures=True)

    def path_of(self, content: Content) -> Path:
        """Give a path by which other processes of this user can open the object while it is open here."""
        return Path(f"/proc/{os.getpid()}/fd/{self.fetch(content).fileno()}")

    def _arrival(self, content: Content) -> Arrival | None:
        """Have the object arrive; None when all of it is here."""
        with content.lock:
            if content.file is None and content.arrival is None:
                kept = self._find_kept(content)
                if kept is None:
                    self._begin(content)
                else:
                    self._adopt(content, kept)
                with self._lock:
                    self.traffic.hits += kept is not None
                    self.traffic.misses += kept is None
            return None if content.file else content.arrival

    def _find_kept(self, content: Content) -> BinaryIO | None:
        return self._cache.find(content.ref, content.expected_size, content.sha256) if self._cache else None

    def _begin(self, content: Content) -> None:
        size = self._objects.size(content.ref) if content.expected_size is None else content.expected_size
        content.kept = self._begin_to_keep(content.ref, size)
        # What failed after it was charged, as for want of a descriptor, stays so until it is closed.
        if content.kept is None and not content.charged:
            self._spool.drafts.take(size)
            content.charged = size
        content.size = size
        file = content.kept.file if content.kept else self._spool.scratch()
        content.arrival = Arrival(
            file,
            size,
            fetch=partial(self._fetch_part, content.ref),
            check=partial(self._check, content, file),
            on_complete=partial(self._complete, content, file),
        )

    def _fetch_part(self, ref: ObjectRef, target: BinaryIO, part: Part) -> None:
        self._objects.fetch(ref, target, part)
        with self._lock:
            self.traffic.fetched_bytes += part.stop - part.start

    def _begin_to_keep(self, ref: ObjectRef, size: int) -> Arriving | None:
        try:
            return self._cache.begin(ref, size) if self._cache else None
        except OSError as error:
            log.warning("%s is not kept: %s", ref.key, error)
            return None

    def _check(self, content: Content, file: BinaryIO) -> None:
        """Compare what has come whole with what was stored; raises ContentUnreadable."""
        if content.kept is None and content.sha256 is None:
            return
        content.came_sha256 = digest_of(file)
        if content.sha256 is not None and content.sha256 != content.came_sha256:
            ref, came, told = content.ref, content.came_sha256.hex(), content.sha256.hex()
            raise ContentUnreadable(f"{ref.bucket}/{ref.key} is not what was stored: its SHA-256 is {came}, not {told}")

    def _complete(self, content: Content, file: BinaryIO) -> None:
        if content.kept:
            try:
                content.kept.keep(content.came_sha256)
            except OSError as error:
                content.kept.give_up()
                log.warning("%s is not kept: %s", content.ref.key, error)
        self._adopt(content, file)

    def _adopt(self, content: Content, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        if content.expected_size not in {None, size}:
            raise ContentUnreadable(f"object {content.ref.key} has {size} bytes, not {content.expected_size}")
        content.file, content.size = file, size

    def release(self, content: Content) -> None:
        """Close an object once. What has not arrived whole by then is not kept."""
        with self._lock:
            content.uses -= 1
            if content.uses:
                return
            self._note_damage(content)
            if self._open.get(content.ref) is content:
                del self._open[content.ref]
        if content.arrival is None:
            if content.file is not None:
                content.file.close()
        elif not content.arrival.close() and content.kept:
            content.kept.give_up()
        self._spool.drafts.take(-content.charged)

    def _note_damage(self, content: Content | None) -> None:
        if content and content.is_damaged:
            self._damaged[content.ref] += 1

    def evict(self, ref: ObjectRef) -> int:
        """Keep an object no longer; gives the bytes of local disk that are free now, or when it is closed."""
        return self._cache.drop(ref) if self._cache else 0

    def in_use(self, ref: ObjectRef) -> bool:
        """Whether somebody has the object open here, so that it must not be deleted yet."""
        return ref in self._open
