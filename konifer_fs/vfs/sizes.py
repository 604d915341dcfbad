"""Sizes of objects that a foreign writer stored: nobody recorded them, so the object store is asked, once each."""

from typing import Final

from konifer_fs.domain.errors import ObjectMissing
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import ObjectStore

_MOST_KEPT: Final = 100_000


class Sizes:
    """Tells sizes in bytes. Thread-safe."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._known: dict[ObjectRef, int] = {}

    def of(self, ref: ObjectRef | None, recorded: int | None) -> int:
        """Give `recorded`, else what the object store says; 0 when nothing is there."""
        if recorded is not None:
            return recorded
        if ref is None:
            return 0
        if ref not in self._known:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            try:
                self._known[ref] = self._objects.size(ref)
            except ObjectMissing:
                return 0
        return self._known[ref]
