"""Which inode shows which bytes of a file: one that is replaced elsewhere while it is open here has several.

The handles on an inode share its pages in the kernel, and its size, at which the kernel cuts what they read. So what
the file is now has an inode of its own beside that of those who read what it was, until the kernel has forgotten it.

Lives on the trio thread.
"""

from itertools import count
from typing import Final

from konifer_fs.domain.errors import MovedOn
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.opened import OpenFile

# Ids of rows are lower, those that are made up or derived begin at 2^61.
_FIRST: Final = 1 << 60


class Versions:
    """The inode numbers of files, by what is open on them."""

    def __init__(self) -> None:
        self._open: dict[int, set[OpenFile]] = {}
        self._beside: dict[int, list[int]] = {}
        self._ids: dict[int, int] = {}
        self._free = count(_FIRST)

    def note_opened(self, number: int, opened: OpenFile) -> None:
        """Note that a file was opened on the inode with a number."""
        self._open.setdefault(number, set()).add(opened)

    def note_closed(self, number: int, opened: OpenFile) -> None:
        """Note that it is closed."""
        files = self._open[number]
        files.discard(opened)
        if not files:
            del self._open[number]

    def have_bytes_of(self, opened: OpenFile, number: int) -> bool:
        """Whether all that is open on an inode is on these bytes."""
        return all(opened.has_bytes_of(other) for other in self._open.get(number, ()))

    def numbers_of(self, node_id: int) -> list[int]:
        """Give the numbers of a node, the newest first."""
        return [*reversed(self._beside.get(node_id, ())), node_id]

    def find(self, node: Node) -> int | None:
        """Give the number of a node as it is now, None when it needs another one."""
        if node.id not in self._beside and node.id not in self._open:
            return node.id
        fitting = [number for number in self.numbers_of(node.id) if not self.shows_another(number, node)]
        return next((number for number in fitting if number in self._open), fitting[0] if fitting else None)

    def shows_another(self, number: int, node: Node) -> bool:
        """Whether handles on this inode read what its file was before it was replaced elsewhere by `node`."""
        return any(opened.is_from_before(node) for opened in self._open.get(number, ()))

    def check(self, number: int, node: Node) -> None:
        """Raise MovedOn where `node` has another inode than this, whose handles read what its file was before."""
        if self.shows_another(number, node):
            raise MovedOn

    def add(self, node_id: int) -> int:
        """Give a node another number."""
        number = next(self._free)
        self._beside.setdefault(node_id, []).append(number)
        self._ids[number] = node_id
        return number

    def forget(self, number: int) -> None:
        """Take back a number that was added; no effect for another one."""
        node_id = self._ids.pop(number, None)
        if node_id is not None:
            self._beside[node_id].remove(number)
            if not self._beside[node_id]:
                del self._beside[node_id]
