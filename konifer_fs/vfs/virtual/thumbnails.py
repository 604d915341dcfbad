"""The shared thumbnails of a directory: `D/.sh_thumbnails/<size>/<md5>.png`, as freedesktop's readers look them up.

Each is a stored variant, into which the texts that the standard wants are put as it is read.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from konifer_fs.config import OnDemand
from konifer_fs.domain.errors import MovedOn, VariantForbidden
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.domain.thumbnails import (
    PNG_HEAD_BYTES,
    SHARED,
    SIZES,
    shared_digests,
    shared_texts,
    thumbnail_request,
)
from konifer_fs.ports import MetadataStore, StoredVariant
from konifer_fs.vfs.shown import ShownNames
from konifer_fs.vfs.virtual.nodes import (
    Names,
    Preparation,
    Reading,
    VirtualDirectory,
    VirtualFile,
    VirtualNode,
    as_directory,
    virtual_id,
)
from konifer_fs.vfs.virtual.readings import ScratchReading
from konifer_fs.vfs.virtual.shelf import OrientationUnknown
from konifer_fs.vfs.virtual.variants import Variants

_SUFFIX: Final = ".png"
_FRESH_SECONDS: Final = 1.0
_NAMES_KEPT: Final = 200_000


@dataclass(frozen=True, slots=True)
class _Digests:
    """What the entries of a directory may be asked for by, as it was at `read_at`."""

    names: Mapping[str, str]
    read_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """Gives the shared thumbnails of any directory. Thread-safe.

    An MD5 sum does not tell its name, so those of a directory's names are kept, up to 200,000 of all directories. What
    is found is looked up again; for what is not, the directory is read again, but only once a second.
    """

    variants: Variants
    metadata: MetadataStore
    shown: ShownNames
    _known: OrderedDict[int, _Digests] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def directory_of(self, directory: Directory) -> VirtualDirectory:
        """Give `D/.sh_thumbnails` of a directory that was just read."""
        return self._make_directory(directory, _Kinds(self, directory))

    def directory_of_size(self, directory: Directory, size: str) -> VirtualDirectory:
        """Give `D/.sh_thumbnails/<size>`."""
        return self._make_directory(directory, _Files(self, directory, size), size)

    def _make_directory(self, directory: Directory, names: Names, *place: str) -> VirtualDirectory:
        like = self.variants.settings.defaults.stat_directory(directory)
        stat = as_directory(like, node_id=virtual_id(directory.id, SHARED, *place))
        return VirtualDirectory(stat=stat, names=names)

    def refreshed(self, directory: Directory) -> Directory:
        """Read a directory again; raises MovedOn when it is gone."""
        current = self.metadata.refresh(directory)
        if not isinstance(current, Directory):
            raise MovedOn
        return current

    def find_entry(self, directory: Directory, digest: str) -> tuple[str, Entry] | None:
        """Give the entry that is asked for by `digest`, and its name."""
        for oldest in (0.0, time.monotonic() - _FRESH_SECONDS):
            name = self._digests(directory, oldest).get(digest)
            entry = self.metadata.find_child(directory, name) if name is not None else None
            if name is not None and isinstance(entry, Entry):
                return name, entry
        return None

    def _digests(self, directory: Directory, oldest: float) -> Mapping[str, str]:
        with self._lock:
            known = self._known.get(directory.id)
            if known is None or known.read_at < oldest:
                known = self._known[directory.id] = _Digests(dict(self._read(directory)), time.monotonic())
            self._known.move_to_end(directory.id)
            while len(self._known) > 1 and sum(len(each.names) for each in self._known.values()) > _NAMES_KEPT:
                self._known.popitem(last=False)
        return known.names

    def _read(self, directory: Directory) -> Iterator[tuple[str, str]]:
        for page in self.shown.name_children(directory, self.metadata.list_children(directory)):
            for name, node in page:
                if isinstance(node, Entry):
                    yield from ((digest, name) for digest in shared_digests(name))


@dataclass(frozen=True, slots=True)
class _Kinds:
    """What `.sh_thumbnails` holds: a directory for each size."""

    _all: Thumbnails
    _directory: Directory

    def refreshed(self) -> VirtualDirectory:
        return self._all.directory_of(self._all.refreshed(self._directory))

    def find(self, name: str) -> VirtualDirectory | None:
        return self._all.directory_of_size(self._directory, name) if name in SIZES else None

    def list_all(self) -> Iterator[Sequence[tuple[str, VirtualNode]]]:
        yield [(name, self._all.directory_of_size(self._directory, name)) for name in SIZES]


@dataclass(frozen=True, slots=True)
class _Files:
    """The thumbnails of one size: all can be looked up, none is listed."""

    _all: Thumbnails
    _directory: Directory
    _size: str

    def refreshed(self) -> VirtualDirectory:
        return self._all.directory_of_size(self._all.refreshed(self._directory), self._size)

    def find(self, name: str) -> VirtualFile | Preparation | None:
        found = self._all.find_entry(self._directory, name.removesuffix(_SUFFIX)) if name.endswith(_SUFFIX) else None
        return self._thumbnail(*found) if found else None

    def list_all(self) -> Iterator[Sequence[tuple[str, VirtualNode]]]:
        yield []

    def _thumbnail(self, name: str, entry: Entry) -> VirtualFile | Preparation:
        """Give a thumbnail, or have it made. Raises VariantForbidden, ContentTooLarge."""
        variants = self._all.variants
        shelf = variants.read_shelf(entry)
        try:
            wanted = shelf.normalise(thumbnail_request(SIZES[self._size], shelf.source))
        except OrientationUnknown:
            return variants.workshop.find_orientation(shelf.original)
        if stored := shelf.find(wanted):
            return self._stored_file(name, entry, stored)
        if variants.settings.rules.settings_for(entry.path).on_demand is not OnDemand.ENABLED:
            raise VariantForbidden("thumbnails are not made on demand here")
        order = variants.make_order(entry, shelf, wanted, in_advance=False)
        scratch = variants.workshop.find_scratch(order)
        if scratch is None:
            return variants.workshop.demand(order)
        return self._file(name, entry, order.key, scratch.size, lambda: ScratchReading(scratch, token=scratch))

    def _stored_file(self, name: str, entry: Entry, stored: StoredVariant) -> VirtualFile:
        plain = self._all.variants.file_of(entry, stored)
        return self._file(name, entry, stored.id, plain.stat.size, plain.begin_reading)

    def _file(
        self, name: str, entry: Entry, identity: object, size: int, begin_reading: Callable[[], Reading]
    ) -> VirtualFile:
        mtime_ns = self._all.variants.settings.defaults.stat_entry(entry, size=0).mtime_ns
        texts = shared_texts(name, mtime_ns)
        return VirtualFile(
            stat=self._all.variants.stat_of(
                entry,
                node_id=virtual_id("thumbnail", identity, texts),
                size=size + len(texts),
                mtime_ns=mtime_ns,
            ),
            content_type=ImageFormat.PNG.content_type,
            begin_reading=lambda: _TextedReading(begin_reading(), texts),
        )


@dataclass(frozen=True, slots=True)
class _TextedReading:
    """A PNG with chunks of text behind its head."""

    plain: Reading
    texts: bytes

    @property
    def token(self) -> object:
        """The PNG and the texts."""
        return (self.plain.token, self.texts) if self.plain.token is not None else None

    @property
    def is_at_hand(self) -> bool:
        """Whether the PNG is here."""
        return self.plain.is_at_hand

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`."""
        behind = PNG_HEAD_BYTES + len(self.texts)
        if offset >= behind:
            return self.plain.read(length, offset - len(self.texts))
        begun = self.plain.read(PNG_HEAD_BYTES, 0) + self.texts
        rest = self.plain.read(max(0, offset + length - behind), PNG_HEAD_BYTES)
        return (begun + rest)[offset : offset + length]

    def close(self) -> None:
        """Let go of the PNG."""
        self.plain.close()
