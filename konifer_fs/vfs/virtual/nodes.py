"""The seam of virtual nodes: what the tree and the operations know of directories, files and links that are made up.

They can be looked up, listed, read, and removed where that means something; nothing else changes them. The kernel asks
for them each time, so a node is what it was at its look-up. Each module beside this one makes nodes of one kind.
"""

import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol, runtime_checkable

from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.stat import Stat

_MADE_UP: Final = 1 << 61


class Reading(Protocol):
    """The bytes of an open virtual file. Thread-safe."""

    @property
    def token(self) -> object:
        """What the bytes are: equal tokens, equal bytes; None when the kernel must not keep them."""
        ...

    @property
    def is_at_hand(self) -> bool:
        """Whether reading will not have to fetch anything first."""
        ...

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`; fewer only at the end. Raises MovedOn when they are gone."""
        ...

    def close(self) -> None:
        """Let go of the bytes; called once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualFile:
    """A file that can be read; `begin_reading` raises MovedOn when it is not what it was at its look-up."""

    stat: Stat
    content_type: str
    begin_reading: Callable[[], Reading]

    @property
    def id(self) -> int:
        """The inode number."""
        return self.stat.id


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualLink:
    """A symbolic link; `target` is relative to the directory that it is in."""

    stat: Stat
    target: str

    @property
    def id(self) -> int:
        """The inode number."""
        return self.stat.id


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDirectory:
    """A directory of virtual nodes."""

    stat: Stat
    names: "Names | StreamedNames"

    @property
    def id(self) -> int:
        """The inode number."""
        return self.stat.id


VirtualNode = VirtualDirectory | VirtualFile | VirtualLink
Preparation = Future[object]
# What JSON can say of a name in a directory of many.
Record = Sequence[str | int | None]


class AnyNames(Protocol):
    """What a virtual directory holds. Thread-safe."""

    def refreshed(self) -> VirtualDirectory:
        """Give the directory as it is now; raises MovedOn when it is gone."""
        ...

    def find(self, name: str) -> VirtualNode | Preparation | None:
        """Give what `name` denotes, or the work that has to be done first: then ask again."""
        ...


class Names(AnyNames, Protocol):
    """What a directory of few names holds."""

    def list_all(self) -> Iterator[Sequence[tuple[str, VirtualNode]]]:
        """Give names and nodes in pages; nothing is made for it."""
        ...


@runtime_checkable
class StreamedNames(AnyNames, Protocol):
    """What a directory of any number of names holds: whoever lists it writes records down, and restores some at a time.

    Names are in the order of the stream, and each is there once.
    """

    def stream(self) -> Iterator[Sequence[Record]]:
        """Give a record of each name, in pages; to be read on without a pause."""
        ...

    def restore(self, record: Record) -> tuple[str, VirtualNode]:
        """Give the name and node of a record; asks no store."""
        ...


@runtime_checkable
class RemovableNames(Protocol):
    """What a directory holds whose names can be removed; from others nothing can."""

    def remove(self, name: str, caller: Caller, /) -> None:
        """Remove what `name` denotes; raises NoSuchName, NameReserved (it always exists), ReadOnly, AccessDenied.

        The kernel has found that `caller` may write this directory.
        """
        ...


def virtual_id(*identity: object) -> int:
    """Give the id, 2^61 to 2^62 - 1, of what `identity` names: no node has it, neither by its row nor derived."""
    text = "/".join(map(str, identity))
    return _MADE_UP | int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 3


def as_file(like: Stat, *, node_id: int, size: int, mtime_ns: int) -> Stat:
    """Give the attributes of a virtual file with the owner and permissions of another, but for running it."""
    mode = stat.S_IFREG | (like.mode & 0o666)
    return like._replace(id=node_id, mode=mode, size=size, mtime_ns=mtime_ns, ctime_ns=mtime_ns, is_volatile=True)


def as_link(like: Stat, *, node_id: int, target: str, mtime_ns: int) -> Stat:
    """Give the attributes of a virtual link with the owner of another node; everyone may follow it."""
    return Stat(
        id=node_id,
        mode=stat.S_IFLNK | 0o777,
        uid=like.uid,
        gid=like.gid,
        size=len(target.encode()),
        mtime_ns=mtime_ns,
        ctime_ns=mtime_ns,
        is_volatile=True,
    )


def as_directory(like: Stat, *, node_id: int, is_checked: bool = False) -> Stat:
    """Give the attributes of a virtual directory: who may read what it belongs to may enter it.

    Where it `is_checked` what may be done there, who may enter may try.
    """
    mode = stat.S_IFDIR | (like.mode & 0o666) | (like.mode & 0o444) >> 2
    if is_checked:
        mode |= (like.mode & 0o444) >> 1
    return like._replace(id=node_id, mode=mode, size=0, is_volatile=True)
