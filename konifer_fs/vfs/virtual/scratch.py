"""What is written down once and then read at any place: in a file of the spool that has no name."""

import errno
import os
from collections.abc import Iterable
from typing import Final

from konifer_fs.domain.errors import SpoolFull
from konifer_fs.spool import Spool
from konifer_fs.workflows.workshop import Scratch

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


def write_scratch(spool: Spool, pieces: Iterable[bytes]) -> Scratch:
    """Write all pieces, of which only one is in memory at a time. Raises SpoolFull, and what `pieces` raises."""
    taken = 0
    with spool.scratch() as file:
        try:
            for piece in pieces:
                spool.drafts.take(len(piece))
                taken += len(piece)
                file.write(piece)
            file.flush()
            return Scratch(spool, os.dup(file.fileno()))
        except BaseException as error:
            spool.drafts.take(-taken)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise SpoolFull(os.strerror(error.errno)) from error
            raise
