"""Telling Konifer which variants are used, so that it does not let these expire: in the background, many at once."""

import threading
from uuid import UUID

from konifer_fs.config import ExpireStrategy, PathSettings
from konifer_fs.ports import MetadataStore


class Accesses:
    """The variants that were opened here and not told of yet. Thread-safe."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata
        self._noted: dict[UUID, float | None] = {}
        self._lock = threading.Lock()

    def note(self, variant_id: UUID, settings: PathSettings) -> None:
        """Note that a variant was opened; where idle ones expire, its time begins anew."""
        is_idle = settings.expire.strategy is ExpireStrategy.IDLE
        with self._lock:
            self._noted[variant_id] = settings.expire.ttl if is_idle else None

    def tell(self) -> None:
        """Tell the metadata store; what it cannot take now is told the next time. Raises StoreUnreachable."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            self._metadata.note_accesses(noted)
        except BaseException:
            with self._lock:
                self._noted = noted | self._noted
            raise
