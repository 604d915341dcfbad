"""Konifer's selectors of a path as a directory: `D/-/`. Every look-up asks the metadata store again."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from konifer_fs.domain.node import Directory
from konifer_fs.ports import Selection
from konifer_fs.vfs.virtual.describing import DESCRIPTIONS
from konifer_fs.vfs.virtual.info import asset_info
from konifer_fs.vfs.virtual.links import link_to, restore_link, stream_links
from konifer_fs.vfs.virtual.nodes import (
    Reading,
    Record,
    VirtualDirectory,
    VirtualFile,
    VirtualLink,
    VirtualNode,
    as_file,
)
from konifer_fs.vfs.virtual.readings import BytesReading, ScratchReading, begin_nothing
from konifer_fs.vfs.virtual.scratch import write_scratch
from konifer_fs.vfs.virtual.selected import DescribedNames
from konifer_fs.vfs.virtual.site import Site, Sources

SELECTORS: Final = "-"
_ENTRY_ID: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_TEXT: Final = "text/plain"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Selectors:
    """Gives the selectors of any directory. Thread-safe."""

    sources: Sources

    def directory_of(self, directory: Directory) -> VirtualDirectory:
        """Give `D/-` of a directory that was just read."""
        return _make_top(Site.at(self.sources, directory, SELECTORS))


# What is in the directory at a site, by name.
_Nodes = Mapping[str, Callable[[Site], VirtualDirectory | VirtualLink | None]]
_Files = Mapping[str, Callable[[Site], VirtualFile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FewNames:
    """A directory of always the same names, which `make` gives at a site; its files are written when looked up."""

    site: Site
    make: Callable[[Site], VirtualDirectory]
    nodes: _Nodes
    files: _Files = field(default_factory=dict)

    def refreshed(self) -> VirtualDirectory:
        return self.make(self.site.refreshed())

    def find(self, name: str) -> VirtualNode | None:
        make = self.nodes.get(name) or self.files.get(name)
        return make(self.site) if make else None

    def list_all(self) -> Iterator[Sequence[tuple[str, VirtualNode]]]:
        made = [(name, make(self.site)) for name, make in self.nodes.items()]
        yield [(name, node) for name, node in made if node is not None]
        yield [(name, _unwritten(self.site.below(name))) for name in self.files]


@dataclass(frozen=True, slots=True)
class _EntryNames:
    """`D/-/entry`: a link to each entry, called like its id."""

    site: Site

    def refreshed(self) -> VirtualDirectory:
        return _make_entries(self.site.refreshed())

    def find(self, name: str) -> VirtualLink | None:
        number = int(name) if _ENTRY_ID.fullmatch(name) else -1
        entry = self.site.sources.metadata.find_entry(self.site.directory, number)
        return link_to(self.site, entry) if entry else None

    def stream(self) -> Iterator[Sequence[Record]]:
        yield from stream_links(self.site, Selection(), lambda entry, _: str(entry.entry_id))

    def restore(self, record: Record) -> tuple[str, VirtualLink]:
        return restore_link(self.site, record)


def _make_top(site: Site) -> VirtualDirectory:
    nodes: _Nodes = {
        "new": partial(_find_newest, by_modification=False),
        "modified": partial(_find_newest, by_modification=True),
        "entry": lambda site: _make_entries(site.below("entry")),
        "recursive": lambda site: _make_recursive(site.below("recursive")),
        **_described(recursive=False),
    }
    is_root = site.directory.id == site.sources.root.id
    reports: _Files = {
        name: partial(_make_report, name=name, write=write) for name, write in site.sources.reports.items()
    }
    files = {"info.json": _make_info, **(reports if is_root else {})}
    return site.make_directory(_FewNames(site=site, make=_make_top, nodes=nodes, files=files))


def _make_recursive(site: Site) -> VirtualDirectory:
    return site.make_directory(_FewNames(site=site, make=_make_recursive, nodes=_described(recursive=True)))


def _described(*, recursive: bool) -> _Nodes:
    def make(site: Site, name: str) -> VirtualDirectory:
        return DescribedNames(site=site.below(name), kind=DESCRIPTIONS[name], recursive=recursive).as_directory()

    return {name: partial(make, name=name) for name in DESCRIPTIONS}


def _make_entries(site: Site) -> VirtualDirectory:
    return site.make_directory(_EntryNames(site))


def _find_newest(site: Site, *, by_modification: bool) -> VirtualLink | None:
    entry = site.sources.metadata.find_newest(site.directory, by_modification=by_modification)
    return link_to(site, entry) if entry else None


# Files.
def _make_info(site: Site) -> VirtualFile:
    scratch = write_scratch(site.sources.spool, _write_info(site))
    return _make_file(site.below("info.json"), _JSON, scratch.size, lambda: ScratchReading(scratch))


def _write_info(site: Site) -> Iterator[bytes]:
    """Give a list of what Konifer tells of each entry, a line each."""
    before = "["
    for page in site.sources.metadata.stream_assets(site.directory):
        for asset in page:
            info = asset_info(asset.entry_id, asset.facts, asset.variants)
            yield f"{before}\n{json.dumps(info, ensure_ascii=False)}".encode()
            before = ","
    yield b"[]\n" if before == "[" else b"\n]\n"


def _make_report(site: Site, *, name: str, write: Callable[[], bytes]) -> VirtualFile:
    text = write()
    return _make_file(site.below(name), _TEXT, len(text), lambda: BytesReading(text))


def _unwritten(site: Site) -> VirtualFile:
    """Give what is listed of a file: looking it up writes it, and gives another."""
    return _make_file(site, _TEXT, 0, begin_nothing)


def _make_file(site: Site, content_type: str, size: int, begin_reading: Callable[[], Reading]) -> VirtualFile:
    stat = as_file(site.like, node_id=site.id, size=size, mtime_ns=site.like.mtime_ns)
    return VirtualFile(stat=stat, content_type=content_type, begin_reading=begin_reading)
