"""Inode numbers for new drafts, which the metadata store gives out many at a time."""

import threading
from typing import Final

from konifer_fs.ports import MetadataStore

_AT_ONCE: Final = 256


class Numbers:
    """Numbers that nothing else has. Thread-safe."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata
        self._left: list[int] = []
        self._lock = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether the store need not be asked for the next one."""
        return bool(self._left)

    def take(self) -> int:
        """Give one."""
        with self._lock:
            if not self._left:
                self._left = list(reversed(self._metadata.reserve_ids(_AT_ONCE)))
            return self._left.pop()
