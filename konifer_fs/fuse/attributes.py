"""What pyfuse3 wants to be given: attributes, names and file-system figures in its own types."""

from typing import Final

import pyfuse3

from konifer_fs.domain.errors import NameNotText
from konifer_fs.domain.node import Ownership
from konifer_fs.ports import Space
from konifer_fs.vfs.stat import Stat

_BLOCK: Final = 512
_IO_SIZE: Final = 4096
_NAME_MAX: Final = 255
# What a bigint holds, the years 1677 to 2262: other times are clamped, as the kernel does for local file systems.
_FIRST_NS: Final = -(1 << 63)
_LAST_NS: Final = (1 << 63) - 1


def to_text(name: bytes) -> str:
    """Decode a name from the kernel; raises NameNotText."""
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise NameNotText(ascii(name)) from error


def absent(seconds: float) -> pyfuse3.EntryAttributes:
    """Tell that nothing has the name, which the kernel may believe for so long."""
    attributes = pyfuse3.EntryAttributes()
    attributes.st_ino = pyfuse3.InodeT(0)
    attributes.entry_timeout = seconds
    return attributes


def to_attributes(
    shown: Stat, number: int, seconds: float, *, name_seconds: float | None = None, generation: int = 0
) -> pyfuse3.EntryAttributes:
    """Give a node's attributes under an inode number; the kernel believes them for so long, and its name as long."""
    attributes = pyfuse3.EntryAttributes()
    attributes.st_ino = pyfuse3.InodeT(number)
    attributes.generation = generation
    attributes.attr_timeout = 0 if shown.is_volatile else seconds
    attributes.entry_timeout = attributes.attr_timeout if name_seconds is None else name_seconds
    attributes.st_mode = pyfuse3.ModeT(shown.mode)
    attributes.st_nlink = shown.nlink
    attributes.st_uid = shown.uid
    attributes.st_gid = shown.gid
    attributes.st_size = shown.size
    attributes.st_blksize = _IO_SIZE
    attributes.st_blocks = (shown.size + _BLOCK - 1) // _BLOCK
    attributes.st_atime_ns = shown.mtime_ns
    attributes.st_mtime_ns = shown.mtime_ns
    attributes.st_ctime_ns = shown.ctime_ns
    return attributes


def to_ownership(attr: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> Ownership:
    """Give what a `setattr` asks to change, but for the size; access times are not kept."""
    return Ownership(
        mode=attr.st_mode & 0o7777 if fields.update_mode else None,
        uid=attr.st_uid if fields.update_uid else None,
        gid=attr.st_gid if fields.update_gid else None,
        mtime_ns=max(_FIRST_NS, min(attr.st_mtime_ns, _LAST_NS)) if fields.update_mtime else None,
    )


def to_statvfs(space: Space) -> pyfuse3.StatvfsData:
    """Give the figures of `statfs(2)`."""
    shown = pyfuse3.StatvfsData()
    shown.f_bsize = shown.f_frsize = _IO_SIZE
    shown.f_blocks = space.total // _IO_SIZE
    shown.f_bfree = space.free // _IO_SIZE
    shown.f_bavail = space.available // _IO_SIZE
    shown.f_files = shown.f_ffree = shown.f_favail = 0
    shown.f_namemax = _NAME_MAX
    return shown
