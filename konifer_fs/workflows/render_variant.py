"""Making a variant: render it in the spool, put it into the object store, record it. Object first, row second.

Of two who make the same one, here or on another mount, the first to record it wins; the other's object goes.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from konifer_fs.config import ExpireStrategy, PathSettings
from konifer_fs.domain.errors import ContentUnreadable, KoniferFsError, MovedOn, StoreUnreachable, WrongMediumType
from konifer_fs.domain.node import Entry
from konifer_fs.domain.outcome import renews_placeholder
from konifer_fs.domain.transformation import DECODABLE, Placeholder, Transformation
from konifer_fs.domain.variant import Attributes, ObjectRef
from konifer_fs.ports import ImageEngine, MetadataStore, NewVariant, ObjectStore, Rendered, StoredVariant
from konifer_fs.spool import Spool, fingerprint_of
from konifer_fs.workflows.fetch_content import Contents

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A variant that is to be made: of which entry, from what, and under which settings.

    `source` is what `original` is; `expires_after` is seconds from when it is recorded, None for never.
    """

    entry: Entry
    original: StoredVariant
    source: Attributes
    wanted: Transformation
    settings: PathSettings
    expires_after: float | None = None

    @property
    def key(self) -> tuple[UUID, str]:
        """What the variant is: equal keys, the same variant."""
        return self.entry.asset_id, json.dumps(self.wanted.to_json(), sort_keys=True)


def expires_after(settings: PathSettings, *, in_advance: bool) -> float | None:
    """Give the seconds after which a variant expires that is recorded now, None for never.

    Konifer counts an idle one's time from its first use when it was made in advance.
    """
    strategy, ttl = settings.expire.strategy, settings.expire.ttl
    if strategy is ExpireStrategy.NEVER or (strategy is ExpireStrategy.IDLE and in_advance):
        return None
    return ttl


class Renderer:
    """Makes variants, and counts how often pixels were rendered for one. Thread-safe."""

    def __init__(
        self, metadata: MetadataStore, objects: ObjectStore, engine: ImageEngine, contents: Contents, spool: Spool
    ) -> None:
        self._metadata = metadata
        self._objects = objects
        self._engine = engine
        self._contents = contents
        self._spool = spool
        self._lock = threading.Lock()
        self._unsettled: deque[NewVariant] = deque()
        self.count = 0

    def read_orientation(self, original: StoredVariant) -> int:
        """Give the EXIF orientation of an original, 1 to 8. Raises as `render`."""
        with self._opened(original) as source:
            return self._engine.orientation(source)

    def render(self, order: Order, target: Path) -> Rendered:
        """Make the file `target`; placeholders that need not be made anew are the original's.

        Raises:
            ContentUnreadable: the original cannot be decoded, or does not allow it.
            ContentTooLarge: the original is over the limits.
            ObjectMissing, StoreUnreachable, SpoolFull
        """
        kinds = order.settings.placeholders if renews_placeholder(order.wanted, order.source) else frozenset()
        with self._opened(order.original) as source:
            with self._lock:
                self.count += 1
            rendered = self._engine.render(
                source, target, order.wanted, order.settings.limits.and_also(DECODABLE), kinds
            )
        return rendered if kinds else Rendered(attributes=rendered.attributes, lqip=order.original.lqip)

    def draw(self, kind: Placeholder, text: str) -> bytes:
        """Give a small PNG of a placeholder. Raises ContentUnreadable, SpoolFull."""
        with self._spool.made_elsewhere() as target:
            self._engine.draw_placeholder(kind, text, target)
            return target.read_bytes()

    def store(self, order: Order) -> StoredVariant:
        """Give the variant as it is stored; made first, unless it is there already.

        Raises what `render` raises; MovedOn when the asset is gone, StoreFull, StoreRefused.
        """
        stored = self._metadata.find_variant(order.entry, order.wanted.to_json())
        if stored is not None:
            return stored
        with self._spool.made_elsewhere() as target:
            rendered = self.render(order, target)
            new = _new_variant(order, rendered, target)
            self._objects.put(new.ref, target, rendered.attributes.format.content_type)
        return self._record(new)

    def settle(self) -> None:
        """Record what nobody knows to be recorded; raises StoreUnreachable when that stays so."""
        while self._unsettled:
            with suppress(IndexError, MovedOn):
                self._record(self._unsettled.popleft())

    def _record(self, new: NewVariant) -> StoredVariant:
        try:
            stored = self._metadata.record_variant(new)
        except MovedOn:
            self._drop(new.ref)
            raise
        except StoreUnreachable:
            self._unsettled.append(new)
            raise
        if stored.ref != new.ref:
            self._drop(new.ref)
        return stored

    def _drop(self, ref: ObjectRef) -> None:
        try:
            self._objects.delete(ref)
        except KoniferFsError as error:
            log.warning("the object %s stays in %s, and nothing refers to it: %s", ref.key, ref.bucket, error)

    @contextmanager
    def _opened(self, original: StoredVariant) -> Iterator[Path]:
        """Give a file with the original's bytes that another process can open."""
        content = self._contents.acquire(original.ref, original.size, original.sha256)
        try:
            yield self._contents.path_of(content)
        except WrongMediumType as error:
            raise ContentUnreadable(error.detail) from error
        finally:
            self._contents.release(content)


def _new_variant(order: Order, rendered: Rendered, file: Path) -> NewVariant:
    content = fingerprint_of(file)
    return NewVariant(
        asset_id=order.entry.asset_id,
        ref=ObjectRef(order.settings.bucket, f"{uuid4()}{rendered.attributes.format.extension}"),
        transformation=order.wanted.to_json(),
        attributes=rendered.attributes,
        lqip=rendered.lqip,
        size=content.size,
        sha256=content.sha256,
        expires_after=order.expires_after,
    )
