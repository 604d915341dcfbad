"""The attributes of a node."""

from typing import NamedTuple


class Stat(NamedTuple):
    """What `stat(2)` shows; `mode` includes the file type, times are nanoseconds since 1970. Light, for listings.

    `is_volatile` is whether the kernel has to ask again each time: for drafts and virtual nodes.
    """

    id: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    nlink: int = 1
    is_volatile: bool = False
