"""The spool: a mount's own directory on fast local disk, for drafts and for contents fetched from afar.

Each draft is `drafts/<id>.data` and its record `drafts/<id>.json`. A record is *noted* before the bytes change: that
takes some microseconds and outlives this process. What has been promised is *saved*: forced to disk, it outlives the
machine, too. Of what was only noted when the machine stopped, the bytes are in doubt, and it is not taken for a file.

A few files are kept empty, for the next drafts: to make and remove one for each costs more than to write it. Scratch
files have no name at all, so nothing is left of them whatever happens; what another process makes for the mount is in
`renderings` meanwhile. `leftovers` tell of objects that an upload may have left in a store. One mount at a time holds
the directory, and it belongs to one store and subpath: the file `owner` says which.

Bytes are charged to allowances by apparent size; over one, a write raises SpoolFull and changes nothing.
"""

import fcntl
import logging
import os
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from uuid import uuid4

from konifer_fs.domain.errors import KoniferFsError, SpoolInUse, StoreRefused
from konifer_fs.spool.files import Allowance, Empty, SpoolFile, fingerprint_of, remove
from konifer_fs.spool.records import Record, SpoolRecord, read_record, replace_synced, take_marks, telling_full

__all__ = [
    "Allowance", "Kept", "Record", "Spool", "SpoolFile", "fingerprint_of", "list_kept", "read_owner", "telling_full",
]  # fmt: skip

log = logging.getLogger(__name__)

_DRAFTS: Final = "drafts"
_RENDERINGS: Final = "renderings"
_LEFTOVERS: Final = "leftovers"
_OWNER: Final = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A draft of an earlier process; `is_certain` is whether its bytes are known to be what was written."""

    file: SpoolFile
    record: Record
    is_certain: bool


class Spool:
    """The directory: gives spool files, keeps drafts' records, and holds the lock.

    Args:
        directory: made with mode 0700 when it is not there.
        owner: what this spool belongs to, for people and for comparing: store identity and subpath, `<uuid>/users/123`.
        max_bytes: for drafts and fetched contents together.
        local_max_bytes: for local files, which are charged to `local` instead.

    Raises:
        SpoolInUse: another mount holds it, or it holds drafts of another store or subpath.
        StoreRefused: it cannot be made or written to.
    """

    def __init__(self, directory: Path, *, owner: str, max_bytes: int, local_max_bytes: int) -> None:
        self.directory: Final = directory
        self.drafts: Final = Allowance(max_bytes, "filesystem.spool-max-bytes")
        self.local: Final = Allowance(local_max_bytes, "filesystem.local-max-bytes")
        self._empty: Final[Empty] = deque()
        try:
            for name in (_DRAFTS, _RENDERINGS, _LEFTOVERS):
                (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreRefused(f"the spool {directory} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._claim(owner)
        except BlockingIOError as error:
            os.close(self._lock)
            raise SpoolInUse(str(directory)) from error
        except KoniferFsError:
            os.close(self._lock)
            raise

    def _claim(self, owner: str) -> None:
        file = self.directory / _OWNER
        known = read_owner(self.directory)
        if known != owner and self._holds_anything():
            whose = f"of {known}" if known else f"of which {file} does not tell whose they are"
            raise SpoolInUse(f"{self.directory} holds drafts {whose}, this mount is of {owner}")
        if known != owner:
            replace_synced(file, owner.encode())
        for path in (self.directory / _RENDERINGS).iterdir():
            path.unlink()

    def _holds_anything(self) -> bool:
        for path in (self.directory / _DRAFTS).glob("*.json"):
            try:
                if read_record(path) is not None:
                    return True
            except ValueError:
                return True
        return any((self.directory / _LEFTOVERS).iterdir())

    def create(self) -> SpoolFile:
        """Give an open, empty spool file for a draft. Raises SpoolFull."""
        try:
            path, descriptor, record = self._empty.pop()
        except IndexError:
            path, descriptor, record = self.directory / _DRAFTS / f"{uuid4()}.data", -1, -1
        spool_record = SpoolRecord(path.with_suffix(".json"), record)
        file = SpoolFile(path, spool_record, self.drafts, empty=self._empty, descriptor=descriptor)
        file.open()
        return file

    def scratch(self) -> BinaryIO:
        """Give an unnamed file that is gone when closed; charge what is put into it with `drafts.take`.

        Raises SpoolFull.
        """
        with telling_full():
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self.directory))

    @contextmanager
    def made_elsewhere(self) -> Iterator[Path]:
        """Give a name under which another process can make a file, which is gone afterwards."""
        path = self.directory / _RENDERINGS / str(uuid4())
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def load(self) -> Iterator[Kept]:
        """Give the drafts of an earlier process; what has no record is removed, and what the machine's end left half.

        A record that cannot be read is left alone with its bytes, for a person to look at.
        """
        for path in sorted((self.directory / _DRAFTS).iterdir()):
            try:
                record = read_record(path.with_suffix(".json"))
            except ValueError as error:
                log.warning("%s is left alone, for its record cannot be read: %s", path, error)
                continue
            if record is None or path.suffix not in {".data", ".json"} or not path.with_suffix(".data").exists():
                path.unlink(missing_ok=True)
            elif path.suffix == ".data" and (kept := self._load(path, record)):
                yield kept

    def _load(self, path: Path, record: dict[str, Any]) -> Kept | None:
        is_certain, is_saved = take_marks(record)
        if not is_certain and not is_saved:
            log.warning("%s is lost: it was being written when the machine stopped", record.get("name"))
            remove(path)
            return None
        spool_record = SpoolRecord(path.with_suffix(".json"), exists=True, is_saved=is_saved)
        file = SpoolFile(path, spool_record, self.drafts, path.stat().st_size)
        return Kept(file=file, record=record, is_certain=is_certain)

    def note_leftover(self, name: str, record: Record) -> None:
        """Remember something until `drop_leftover`, beyond this process; raises SpoolFull."""
        with closing(SpoolRecord(self.directory / _LEFTOVERS / name)) as kept:
            kept.note(record)

    def list_leftovers(self, before: float) -> Iterator[tuple[str, Record]]:
        """Give what was noted before a time (seconds since 1970), with its name.

        A note that cannot be read is removed: it was not forced to disk, and the machine's end has taken what it told.
        """
        for path in sorted((self.directory / _LEFTOVERS).iterdir()):
            if path.stat().st_mtime >= before:
                continue
            try:
                record = read_record(path)
            except ValueError:
                record = None
            if record:
                yield path.name, record
            else:
                log.warning("the note of upload %s is lost: `konifer-fs gc` finds what it may have left", path.name)
                self.drop_leftover(path.name)

    def drop_leftover(self, name: str) -> None:
        """Forget what was noted under `name`."""
        (self.directory / _LEFTOVERS / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the empty files and let go of the lock."""
        for blank in self._empty:
            blank.remove()
        self._empty.clear()
        os.close(self._lock)


def read_owner(directory: Path) -> str:
    """Give whom a spool belongs to, as `Spool` was told, or nothing where that was not written down."""
    file = directory / _OWNER
    return file.read_text() if file.exists() else ""


def list_kept(directory: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give the bytes and the record of each draft in a spool that nobody need hold; what cannot be read is left out."""
    for path in sorted((directory / _DRAFTS).glob("*.data")):
        try:
            record = read_record(path.with_suffix(".json"))
        except ValueError:
            continue
        if record is not None:
            yield path, record
