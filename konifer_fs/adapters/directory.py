"""The object store in a directory of this machine: `<mount-path>/<bucket>/<key>`, as Konifer lays it out.

`wiring` makes it for the `filesystem` provider and for the embedded default. Keys are opaque here: who chooses
them, and which row points to them, is not this module's business.
"""

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from konifer_fs.domain.errors import (
    ContentUnreadable,
    KoniferFsError,
    ObjectMissing,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Part, Space, StoredObject

_TEMPORARY_PREFIX: Final = ".konifer-fs-"
_LEFTOVER_SECONDS: Final = 24 * 60 * 60
_PAGE: Final = 1000
_READ_PIECE: Final = 1 << 20
_COPY_PIECE: Final = 1 << 26
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED: Final = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip
_NO_KERNEL_COPY: Final = {errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EPERM}
_NO_LINK: Final = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EEXIST}


class DirectoryObjectStore:
    """Objects as files. A bucket is a real directory, an object a real file: symbolic links are refused.

    A bucket that is made here is as open to others as the store's directory, and an object as its bucket, whatever the
    umask: who may look into that may read it. The group is inherited where set-gid says so.
    """

    def __init__(self, mount_path: Path) -> None:
        self._mount_path = mount_path

    def put(self, ref: ObjectRef, source: Path, content_type: str) -> None:  # noqa: ARG002 - a file has no type
        """Give the file `source` the object's name too, or to a copy where file systems allow no link; it is durable.

        A link costs a sixth of a copy of 141 kB.

        Raises:
            StoreFull: the disk or a quota is.
            StoreRefused: `ref` is not a plain name within a bucket, or the directory cannot be written to.
            StoreUnreachable: the directory is not there, or its device fails.
            ContentUnreadable: `source` cannot be read, or changed meanwhile.
        """
        key = _plain_name(ref.key)
        with (
            self._bucket(ref.bucket, create=True) as bucket,
            _reported(ref, missing=StoreUnreachable),
            _opened_source(source) as original,
        ):
            if not self._link(source, original, bucket, key):
                _copy_durably(original, bucket, key)
            os.fsync(bucket)

    def _link(self, source: Path, original: int, bucket: int, key: str) -> bool:
        """Let the source be the object; gives whether it is. Its time becomes that of this put.

        It is forced to disk under its second name: a file system with a journal then writes that only once.
        """
        facts, above = os.fstat(original), os.fstat(bucket)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            return False
        if stat.S_IMODE(facts.st_mode) != _object_mode(above):
            os.fchmod(original, _object_mode(above))
        os.utime(original)
        try:
            if above.st_mode & stat.S_ISGID and facts.st_gid != above.st_gid:
                os.fchown(original, -1, above.st_gid)
            os.link(source, key, dst_dir_fd=bucket, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            if error.errno != errno.EEXIST or not os.path.samestat(facts, _stat(bucket, key)):
                return False
            os.fsync(original)
        else:
            with _removed_on_failure(bucket, key):
                os.fsync(original)
        return True

    def fetch(self, ref: ObjectRef, target: BinaryIO, part: Part | None = None) -> None:
        """Write the object, or a part of it, to `target` in pieces of 1 MiB.

        Raises ObjectMissing, StoreUnreachable, StoreRefused, ContentUnreadable.
        """
        with self._opened(ref) as (file, size):
            part = part or Part(0, size, size)
            part.check_size(ref, size)
            os.lseek(file, part.start, os.SEEK_SET)
            left = part.stop - part.start
            while left and (piece := _read_piece(ref, file, left)):
                target.write(piece)
                left -= len(piece)

    def local_path(self, ref: ObjectRef) -> Path:
        """Give the object's file; raises ObjectMissing, StoreUnreachable, StoreRefused."""
        with self._opened(ref):
            return self._mount_path / ref.bucket / ref.key

    def size(self, ref: ObjectRef) -> int:
        """Give the object's size in bytes; raises ObjectMissing, StoreUnreachable, StoreRefused."""
        with self._opened(ref) as (_, size):
            return size

    def sizes(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, int]:
        """Give the sizes of those that are there; raises StoreUnreachable, StoreRefused."""
        found = {}
        for ref in refs:
            with suppress(ObjectMissing):
                found[ref] = self.size(ref)
        return found

    def find_object(self, ref: ObjectRef) -> StoredObject | None:
        """Tell of an object; raises StoreUnreachable, StoreRefused."""
        if _is_plain(ref.key):
            with suppress(ObjectMissing), self._bucket(ref.bucket) as bucket, _reported(ref):
                return _find_file(bucket, ref.key)
        return None

    def list_objects(self, bucket: str, after: str = "") -> Iterator[Sequence[StoredObject]]:
        """Tell of all objects in `bucket`, by key, in pages; none where no put has made its directory yet.

        Raises StoreUnreachable, StoreRefused.
        """
        with suppress(ObjectMissing), self._bucket(bucket) as opened:
            names = (name for name in _list_sorted(opened) if name.encode() > after.encode())
            with _reported(self._mount_path / bucket):
                while page := list(islice(names, _PAGE)):
                    yield [found for name in page if (found := _find_file(opened, name))]

    def delete(self, ref: ObjectRef) -> None:
        """Remove the object durably; it is no error when it is not there."""
        key = _plain_name(ref.key)
        with suppress(ObjectMissing), self._bucket(ref.bucket) as bucket, _reported(ref):
            os.unlink(key, dir_fd=bucket)
            os.fsync(bucket)

    def check(self, bucket: str) -> None:
        """Make the bucket's directory where it is missing, drop what crashes left in it, write and remove a probe."""
        probe = f"{_TEMPORARY_PREFIX}{uuid4().hex}"
        with self._bucket(bucket, create=True) as opened, _reported(self._mount_path / bucket):
            _drop_leftovers(opened)
            file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=opened)
            try:
                os.write(file, b"probe")
            finally:
                os.close(file)
                os.unlink(probe, dir_fd=opened)

    def free_space(self) -> Space:
        """Give the room in the file system below."""
        with _reported(self._mount_path, missing=StoreUnreachable):
            facts = os.statvfs(self._mount_path)
        return Space(*(blocks * facts.f_frsize for blocks in (facts.f_blocks, facts.f_bfree, facts.f_bavail)))

    def close(self) -> None:
        """Nothing is kept open."""

    @contextmanager
    def _bucket(self, name: str, *, create: bool = False) -> Iterator[int]:
        """Open a bucket's directory; raises ObjectMissing unless it is there or to be made."""
        with self._opened_mount_path() as root, _reported(self._mount_path / name):
            try:
                bucket = _open_directory(_plain_name(name), root)
            except FileNotFoundError:
                if not create:
                    raise
                bucket = _make_directory(name, root)
        try:
            yield bucket
        finally:
            os.close(bucket)

    @contextmanager
    def _opened_mount_path(self) -> Iterator[int]:
        """Open the store's own directory. It is never made here: it may be a disk that is not mounted."""
        with _reported(self._mount_path, missing=StoreUnreachable):
            root = os.open(self._mount_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield root
        finally:
            os.close(root)

    @contextmanager
    def _opened(self, ref: ObjectRef) -> Iterator[tuple[int, int]]:
        """Open an object for reading; gives its descriptor and its size."""
        key = _plain_name(ref.key)
        with self._bucket(ref.bucket) as bucket, _reported(ref):
            # O_NONBLOCK, lest a FIFO of that name holds us up.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(key, flags, dir_fd=bucket)
        try:
            facts = os.fstat(file)
            if not stat.S_ISREG(facts.st_mode):
                raise StoreRefused(f"{ref.bucket}/{ref.key} is not a file")
            yield file, facts.st_size
        finally:
            os.close(file)


def _plain_name(name: str) -> str:
    """Give `name` back if it denotes something directly below a directory, and nothing of ours.

    A leading dot is refused, which covers `.` and `..`: such names are for what is not complete yet.
    """
    if not _is_plain(name):
        raise StoreRefused(f"{name!r} cannot be the name of a bucket or an object")
    return name


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


@contextmanager
def _reported(what: ObjectRef | Path, *, missing: type[KoniferFsError] = ObjectMissing) -> Iterator[None]:
    """Turn an OSError about `what` into the fact that it is."""
    try:
        yield
    except OSError as error:
        place = f"{what.bucket}/{what.key}" if isinstance(what, ObjectRef) else str(what)
        detail = f"{place}: {error.strerror}"
        if error.errno == errno.ENOENT:
            raise missing(detail) from error
        if error.errno in _FULL:
            raise StoreFull(detail) from error
        if error.errno in _REFUSED:
            raise StoreRefused(detail) from error
        raise StoreUnreachable(detail) from error


@contextmanager
def _opened_source(source: Path) -> Iterator[int]:
    try:
        file = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ContentUnreadable(f"{source.name}: {error.strerror}") from error
    try:
        yield file
    finally:
        os.close(file)


def _object_mode(bucket: os.stat_result) -> int:
    return bucket.st_mode & 0o666


def _copy_durably(source: int, bucket: int, key: str) -> None:
    """Copy an open file under a temporary name, then name it `key`."""
    temporary = f"{_TEMPORARY_PREFIX}{uuid4().hex}"
    with _removed_on_failure(bucket, temporary):
        copy = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=bucket)
        try:
            _copy(source, copy)
            os.fchmod(copy, _object_mode(os.fstat(bucket)))
            os.fsync(copy)
        finally:
            os.close(copy)
        os.rename(temporary, key, src_dir_fd=bucket, dst_dir_fd=bucket)


@contextmanager
def _removed_on_failure(bucket: int, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=bucket)
        raise


def _copy(source: int, target: int) -> None:
    """Copy all of `source`, in the kernel; the two may lie on different file systems."""
    size = os.fstat(source).st_size
    copied = _copy_range(source, target, size)
    while copied < size and (count := os.sendfile(target, source, copied, _COPY_PIECE)):
        copied += count
    if copied != size:
        raise ContentUnreadable("it changed while it was stored")


def _copy_range(source: int, target: int, size: int) -> int:
    """Copy by copy_file_range, which shares blocks where it can; gives how far the file systems let it come."""
    copied = 0
    try:
        while copied < size and (count := os.copy_file_range(source, target, min(size - copied, _COPY_PIECE), copied)):
            copied += count
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY:
            raise
    return copied


def _read_piece(ref: ObjectRef, file: int, most: int) -> bytes:
    with _reported(ref):
        return os.read(file, min(most, _READ_PIECE))


def _stat(bucket: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=bucket, follow_symlinks=False)


def _find_file(bucket: int, name: str) -> StoredObject | None:
    try:
        facts = _stat(bucket, name)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    return StoredObject(name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))


def _list_sorted(bucket: int) -> Iterator[str]:
    """Give the names that keys can have, by their bytes. They are sorted on disk: a million take 100 MiB of memory."""
    try:
        with closing(sqlite3.connect("")) as sorter, os.scandir(bucket) as entries:
            sorter.execute("CREATE TABLE entry (name BLOB)")
            names = ((os.fsencode(entry.name),) for entry in entries if _is_plain(entry.name))
            sorter.executemany("INSERT INTO entry VALUES (?)", names)
            for (name,) in sorter.execute("SELECT name FROM entry ORDER BY name"):
                with suppress(UnicodeDecodeError):
                    yield name.decode()
    except sqlite3.Error as error:
        raise StoreUnreachable(f"a directory's names cannot be sorted on this machine's disk: {error}") from error


def _open_directory(name: str, root: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)


def _make_directory(name: str, root: int) -> int:
    """Make and open a directory, unless it is there by now; its set-gid is the kernel's to inherit."""
    is_new = False
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=root)
        is_new = True
    made = _open_directory(name, root)
    try:
        if is_new:
            os.fchmod(made, os.fstat(made).st_mode & stat.S_ISGID | os.fstat(root).st_mode & 0o1777)
        os.fsync(root)
    except BaseException:
        os.close(made)
        raise
    return made


def _drop_leftovers(bucket: int) -> None:
    """Remove our temporary files that no living process can still be writing."""
    oldest = time.time() - _LEFTOVER_SECONDS
    with os.scandir(bucket) as entries:
        for entry in entries:
            if not entry.name.startswith(_TEMPORARY_PREFIX):
                continue
            with suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.name, dir_fd=bucket)
