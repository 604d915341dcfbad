"""Files that are likely to be read next: of a directory that somebody reads file by file.

Who copies or compares a directory lists it, then reads one file after the other. After the third in a row the next ones
are fetched meanwhile. Lives on the trio thread.
"""

from konifer_fs.domain.node import Entry
from konifer_fs.fuse.inodes import Inode, Inodes
from konifer_fs.fuse.walking import Walks
from konifer_fs.vfs.files import Files


class ReadingAhead:
    """Has the next files fetched of who reads on in a directory."""

    def __init__(self, inodes: Inodes, files: Files) -> None:
        self._files = files
        self._walks = Walks(inodes.listings, (Entry,), first=1, most=16)

    def note_read(self, inode: Inode) -> None:
        """Tell that a file was read from its beginning to its end."""
        if walk := self._walks.note(inode.parent, inode.name):
            self._files.fetch_ahead([node for node in walk.take_ahead() if isinstance(node, Entry)])
