"""Making variants, over an object store in memory, a metadata store of rows in a list, and an engine of text."""

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest

from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.config import Expire, ExpireStrategy, PathSettings
from konifer_fs.domain.errors import (
    ContentUnreadable,
    KoniferFsError,
    MovedOn,
    ObjectMissing,
    StoreUnreachable,
    WrongMediumType,
)
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Entry
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.transformation import DECODABLE, Limits, Placeholder, Rotate, Transformation
from konifer_fs.domain.variant import Attributes, Json, ObjectRef, original_transformation
from konifer_fs.ports import ImageEngine, MetadataStore, NewVariant, Rendered, StoredVariant
from konifer_fs.spool import Spool
from konifer_fs.workflows.fetch_content import Contents
from konifer_fs.workflows.render_variant import Order, Renderer, expires_after
from konifer_fs.workflows.renderings import Renderings
from konifer_fs.workflows.workshop import Workshop

SECONDS = 60
SOURCE = Attributes(format=ImageFormat.PNG, width=40, height=20, color_space="srgb")
SMALL = Transformation(width=10, height=5, format=ImageFormat.WEBP, quality=80)
TURNED = replace(SMALL, rotate=Rotate.NINETY)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(slots=True)
class Rows:
    """The part of a metadata store that rendering needs; `before` is called before a variant is recorded."""

    stored: list[StoredVariant]
    before: Callable[[], None] = lambda: None
    is_gone: bool = False
    new: list[NewVariant] = field(default_factory=list)

    def find_variant(self, entry: Entry, transformation: Json) -> StoredVariant | None:  # noqa: ARG002
        return next((row for row in self.stored if row.transformation == transformation), None)

    def record_variant(self, new: NewVariant) -> StoredVariant:
        self.before()
        if self.is_gone:
            raise MovedOn
        self.new.append(new)
        there = next((row for row in self.stored if row.transformation == new.transformation), None)
        if there is not None:
            return there
        row = stored_variant(new.asset_id, new.ref, new.transformation, new.attributes, new.lqip, new.size)
        self.stored.append(row)
        return row


class Engine:
    """Writes what it was asked for, or fails."""

    def __init__(self) -> None:
        self.failure: KoniferFsError | None = None
        self.asked: list[tuple[bytes, frozenset[Placeholder]]] = []

    def orientation(self, source: Path) -> int:
        self.asked.append((source.read_bytes(), frozenset()))
        return 6

    def render(
        self, source: Path, target: Path, wanted: Transformation, limits: Limits, placeholders: frozenset[Placeholder]
    ) -> Rendered:
        assert limits == DECODABLE
        self.asked.append((source.read_bytes(), placeholders))
        if self.failure is not None:
            raise self.failure
        target.write_bytes(b"rendered " + source.read_bytes())
        attributes = Attributes(format=wanted.format, width=wanted.width, height=wanted.height)
        return Rendered(attributes=attributes, lqip={kind.value: "its own" for kind in placeholders})


def stored_variant(
    asset: UUID,
    ref: ObjectRef,
    transformation: Json,
    attributes: Attributes,
    lqip: Json,
    size: int,
    *,
    first: bool = False,
) -> StoredVariant:
    return StoredVariant(
        id=uuid4(), asset_id=asset, ref=ref, is_original=first, transformation=transformation,
        attributes=attributes.to_json(), lqip=lqip, size=size, sha256=None, created_at=NOW,
    )  # fmt: skip


@dataclass(slots=True)
class Stores:
    """Everything around a renderer."""

    rows: Rows
    objects: MemoryObjectStore
    engine: Engine
    spool: Spool
    renderer: Renderer
    order: Order

    def workshop(self, *, read_only: bool = False) -> Workshop:
        renderings = Renderings(workers=2, priority=80, queue_size=10)
        return Workshop(self.renderer, renderings, self.spool, read_only=read_only)

    def keys(self) -> list[str]:
        return sorted(ref.key for ref in self.objects._objects)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    asset, ref = uuid4(), ObjectRef("assets", "original.png")
    (tmp_path / "picture").write_bytes(b"a picture")
    objects = MemoryObjectStore(1 << 20)
    objects.put(ref, tmp_path / "picture", "image/png")
    lqip: Json = {"blurhash": "the original's"}
    original = stored_variant(asset, ref, original_transformation(SOURCE), SOURCE, lqip, 9, first=True)
    entry = Entry(
        id=5, path=AssetPath(), made=True, name="a.png", asset_id=asset, entry_id=0, format=ImageFormat.PNG,
        original=ref, size=9, created_at=NOW, modified_at=NOW,
    )  # fmt: skip
    rows, engine = Rows([original]), Engine()
    spool = Spool(tmp_path / "spool", owner="tests", max_bytes=200, local_max_bytes=0)
    renderer = Renderer(cast(MetadataStore, rows), objects, cast(ImageEngine, engine), Contents(objects, spool), spool)
    settings = PathSettings(bucket="others", placeholders=frozenset({Placeholder.BLURHASH}))
    order = Order(entry=entry, original=original, source=SOURCE, wanted=SMALL, settings=settings)
    yield Stores(rows, objects, engine, spool, renderer, order)
    assert list((tmp_path / "spool" / "renderings").iterdir()) == []
    spool.close()


def test_a_variant_is_put_into_the_paths_bucket_and_recorded_as_what_was_asked_for(stores: Stores) -> None:
    stored = stores.renderer.store(replace(stores.order, expires_after=7.0))
    assert stored.transformation == {"width": 10, "height": 5, "format": "webp"}
    assert stored.ref.bucket == "others"
    assert stored.ref.key.endswith(".webp")
    assert stored.size == stores.objects.size(stored.ref) == len(b"rendered a picture")
    (new,) = stores.rows.new
    assert new.expires_after == 7
    assert (len(new.sha256), new.attributes.format) == (32, ImageFormat.WEBP)
    assert stores.renderer.count == 1


def test_what_is_stored_already_is_not_rendered(stores: Stores) -> None:
    first = stores.renderer.store(stores.order)
    assert stores.renderer.store(stores.order) is first
    assert stores.renderer.count == 1


def test_placeholders_are_the_originals_unless_the_picture_is_another(stores: Stores) -> None:
    assert stores.renderer.store(stores.order).lqip == {"blurhash": "the original's"}
    assert stores.renderer.store(replace(stores.order, wanted=TURNED)).lqip == {"blurhash": "its own"}
    assert [kinds for _, kinds in stores.engine.asked] == [frozenset(), {Placeholder.BLURHASH}]


def test_who_records_second_drops_its_object_and_gives_what_is_there(stores: Stores) -> None:
    other = stored_variant(stores.order.entry.asset_id, ObjectRef("b", "k"), SMALL.to_json(), SOURCE, {}, 3)
    stores.rows.before = lambda: stores.rows.stored.append(other)
    assert stores.renderer.store(stores.order) is other
    assert stores.keys() == ["original.png"]


def test_nothing_is_left_when_the_asset_is_gone(stores: Stores) -> None:
    stores.rows.is_gone = True
    with pytest.raises(MovedOn):
        stores.renderer.store(stores.order)
    assert stores.keys() == ["original.png"]


def test_an_object_of_which_nobody_knows_whether_it_was_recorded_is_recorded_later(stores: Stores) -> None:
    def fail() -> None:
        raise StoreUnreachable

    stores.rows.before = fail
    for attempt in (lambda: stores.renderer.store(stores.order), stores.renderer.settle):
        with pytest.raises(StoreUnreachable):
            attempt()
    assert (len(stores.keys()), len(stores.rows.stored)) == (2, 1)
    stores.rows.before = lambda: None
    stores.renderer.settle()
    assert stores.objects.size(stores.renderer.store(stores.order).ref)
    assert (len(stores.keys()), len(stores.rows.stored), stores.renderer.count) == (2, 2, 1)


def test_an_object_of_which_nobody_knows_whether_it_was_recorded_goes_with_its_asset(stores: Stores) -> None:
    def fail() -> None:
        raise StoreUnreachable

    stores.rows.before = fail
    with pytest.raises(StoreUnreachable):
        stores.renderer.store(stores.order)
    stores.rows.before, stores.rows.is_gone = lambda: None, True
    stores.renderer.settle()
    assert stores.keys() == ["original.png"]


@pytest.mark.parametrize("failure", [WrongMediumType("text"), ContentUnreadable("a crash")])
def test_an_original_that_cannot_be_decoded_is_unreadable(stores: Stores, failure: KoniferFsError) -> None:
    stores.engine.failure = failure
    with pytest.raises(ContentUnreadable, match=failure.detail):
        stores.renderer.store(stores.order)
    assert stores.keys() == ["original.png"]
    assert stores.spool.drafts.used == 0


def test_an_original_that_is_gone_is_missing(stores: Stores) -> None:
    stores.objects.delete(stores.order.original.ref)
    with pytest.raises(ObjectMissing):
        stores.renderer.store(stores.order)


def test_many_who_demand_one_variant_cause_one_rendering(stores: Stores) -> None:
    workshop = stores.workshop()
    for _ in range(3):
        futures = [workshop.demand(stores.order) for _ in range(64)]
        assert len({cast(StoredVariant, future.result(SECONDS)).id for future in futures}) == 1
    workshop.close()
    assert workshop.count == 1


def test_an_orientation_is_read_once_and_remembered(stores: Stores) -> None:
    workshop = stores.workshop()
    original = stores.order.original
    assert workshop.known_orientation(original) is None
    workshop.find_orientation(original).result(SECONDS)
    workshop.close()
    assert workshop.known_orientation(original) == 6
    assert workshop.count == 0


def test_a_read_only_mount_keeps_what_it_renders_to_itself(stores: Stores) -> None:
    workshop = stores.workshop(read_only=True)
    assert workshop.find_scratch(stores.order) is None
    workshop.demand(stores.order).result(SECONDS)
    scratch = workshop.find_scratch(stores.order)
    assert scratch is not None
    assert scratch.size == stores.spool.drafts.used == len(b"rendered a picture")
    assert (len(stores.rows.stored), stores.keys()) == (1, ["original.png"])
    workshop.close()
    assert stores.spool.drafts.used > 0
    del scratch
    assert stores.spool.drafts.used == 0


def test_a_rendering_that_cannot_be_opened_takes_no_room(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path | str, flags: int, mode: int = 0o777) -> int:
        if Path(path).parent.name == "renderings":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, flags, mode)

    opened = os.open
    monkeypatch.setattr(os, "open", refuse)
    workshop = stores.workshop(read_only=True)
    with pytest.raises(OSError, match="Too many open files"):
        workshop.demand(stores.order).result(SECONDS)
    workshop.close()
    assert stores.spool.drafts.used == 0


def test_the_least_recently_used_rendering_makes_room(stores: Stores) -> None:
    workshop = stores.workshop(read_only=True)
    orders = [replace(stores.order, wanted=replace(SMALL, width=width)) for width in range(1, 7)]
    for order in orders:
        workshop.demand(order).result(SECONDS)
        workshop.find_scratch(orders[0])
    kept = [workshop.find_scratch(order) is not None for order in orders]
    assert kept == [True, False, True, True, True, True]
    workshop.close()


def test_a_variant_is_made_in_advance(stores: Stores) -> None:
    workshop = stores.workshop()
    done = threading.Event()
    stores.rows.before = done.set
    assert workshop.prepare(stores.order)
    assert done.wait(SECONDS)
    workshop.close()
    assert len(stores.rows.stored) == 2


@pytest.mark.parametrize(
    ("strategy", "demanded", "in_advance"),
    [(ExpireStrategy.NEVER, None, None), (ExpireStrategy.TTL, 60.0, 60.0), (ExpireStrategy.IDLE, 60.0, None)],
)
def test_a_variant_expires_as_its_path_says(
    strategy: ExpireStrategy, demanded: float | None, in_advance: float | None
) -> None:
    settings = PathSettings(expire=Expire(strategy=strategy, ttl=60.0))
    found: Sequence[float | None] = [expires_after(settings, in_advance=flag) for flag in (False, True)]
    assert found == [demanded, in_advance]
