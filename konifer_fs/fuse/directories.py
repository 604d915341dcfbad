"""Reading an open directory to the kernel. Every reading is a readdirplus: names come with their attributes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyfuse3
from pyfuse3 import FileNameT

from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Directory
from konifer_fs.fuse.attributes import to_attributes
from konifer_fs.fuse.coherence import UNTOLD, UNTOLD_SECONDS, Mark
from konifer_fs.fuse.inodes import Inode
from konifer_fs.fuse.listings import MOST_ROWS, KeptListing
from konifer_fs.fuse.session import Session
from konifer_fs.vfs.listing import AnyListing, Row
from konifer_fs.vfs.nodes import AnyDirectory, Node
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import VirtualNode

_DOTS = 2  # Places 1 and 2 of a directory are "." and "..".
_MARKS = 8  # More than a listing reads ahead.


@dataclass(slots=True)
class _Recording:
    """What was read of a directory's listing since `began`, when `drops` listings had been dropped."""

    directory: Directory
    drops: int
    began: float
    rows: list[Row] = field(default_factory=list)


class OpenDirectory:
    """One open directory."""

    def __init__(self, session: Session, inode: Inode) -> None:
        self._session = session
        self.inode = inode
        self._listing: AnyListing | None = None
        self._recording: _Recording | None = None
        self._mark = session.coherence.mark()
        self._marks: deque[Mark] = deque(maxlen=_MARKS)

    async def reply(self, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Give the kernel the names after place `start_id`, as many as it takes; reading from the start reads anew."""
        self._session.crowding.relieve()
        if start_id == 0 or self._listing is None:
            directory = await self._session.any_directory(self.inode.number)
            await self._session.listing_ahead.note_listed(self.inode)
            self._listing = self._begin(directory)
        for dot in range(start_id, _DOTS):
            if not self._reply_dot(dot, token):
                return
        place = max(0, start_id - _DOTS)
        while rows := await self._rows(self._listing, place):
            for row in rows:
                if not self._reply_row(row, token):
                    return
            place = rows[-1].after

    def _begin(self, directory: AnyDirectory) -> AnyListing:
        """Begin a reading: of what is kept, while all of it holds, else of the stores."""
        self._recording = None
        self._mark = self._session.coherence.mark()
        if isinstance(directory, Directory) and not self._session.fs.tree.has_drafts(directory):
            listings = self._session.inodes.listings
            if (kept := listings.find(self.inode.number)) is not None:
                self._mark = self._mark._replace(at=kept.read_at)
                return kept
            if self._session.coherence.is_told:
                self._recording = _Recording(directory, listings.drops, self._mark.at)
        return self._session.fs.list_directory(directory)

    async def _rows(self, listing: AnyListing, place: int) -> Sequence[Row]:
        rows = listing.at_hand(place)
        was_asked = rows is None
        if rows is None:
            self._marks.append(self._session.coherence.mark())
            rows = await self._session.offload.ask(listing.read, place)
            self._mark = self._last_mark_before(listing.read_at)
        if was_asked or not rows:
            self._record(listing, place, rows)
        return rows

    def _last_mark_before(self, read_at: float) -> Mark:
        """Give the mark of a reading that began at `read_at`: long ago, if somebody has sought back since."""
        return next((mark for mark in reversed(self._marks) if mark.at <= read_at), Mark(read_at, UNTOLD))

    def _record(self, listing: AnyListing, place: int, rows: Sequence[Row]) -> None:
        """Add what was read to the listing that is kept once it is whole, unless something changed meanwhile."""
        recording, inodes = self._recording, self._session.inodes
        if recording is None:
            return
        in_sequence = place == len(recording.rows)
        if inodes.listings.drops != recording.drops or not in_sequence or place + len(rows) > MOST_ROWS:
            self._recording = None
            return
        recording.rows += rows
        rest = listing.at_hand(place + len(rows))
        if rest is not None and not rest and not self._session.fs.tree.has_drafts(recording.directory):
            inodes.listings.keep(self.inode.number, KeptListing(recording.rows, recording.began))
            self._recording = None

    def _reply_dot(self, dot: int, token: pyfuse3.ReaddirToken) -> bool:
        number = self.inode.parent if dot else self.inode.number
        shown = to_attributes(self._session.fs.tree.stat(self.inode.node), number, 0.0)
        return pyfuse3.readdir_reply(token, FileNameT(b".." if dot else b"."), shown, dot + 1)

    def _reply_row(self, row: Row, token: pyfuse3.ReaddirToken) -> bool:
        """Reply with a row."""
        if isinstance(row.node, VirtualNode):
            # The kernel looks it up before it uses it: until then it need not be known, and there may be very many.
            attributes = to_attributes(row.stat, row.node.id, UNTOLD_SECONDS)
            return pyfuse3.readdir_reply(token, FileNameT(row.name.encode()), attributes, row.after + _DOTS)
        return self._reply_real(row, token)

    def _reply_real(self, row: Row, token: pyfuse3.ReaddirToken) -> bool:
        """Reply with a row of a real directory: what this mount did since it was read counts more."""
        try:
            node, shown, mark = self._latest(row)
        except MovedOn:
            return True
        inode = self._session.inodes.note(node, self.inode.number, row.name, mark.at)
        seconds = self._session.coherence.believe(inode, mark)
        still_named = self.inode.renamed < self._mark.at
        name_seconds = None if still_named else 0
        attributes = to_attributes(shown, inode.number, seconds, name_seconds=name_seconds, generation=inode.generation)
        replied = pyfuse3.readdir_reply(token, FileNameT(row.name.encode()), attributes, row.after + _DOTS)
        if replied:
            inode.lookups += 1
        else:
            self._session.inodes.forget(inode.number, 0)
        return replied

    def _latest(self, row: Row) -> tuple[Node, Stat, Mark]:
        """Give what a row denotes as it was read last, and when that was."""
        tree, mark = self._session.fs.tree, self._mark
        known = self._session.inodes.find(row.node)
        if known is not None and known.confirmed > mark.at:
            # What was told since the row was read may be about its name.
            node, mark = tree.settled(known.node), Mark(known.confirmed, mark.told)
        else:
            node = tree.settled(row.node)
        return node, row.stat if node is row.node else tree.stat(node), mark
