"""The change feed: what other mounts and writers change, told as it becomes visible."""

from collections.abc import Callable, Sequence
from typing import Protocol

from konifer_fs.domain.changes import Change

# Gets what others changed, maybe nothing: that is the feed's heartbeat. None: anything may have changed until now.
Listener = Callable[[Sequence[Change] | None], None]


class ChangeFeed(Protocol):
    """Tells one mount of the changes that were not its own."""

    def follow(self, tell: Listener) -> None:
        """Tell what others change, until closed; first, and after each interruption, None.

        `tell` is called in the caller's thread, twice a second at least while the store answers. Returns when closed,
        or at once when the store cannot tell what others change; then `tell` is not called at all.
        """
        ...

    def close(self) -> None:
        """Let `follow` return; may be called from another thread, and again."""
        ...
