"""How many inodes the kernel may know: it keeps what a walk has met for as long as it has memory, and so would we.

Lives on the trio thread. Beyond `MOST_KNOWN`, which take about 200 MiB here, it is asked to forget those that it has
known longest; it keeps those that somebody uses, and directories while it knows something in them. The next ones are
asked for when as many came as it would not forget.
"""

from typing import Final

from konifer_fs.fuse.inodes import Inodes
from konifer_fs.fuse.kernel_caches import KernelCaches, Unneeded
from konifer_fs.vfs.nodes import AnyDirectory

MOST_KNOWN: Final = 100_000
_AT_ONCE: Final = 10_000


class Crowding:
    """Keeps the number of inodes of a mount within bounds."""

    def __init__(self, inodes: Inodes, caches: KernelCaches) -> None:
        self._inodes = inodes
        self._caches = caches
        self._bound = MOST_KNOWN

    def relieve(self) -> None:
        """Have the kernel forget some inodes if it knows too many; costs nothing if not."""
        known = len(self._inodes)
        if known > self._bound:
            oldest = self._inodes.take_oldest(_AT_ONCE)
            names = [(inode.parent, inode.name) for inode in oldest if not isinstance(inode.node, AnyDirectory)]
            self._caches.let_go(Unneeded([inode.number for inode in oldest], names))
            self._bound = known + _AT_ONCE // 2
        else:
            self._bound = max(MOST_KNOWN, min(self._bound, known + _AT_ONCE // 2))
