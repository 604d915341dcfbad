"""What is written down once and then read at any place: in a file of the spool that has no name."""

import os
from collections.abc import Iterable

from konifer_fs.spool import Spool, telling_full
from konifer_fs.workflows.workshop import Scratch


def write_scratch(spool: Spool, pieces: Iterable[bytes]) -> Scratch:
    """Write all pieces, of which only one is in memory at a time. Raises SpoolFull, and what `pieces` raises."""
    taken = 0
    with telling_full(), spool.scratch() as file:
        try:
            for piece in pieces:
                spool.drafts.take(len(piece))
                taken += len(piece)
                file.write(piece)
            file.flush()
            return Scratch(spool, os.dup(file.fileno()))
        except BaseException:
            spool.drafts.take(-taken)
            raise
