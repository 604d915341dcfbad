"""What the operations share: the tree, the kernel's inodes, and the threads for what may block.

Lives on the trio thread.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Concatenate, Final, ParamSpec, TypeVar

import pyfuse3
import trio

from konifer_fs.domain.errors import MovedOn, NoSuchName, NotADirectory, ReadOnly, StoreUnreachable
from konifer_fs.domain.node import Directory
from konifer_fs.fuse.attributes import to_attributes
from konifer_fs.fuse.coherence import Coherence, Mark
from konifer_fs.fuse.crowding import Crowding
from konifer_fs.fuse.inodes import Inode, Inodes
from konifer_fs.fuse.kernel_caches import KernelCaches
from konifer_fs.fuse.listing_ahead import ListingAhead
from konifer_fs.fuse.offload import Offload
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.vfs.nodes import AnyDirectory, Node
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import Preparation, VirtualDirectory

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Of one name: its original's orientation, and the picture; what is gone again after that is not chased.
_PREPARATIONS: Final = 3


class Session:
    """One mount's conversation with the kernel."""

    def __init__(self, filesystem: FileSystem) -> None:
        self.fs: Final = filesystem
        self.offload: Final = Offload()
        self.inodes: Final = Inodes(filesystem.root)
        self.kernel_caches: Final = KernelCaches()
        self.coherence: Final = Coherence(self.inodes, self.kernel_caches, filesystem.note_moved)
        self.listing_ahead: Final = ListingAhead(self.inodes, self.coherence, self.offload, filesystem.tree)
        self.crowding: Final = Crowding(self.inodes, self.kernel_caches)

    def introduce(self, node: Node, shown: Stat, parent: int, name: str, mark: Mark) -> pyfuse3.EntryAttributes:
        """Tell the kernel of a node that was read as `name` since `mark`: it counts as one look-up."""
        inode = self.inodes.note(node, parent, name, mark.at)
        inode.lookups += 1
        self.crowding.relieve()
        return to_attributes(shown, inode.number, self.coherence.believe(inode, mark), generation=inode.generation)

    def confirm(self, inode: Inode, node: Node, mark: Mark) -> float:
        """Take over a node that was read, or changed, since `mark`; gives for how many seconds it is believed."""
        self.inodes.confirm(inode, node, mark.at)
        return self.coherence.believe(inode, mark)

    def node(self, number: int) -> Node:
        """Give the node of an inode as this mount knows it."""
        return self.fs.tree.settled(self.inodes[number].node)

    async def directory(self, number: int) -> Directory:
        """Give a directory in which names can be made and changed; raises ReadOnly for a virtual one."""
        node = await self.any_directory(number)
        if not isinstance(node, Directory):
            raise ReadOnly
        return node

    async def any_directory(self, number: int) -> AnyDirectory:
        """Give a directory, read again when it is not believed any more: it may have been moved.

        While no store answers, it is what is known of it.
        """
        inode = self.inodes[number]
        if isinstance(inode.node, VirtualDirectory) or time.monotonic() > inode.believed_until:
            mark = self.coherence.mark()
            try:
                self.confirm(inode, await self.offload.ask(self.fs.tree.refresh, inode.node), mark)
            except StoreUnreachable as error:
                log.info("what is known of %d is used: %s", number, error)
        if not isinstance(inode.node, AnyDirectory):
            raise NotADirectory
        return inode.node

    async def find(self, number: int, name: str) -> tuple[Node, Stat]:
        """Give what `name` denotes in a directory, once it is made; no thread waits for that. Raises NoSuchName."""
        if not isinstance(self.inodes[number].node, VirtualDirectory):  # These find out by themselves.
            await self.any_directory(number)
        for _ in range(_PREPARATIONS):
            found = await self.ask_of(number, self._find, name)
            if not isinstance(found, Future):
                return found
            await _wait(found)
        raise MovedOn(name)

    def _find(self, directory: Node, name: str) -> tuple[Node, Stat] | Preparation:
        tree = self.fs.tree
        if not isinstance(directory, AnyDirectory):
            raise NotADirectory
        found = directory.names.find(name) if isinstance(directory, VirtualDirectory) else tree.find(directory, name)
        if found is None:
            raise NoSuchName(name)
        return found if isinstance(found, Future) else (found, tree.stat_all([found])[0])

    async def ask_of(
        self, number: int, function: Callable[Concatenate[Node, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call `function` with the node in a thread; when that has moved on, once more with what it is now."""
        try:
            return await self.offload.ask(function, self.node(number), *args, **kwargs)
        except MovedOn:
            mark = self.coherence.mark()
            node = await self._find_again(self.node(number))
            self.confirm(self.inodes[number], node, mark)
            return await self.offload.ask(function, node, *args, **kwargs)

    async def _find_again(self, node: Node) -> Node:
        """Read a node again; of a file that is gone, but open here, give its draft. Raises MovedOn when it is gone."""
        try:
            return await self.offload.ask(self.fs.tree.refresh, node)
        except MovedOn:
            return await self.offload.transfer(self.fs.orphans.adopt, node)


async def _wait(work: Preparation) -> None:
    """Wait until `work` is done; raises what it raised."""
    done, token = trio.Event(), trio.lowlevel.current_trio_token()

    def tell(_: Preparation) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(done.set)

    work.add_done_callback(tell)
    await done.wait()
    work.result()
