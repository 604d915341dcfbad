"""Extended attributes that were read, told again from memory. Lives on the trio thread.

They are kept by place, an inode number of a directory and a name there, for a rename changes what is said of a node,
and tells of places. Room is made before the reading, and dropped by whoever learns of a change: what was read before
that has no room any more.
"""

import time
from collections import OrderedDict
from typing import Final

from konifer_fs.domain.node import Entry
from konifer_fs.vfs.nodes import StoredNode
from konifer_fs.vfs.xattrs import StoredXattrs

MOST_NODES: Final = 4096

Place = tuple[int, str]


class Room:
    """Room for the extended attributes of a node, whose reading began at `read_at` on the monotonic clock."""

    __slots__ = ("_node", "read_at", "xattrs")

    def __init__(self, node: StoredNode) -> None:
        self._node = node
        self.read_at = time.monotonic()
        self.xattrs: StoredXattrs | None = None

    def is_for(self, node: StoredNode) -> bool:
        """Whether a node is the one that is read, as far as its attributes are concerned."""
        mine = self._node
        if isinstance(mine, Entry) and isinstance(node, Entry):
            return mine.asset_id == node.asset_id
        return type(mine) is type(node) and mine.id == node.id


class KeptXattrs:
    """The extended attributes kept, of up to `MOST_NODES` nodes: those read first go first."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[Place, Room] = OrderedDict()

    def find(self, place: Place, node: StoredNode) -> Room | None:
        """Give the room of the node at a place, if it has any."""
        room = self._rooms.get(place)
        return room if room is not None and room.is_for(node) else None

    def make_room(self, place: Place, node: StoredNode) -> Room:
        """Make room for what is read of a node from now on, in place of what is kept there."""
        self._rooms.pop(place, None)
        room = self._rooms[place] = Room(node)
        if len(self._rooms) > MOST_NODES:
            self._rooms.popitem(last=False)
        return room

    def drop(self, place: Place) -> None:
        """Drop what is kept, and what is being read, of the node at a place."""
        self._rooms.pop(place, None)

    def drop_older(self, age: float) -> None:
        """Drop what was read so many seconds ago, or longer."""
        until = time.monotonic() - age
        while self._rooms and next(iter(self._rooms.values())).read_at <= until:
            self._rooms.popitem(last=False)

    def clear(self) -> None:
        """Drop everything."""
        self._rooms.clear()
