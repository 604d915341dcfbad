"""The variants of an entry as files: `photo.jpg@/`.

Every look-up reads the asset's rows again, so a name denotes what is stored now; only a look-up has anything made.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from konifer_fs.config import OnDemand, PathSettings
from konifer_fs.domain.errors import (
    ContentUnreadable,
    ExpressionMalformed,
    KoniferFsError,
    MovedOn,
    NameReserved,
    NoSuchName,
    ObjectMissing,
    VariantForbidden,
)
from konifer_fs.domain.expression import Expression, parse_expression
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Entry
from konifer_fs.domain.outcome import check_limits, is_within
from konifer_fs.domain.transformation import Placeholder, Rotate, Transformation
from konifer_fs.domain.variant import Attributes
from konifer_fs.ports import MetadataStore, StoredVariant
from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.nodes import to_ns
from konifer_fs.vfs.settings import Settings
from konifer_fs.vfs.sizes import Sizes
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.info import asset_info
from konifer_fs.vfs.virtual.nodes import (
    Preparation,
    Reading,
    VirtualDirectory,
    VirtualFile,
    VirtualNode,
    as_directory,
    as_file,
    virtual_id,
)
from konifer_fs.vfs.virtual.readings import BytesReading, ObjectReading, ScratchReading, begin_nothing
from konifer_fs.vfs.virtual.shelf import OrientationUnknown, Shelf
from konifer_fs.workflows.fetch_content import Contents
from konifer_fs.workflows.note_accesses import Accesses
from konifer_fs.workflows.render_variant import Order, expires_after
from konifer_fs.workflows.workshop import Scratch, Workshop

log = logging.getLogger(__name__)

INFO: Final = "info.json"
_DRAWINGS: Final = {f"{kind.value}.png": kind for kind in Placeholder}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """Gives the directory of variants of any entry. Thread-safe."""

    metadata: MetadataStore
    contents: Contents
    sizes: Sizes
    workshop: Workshop
    accesses: Accesses
    settings: Settings

    def directory_of(self, entry: Entry) -> VirtualDirectory:
        """Give `photo.jpg@` of an entry that was just read."""
        like = self.settings.defaults.stat_entry(entry, size=0)
        stat = as_directory(like, node_id=virtual_id(entry.id, "@"))
        return VirtualDirectory(stat=stat, names=_VariantNames(self, entry))

    def read_shelf(self, entry: Entry) -> Shelf:
        """Read the asset's rows; raises MovedOn, and what `shelf_of` raises."""
        return self.shelf_of(entry, self.metadata.list_variants(entry))

    def shelf_of(self, entry: Entry, stored: Sequence[StoredVariant]) -> Shelf:
        """Sort the asset's rows; raises ObjectMissing or ContentUnreadable without a usable original."""
        original = next((variant for variant in stored if variant.is_original), None)
        if original is None:
            raise ObjectMissing(f"asset {entry.asset_id} has no original")
        return Shelf(
            original=original,
            source=Attributes.from_json(original.attributes),
            stored=stored,
            profiles=self.settings.profiles,
            orientation=self.workshop.known_orientation(original),
            dialect=self.settings.dialect,
        )

    def file_of(self, entry: Entry, variant: StoredVariant) -> VirtualFile:
        """Give a variant that is stored, or the original, as a file."""
        size = self.sizes.find(variant.ref, variant.size) or 0
        return VirtualFile(
            stat=self.stat_of(entry, node_id=virtual_id(variant.id), size=size, mtime_ns=to_ns(variant.created_at)),
            content_type=_content_type_of(variant),
            begin_reading=lambda: self._begin_reading(entry, variant),
        )

    def stat_of(self, entry: Entry, *, node_id: int, size: int, mtime_ns: int) -> Stat:
        """Give the attributes of a file that is made up of an entry."""
        like = self.settings.defaults.stat_entry(entry, size=0)
        return as_file(like, node_id=node_id, size=size, mtime_ns=mtime_ns)

    def _begin_reading(self, entry: Entry, variant: StoredVariant) -> Reading:
        if not variant.is_original and not self.settings.read_only:
            self.accesses.note(variant.id, self.settings.rules.settings_for(entry.path))
        return ObjectReading.begin(self.contents, variant, lambda: self._is_stored(entry, variant))

    def _is_stored(self, entry: Entry, variant: StoredVariant) -> bool:
        found = self.metadata.find_variant(entry, variant.transformation)
        return found is not None and found.id == variant.id

    def make_order(self, entry: Entry, shelf: Shelf, wanted: Transformation, *, in_advance: bool) -> Order:
        """Give the order for a variant. Raises VariantForbidden, ContentTooLarge, ExpressionMalformed."""
        rules = self.settings.rules.settings_for(entry.path)
        allowed = rules.allowed_content_types
        if allowed is not None and wanted.format.content_type not in allowed:
            raise VariantForbidden(f"{wanted.format.content_type} is not allowed here")
        check_limits(wanted, shelf.source, rules.transform_limits)
        if not is_within(wanted, shelf.source):
            raise ExpressionMalformed(f"a crop to {wanted.width}x{wanted.height} is larger than the picture")
        return Order(
            entry=entry,
            original=shelf.original,
            source=shelf.source,
            wanted=wanted,
            settings=rules,
            expires_after=expires_after(rules, in_advance=in_advance),
        )

    def prepare_eager(self, entry: Entry) -> None:
        """Have the path's eager variants of a new entry made when there is time; blocks on nothing."""
        eager = self.settings.rules.settings_for(entry.path).eager_variants
        if eager:
            self.workshop.when_idle(("eager", entry.asset_id), lambda: self._prepare(entry, eager))

    def _prepare(self, entry: Entry, eager: Sequence[str]) -> None:
        shelf = self.read_shelf(entry)
        requests = [self.settings.profiles[profile] for profile in eager]
        if any(request.rotate is Rotate.AUTO for request in requests):
            shelf = replace(shelf, orientation=self.workshop.read_orientation(shelf.original))
        for profile, request in zip(eager, requests, strict=True):
            try:
                order = self.make_order(entry, shelf, shelf.normalise(request), in_advance=True)
            except KoniferFsError as error:
                log.warning("%s of %s is not made in advance: %s", profile, entry.name, error)
            else:
                if not self.workshop.prepare(order):
                    log.warning("%s of %s is not made in advance: too much waits", profile, entry.name)


@dataclass(frozen=True, slots=True)
class _VariantNames:
    """What `photo.jpg@/` of one entry holds."""

    _all: Variants
    _entry: Entry

    @property
    def _rules(self) -> PathSettings:
        return self._all.settings.rules.settings_for(self._entry.path)

    def refreshed(self) -> VirtualDirectory:
        current = self._all.metadata.refresh(self._entry)
        if not isinstance(current, Entry):
            raise MovedOn
        return self._all.directory_of(current)

    def find(self, name: str) -> VirtualNode | Preparation | None:
        if name == INFO:
            return self._info()
        shelf = self._all.read_shelf(self._entry)
        if name in _DRAWINGS:
            return self._drawing(_DRAWINGS[name], shelf)
        try:
            return self._find_stored(name, shelf) or self._demand(name, shelf)
        except OrientationUnknown:
            return self._all.workshop.find_orientation(shelf.original)

    def list_all(self) -> Iterator[Sequence[tuple[str, VirtualNode]]]:
        yield [(INFO, self._info())]
        try:
            shelf = self._all.read_shelf(self._entry)
        except (ObjectMissing, ContentUnreadable):
            return
        yield [(name, self._file(variant)) for name, variant in shelf.list_named()]
        if self._all.settings.show_virtual:
            missing = [(f"{profile}.{kind.value}", kind) for profile, kind in shelf.list_missing()]
            drawn = [(name, ImageFormat.PNG) for name, kind in _DRAWINGS.items() if kind.value in shelf.original.lqip]
            yield [(name, self._missing(name, kind)) for name, kind in (*missing, *drawn)]

    def remove(self, name: str, _caller: Caller) -> None:
        shelf = self._all.read_shelf(self._entry)
        if name in {INFO, *_DRAWINGS, *shelf.original_names}:
            raise NameReserved(name)
        try:
            variant = shelf.find(shelf.normalise(self._parse(name).request))
        except OrientationUnknown:
            variant = None
        if variant is None:
            raise NoSuchName(name)
        if variant.is_original:
            raise NameReserved(name)
        self._all.metadata.remove_variant(variant)

    def _parse(self, name: str) -> Expression:
        return parse_expression(name, self._all.settings.profiles)

    def _find_stored(self, name: str, shelf: Shelf) -> VirtualFile | None:
        if name in shelf.original_names:
            return self._file(shelf.original)
        variant = shelf.find(shelf.normalise(self._parse(name).request))
        return self._file(variant) if variant else None

    # What is not.
    def _demand(self, name: str, shelf: Shelf) -> VirtualFile | Preparation:
        """Have a variant made; raises as `make_order`."""
        expression = self._parse(name)
        _check_mode(expression, self._rules.on_demand)
        order = self._all.make_order(self._entry, shelf, shelf.normalise(expression.request), in_advance=False)
        scratch = self._all.workshop.find_scratch(order)
        return self._scratch_file(order, scratch) if scratch else self._all.workshop.demand(order)

    # The files.
    def _info(self) -> VirtualFile:
        facts = self._all.metadata.read_facts(self._entry)
        stored = self._all.metadata.list_variants(self._entry)
        try:
            missing = [profile for profile, _ in self._all.shelf_of(self._entry, stored).list_missing()]
        except (ObjectMissing, ContentUnreadable):
            missing = []
        info = {**asset_info(self._entry.entry_id, facts, stored), "profilesNotRendered": missing}
        text = (json.dumps(info, indent=2, ensure_ascii=False) + "\n").encode()
        return VirtualFile(
            stat=self._stat(virtual_id(self._entry.id, INFO), len(text), to_ns(facts.modified_at)),
            content_type="application/json",
            begin_reading=lambda: BytesReading(text),
        )

    def _file(self, variant: StoredVariant) -> VirtualFile:
        return self._all.file_of(self._entry, variant)

    def _drawing(self, kind: Placeholder, shelf: Shelf) -> VirtualFile | Preparation | None:
        """Give the picture of a placeholder of the original, where it has one."""
        text = shelf.original.lqip.get(kind.value)
        if not isinstance(text, str):
            return None
        drawing = self._all.workshop.known_drawing(kind, text)
        if drawing is None:
            return self._all.workshop.draw(kind, text)
        return VirtualFile(
            stat=self._stat(virtual_id(self._entry.id, kind.value), len(drawing), to_ns(shelf.original.created_at)),
            content_type=ImageFormat.PNG.content_type,
            begin_reading=lambda: BytesReading(drawing),
        )

    def _scratch_file(self, order: Order, scratch: Scratch) -> VirtualFile:
        return VirtualFile(
            stat=self._stat(virtual_id(*order.key), scratch.size, to_ns(self._entry.created_at)),
            content_type=order.wanted.format.content_type,
            begin_reading=lambda: ScratchReading(scratch, token=scratch),
        )

    def _missing(self, name: str, kind: ImageFormat) -> VirtualFile:
        """Give what is listed of a variant that is not made: looking it up makes it, and gives another file."""
        stat = self._stat(virtual_id(self._entry.asset_id, name), 0, to_ns(self._entry.created_at))
        return VirtualFile(stat=stat, content_type=kind.content_type, begin_reading=begin_nothing)

    def _stat(self, node_id: int, size: int, mtime_ns: int) -> Stat:
        return self._all.stat_of(self._entry, node_id=node_id, size=size, mtime_ns=mtime_ns)


def _check_mode(expression: Expression, mode: OnDemand) -> None:
    """Raise VariantForbidden for what may not be made for whoever asks; what is stored may be read all the same."""
    if mode is OnDemand.DISABLED:
        raise VariantForbidden("nothing is made on demand here")
    if mode is OnDemand.PROFILE_ONLY and (expression.profile is None or expression.is_free):
        raise VariantForbidden("only profiles are made on demand here")


def _content_type_of(variant: StoredVariant) -> str:
    """Give the content type; that of any bytes where the row tells of no format that is known."""
    try:
        return ImageFormat(str(variant.attributes.get("format"))).content_type
    except ValueError:
        return "application/octet-stream"
