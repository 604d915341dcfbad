"""Nodes: what a name of the stored tree denotes. Values, as of the moment they were read; light, for listings.

Times are nanoseconds since 1970, UTC. A node that no mount has changed yet has no row of ours: it is not
`made`, its `id` is derived from its path or asset, and the row takes that id when it is made. So `id`, which
is the inode number, stays the same on every mount, over renames, overwrites and remounts.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import ObjectRef

ROOT_ID: Final = 1
_DERIVED: Final = 1 << 62


def derived_id(identity: AssetPath | UUID) -> int:
    """Give the id, 2^62 to 2^63 - 1, of a directory or entry that has no row of ours."""
    text = identity.ltree if isinstance(identity, AssetPath) else identity.hex
    return _DERIVED | int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What chmod, chown and utimensat set; None is the default of the mount or of the asset."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None


_DEFAULT: Final = Ownership()


class Directory(NamedTuple):
    """A path segment. It exists because an asset lies at or below it, or because a row of ours says so."""

    id: int
    path: AssetPath
    made: bool
    ownership: Ownership = _DEFAULT


class Entry(NamedTuple):
    """An asset at a path. `name` is None when it shows under its default name; `size` is None when unknown.

    `format` and `original` are None when the asset has lost its original; `sha256` is that of its bytes, None where a
    foreign writer stored them.
    """

    id: int
    path: AssetPath
    made: bool
    name: str | None
    asset_id: UUID
    entry_id: int
    format: ImageFormat | None
    original: ObjectRef | None
    size: int | None
    created_at: datetime
    modified_at: datetime
    ownership: Ownership = _DEFAULT
    sha256: bytes | None = None

    @property
    def default_name(self) -> str:
        """`<entryId>.<ext>`."""
        return f"{self.entry_id}{self.format.extension if self.format else ''}"

    @property
    def clashing_name(self) -> str:
        """`<entryId>.<asset id>.<ext>`, for where something else has the default name."""
        return f"{self.entry_id}.{self.asset_id}{self.format.extension if self.format else ''}"


class Symlink(NamedTuple):
    """A symbolic link, kept with the metadata."""

    id: int
    path: AssetPath
    name: str
    target: str
    ownership: Ownership = _DEFAULT


Node = Directory | Entry | Symlink
