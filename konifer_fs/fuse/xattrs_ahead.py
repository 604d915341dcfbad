"""Extended attributes that are likely to be asked for next: of the nodes of a directory that somebody goes through.

What is read of a node answers for all its attributes. From the third node in a row on, the next ones are read together
with the one that is asked for, by one statement. Lives on the trio thread.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.fuse.coherence import UNTOLD_SECONDS
from konifer_fs.fuse.inodes import Inode
from konifer_fs.fuse.kept_xattrs import Place
from konifer_fs.fuse.session import Session
from konifer_fs.fuse.walking import Walks
from konifer_fs.vfs.nodes import Node, StoredNode
from konifer_fs.vfs.xattrs import StoredXattrs, is_stored

_FIRST: Final = 8
_MOST: Final = 256


class XattrsAhead:
    """Tells extended attributes, and has them kept before they are asked for.

    They are believed for a second only: nobody tells when labels and tags are changed by SQL.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inodes = session.inodes
        self._xattrs = session.fs.xattrs
        self._entries = Walks(session.inodes.listings, (Entry,), first=_FIRST, most=_MOST)
        self._others = Walks(session.inodes.listings, (Directory, Symlink), first=_FIRST, most=_MOST)

    async def get(self, number: int, name: str) -> bytes:
        """Give the value of an attribute; raises NoSuchAttribute."""
        node = self._session.node(number)
        if self._xattrs.is_at_hand(node, name):
            return self._xattrs.get(node, name)
        if is_stored(node, name) and (stored := await self._read(self._inodes[number], node)):
            return stored.get(node, name)
        return await self._session.ask_of(number, self._xattrs.get, name)

    async def list(self, number: int) -> Sequence[str]:
        """Give the names of the attributes that are set."""
        node = self._session.node(number)
        if self._xattrs.is_at_hand(node):
            return self._xattrs.list(node)
        if is_stored(node) and (stored := await self._read(self._inodes[number], node)):
            return sorted(stored.listed)
        return await self._session.ask_of(number, self._xattrs.list)

    async def _read(self, inode: Inode, node: StoredNode) -> StoredXattrs | None:
        """Give what is kept of a node, else read it, and the next ones of a walk; None when it is gone."""
        kept = self._inodes.xattrs
        kept.drop_older(UNTOLD_SECONDS)
        walks = self._entries if isinstance(node, Entry) else self._others
        walk = walks.note(*inode.place)
        room = kept.find(inode.place, node)
        if room is not None and room.xattrs is not None:
            return room.xattrs
        chosen = {inode.place: node}
        if walk is not None:
            chosen.update(self._wanted(walk.take_ahead(again=True)))
        rooms = [kept.make_room(place, its) for place, its in chosen.items()]
        found = await self._session.offload.ask(self._xattrs.read_each, list(chosen.values()))
        for room, stored in zip(rooms, found, strict=True):
            room.xattrs = stored
        return found[0]

    def _wanted(self, following: Iterable[Node]) -> Iterator[tuple[Place, StoredNode]]:
        """Give the places, and the nodes there, of which nothing is kept or being read."""
        for inode in filter(None, map(self._inodes.find, following)):
            node = inode.node
            if is_stored(node) and self._inodes.xattrs.find(inode.place, node) is None:
                yield inode.place, node
