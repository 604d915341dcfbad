"""Where a mount has its variants made: each once at a time, stored, or on a read-only mount kept in its own scratch.

Asking never blocks on a rendering: what takes time is a `Future`, after which one asks again.
"""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Final
from uuid import UUID

from konifer_fs.domain.errors import SpoolFull
from konifer_fs.domain.transformation import Placeholder
from konifer_fs.ports import StoredVariant
from konifer_fs.spool import Spool
from konifer_fs.workflows.render_variant import Order, Renderer
from konifer_fs.workflows.renderings import Renderings

_ORIENTATIONS_KEPT: Final = 100_000
_DRAWINGS_KEPT: Final = 1000  # Of about 2 KiB each.
_SCRATCH_KEPT: Final = 1000


class Scratch:
    """A rendering without a name on disk; its room is given back once nobody refers to it any more."""

    def __init__(self, spool: Spool, descriptor: int) -> None:
        self.descriptor: Final = descriptor
        self.size: Final = os.fstat(descriptor).st_size
        weakref.finalize(self, _let_go, spool, descriptor, self.size)


def _let_go(spool: Spool, descriptor: int, size: int) -> None:
    os.close(descriptor)
    spool.drafts.take(-size)


class Workshop:
    """Has variants made, and remembers what it learned of originals. Thread-safe."""

    def __init__(self, renderer: Renderer, renderings: Renderings, spool: Spool, *, read_only: bool) -> None:
        self._renderer = renderer
        self._renderings = renderings
        self._spool = spool
        self._read_only = read_only
        self._orientations: dict[UUID, int] = {}
        self._drawings: dict[tuple[Placeholder, str], bytes] = {}
        self._scratch: OrderedDict[Hashable, Scratch] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many renderings there have been."""
        return self._renderer.count

    def known_orientation(self, original: StoredVariant) -> int | None:
        """Give the EXIF orientation of an original, if it was found out."""
        return self._orientations.get(original.asset_id)

    def find_orientation(self, original: StoredVariant) -> Future[object]:
        """Find out the orientation of an original; raises as `read_orientation`."""
        return self._renderings.demand((original.asset_id, "orientation"), lambda: self.read_orientation(original))

    def read_orientation(self, original: StoredVariant) -> int:
        """Read the orientation of an original, and remember it; raises as `Renderer.read_orientation`."""
        orientation = self._renderer.read_orientation(original)
        if len(self._orientations) >= _ORIENTATIONS_KEPT:
            self._orientations.clear()
        self._orientations[original.asset_id] = orientation
        return orientation

    def known_drawing(self, kind: Placeholder, text: str) -> bytes | None:
        """Give the PNG of a placeholder, if it was drawn before."""
        return self._drawings.get((kind, text))

    def draw(self, kind: Placeholder, text: str) -> Future[object]:
        """Draw a placeholder; raises as `Renderer.draw`."""
        return self._renderings.demand((kind, text), lambda: self._note_drawing(kind, text))

    def _note_drawing(self, kind: Placeholder, text: str) -> None:
        drawing = self._renderer.draw(kind, text)
        if len(self._drawings) >= _DRAWINGS_KEPT:
            self._drawings.clear()
        self._drawings[kind, text] = drawing

    def find_scratch(self, order: Order) -> Scratch | None:
        """Give what a read-only mount has rendered and still keeps."""
        with self._lock:
            if order.key in self._scratch:
                self._scratch.move_to_end(order.key)
            return self._scratch.get(order.key)

    def demand(self, order: Order) -> Future[object]:
        """Have a variant made for somebody who waits; raises as `Renderer.store`."""
        if self._read_only:
            return self._renderings.demand(order.key, lambda: self._keep(order))
        return self._renderings.demand(order.key, lambda: self._renderer.store(order))

    def prepare(self, order: Order) -> bool:
        """Have a variant made when there is time; gives whether it will be."""
        return self.when_idle(order.key, lambda: self._renderer.store(order))

    def when_idle(self, key: Hashable, work: Callable[[], object]) -> bool:
        """Have something done when there is time; gives whether it will be."""
        return self._renderings.prepare(key, work)

    def settle(self) -> None:
        """Finish what a store could not be reached for; raises as `Renderer.settle`."""
        self._renderer.settle()

    def close(self) -> None:
        """Make nothing more; what is being made is waited for."""
        self._renderings.close()
        self._scratch.clear()

    def _keep(self, order: Order) -> None:
        """Render into scratch; the least recently used goes where there is no room."""
        if self.find_scratch(order) is not None:
            return
        with self._spool.made_elsewhere() as target:
            self._renderer.render(order, target)
            descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._make_room(os.fstat(descriptor).st_size)
        except SpoolFull:
            os.close(descriptor)
            raise
        scratch = Scratch(self._spool, descriptor)
        with self._lock:
            self._scratch[order.key] = scratch
            if len(self._scratch) > _SCRATCH_KEPT:
                self._scratch.popitem(last=False)

    def _make_room(self, size: int) -> None:
        """Charge the spool for `size` bytes, keeping half of it for what is fetched; raises SpoolFull."""
        with self._lock:
            while self._scratch and self._spool.drafts.used + size > self._spool.drafts.limit // 2:
                self._scratch.popitem(last=False)
        self._spool.drafts.take(size)
