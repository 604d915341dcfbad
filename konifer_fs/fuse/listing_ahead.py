"""Directories that are likely to be listed next: of a directory that somebody goes through, as `find` and `ls -R` do.

From the third in a row on, the next ones are read together with the one that is asked for, by one statement, and kept.
Lives on the trio thread.
"""

import time
from typing import Final

from konifer_fs.domain.node import Directory
from konifer_fs.fuse.coherence import Coherence
from konifer_fs.fuse.inodes import Inode, Inodes
from konifer_fs.fuse.listings import KeptListing
from konifer_fs.fuse.offload import Offload
from konifer_fs.fuse.walking import Walks
from konifer_fs.vfs.listing import read_each
from konifer_fs.vfs.tree import Tree

_FIRST: Final = 8
_MOST: Final = 256
# Larger directories are read page by page.
_MOST_CHILDREN: Final = 200


class ListingAhead:
    """Has listings kept before they are asked for."""

    def __init__(self, inodes: Inodes, coherence: Coherence, offload: Offload, tree: Tree) -> None:
        self._inodes = inodes
        self._coherence = coherence
        self._offload = offload
        self._tree = tree
        self._walks = Walks(inodes.listings, (Directory,), first=_FIRST, most=_MOST)

    async def note_listed(self, inode: Inode) -> None:
        """Tell that somebody begins to list a directory: it is read, and kept, with the next ones of a walk."""
        listings = self._inodes.listings
        walk = self._walks.note(inode.parent, inode.name)
        if walk is None or not self._can_keep(inode) or not (following := list(walk.take_ahead())):
            return
        known = filter(None, (self._inodes.find(node) for node in following))
        chosen = [(its.number, its.node) for its in (inode, *filter(self._can_keep, known))]
        directories = [node for _, node in chosen if isinstance(node, Directory)]
        mark = self._coherence.mark()
        with listings.noting_drops() as dropped:
            found = await self._offload.ask(read_each, self._tree, directories, _MOST_CHILDREN)
        for (number, _), rows in zip(chosen, found, strict=True):
            if rows is not None and number not in dropped:
                listings.keep(number, KeptListing(rows, mark.at))

    def _can_keep(self, inode: Inode) -> bool:
        """Whether a directory is where it was, as far as is known, and its listing would hold but is not kept."""
        return (
            isinstance(inode.node, Directory)
            and self._coherence.is_told
            and inode.believed_until > time.monotonic()
            and self._inodes.listings.find(inode.number) is None
            and not self._tree.has_drafts(inode.node)
            and not self._tree.shows_virtual
        )
