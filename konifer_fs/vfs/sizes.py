"""Sizes of objects that Konifer stored, which keeps none: the object store is asked, and what it says is recorded."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from konifer_fs.domain.errors import KoniferFsError
from konifer_fs.domain.node import Entry
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import MetadataStore, ObjectStore

log = logging.getLogger(__name__)

_MOST_KEPT: Final = 100_000


class Sizes:
    """Tells sizes in bytes. Thread-safe. Nothing is recorded for a mount that is `read_only`."""

    def __init__(self, metadata: MetadataStore, objects: ObjectStore, *, read_only: bool) -> None:
        self._metadata = metadata
        self._objects = objects
        self._read_only = read_only
        self._known: dict[ObjectRef, int] = {}

    def find(self, ref: ObjectRef, recorded: int | None) -> int | None:
        """Give `recorded`, else what the object store says; None while nothing is there, or it does not tell."""
        if recorded is not None:
            return recorded
        if ref not in self._known:
            self._keep(self._objects.sizes([ref]))
        return self._known.get(ref)

    def learn(self, entries: Sequence[Entry]) -> None:
        """Ask at once for the sizes of all entries that have none, and record them."""
        unknown = {
            entry.original: entry
            for entry in entries
            if entry.size is None and entry.original is not None and entry.original not in self._known
        }
        if not unknown:
            return
        found = self._objects.sizes(list(unknown))
        self._keep(found)
        if found and not self._read_only:
            try:
                self._metadata.record_sizes([(unknown[ref], size) for ref, size in found.items()])
            except KoniferFsError as error:  # Who only looks need not be told.
                log.info("the sizes of %d objects were not recorded: %s", len(found), error)

    def _keep(self, found: Mapping[ObjectRef, int]) -> None:
        if len(self._known) + len(found) > _MOST_KEPT:
            self._known.clear()
        self._known.update(found)
