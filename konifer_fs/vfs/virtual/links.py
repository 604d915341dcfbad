"""Links to entries: where they point, and how a list of any number of them is written down."""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import cast

from konifer_fs.domain.node import Entry
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import Selected, Selection
from konifer_fs.vfs.nodes import to_ns
from konifer_fs.vfs.virtual.nodes import Record, VirtualLink, virtual_id
from konifer_fs.vfs.virtual.site import Site
from konifer_fs.vfs.virtual.spelled import may_be_listed


def link_to(site: Site, entry: Entry) -> VirtualLink:
    """Give the link to an entry in the directory that is at `site`."""
    (name,) = site.sources.metadata.list_shown_names([entry])
    return site.make_link(virtual_id(site.id, entry.id), _Paths(site).of(name, entry), _mtime(entry))


def stream_links(site: Site, selection: Selection, name: Callable[[Selected, str], str]) -> Iterator[Sequence[Record]]:
    """Give records of links to what is selected, in pages; `name` tells what a link to the entry at a path is called.

    A name that not every kernel takes is left out.
    """
    paths = _Paths(site)
    for page in site.sources.metadata.stream_selected(site.directory, selection):
        places = [(paths.of(shown, entry), entry) for shown, entry in page]
        named = [(name(entry, path), path, entry) for path, entry in places]
        yield [
            (called, virtual_id(site.id, entry.id), path, entry.mtime_ns)
            for called, path, entry in named
            if may_be_listed(called)
        ]


def restore_link(site: Site, record: Record) -> tuple[str, VirtualLink]:
    """Give the link of a record."""
    name, node_id, path, mtime_ns = cast("tuple[str, int, str, int]", record)
    return name, site.make_link(node_id, path, mtime_ns)


class _Paths:
    """Tells where entries are shown, seen from the directory that is selected from. Not thread-safe."""

    def __init__(self, site: Site) -> None:
        self._shown = site.sources.shown
        self._base = site.directory.path.labels
        self._labels: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()

    def of(self, name: str, entry: Entry | Selected) -> str:
        """Give the path of an entry that is shown as `name` in its directory."""
        return "/".join((*self._lead_to(entry.path), name))

    def _lead_to(self, path: AssetPath) -> tuple[str, ...]:
        """Give the names of the directories above; what leads to the one asked for last, too, is not asked again."""
        labels = path.labels[len(self._base) :]
        if labels != self._labels:
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(labels, self._labels, strict=False)))
            names = [
                self._shown.name_directory(AssetPath(self._base + labels[:depth]))
                for depth in range(same + 1, len(labels) + 1)
            ]
            self._labels, self._names = labels, (*self._names[:same], *names)
        return self._names


def _mtime(entry: Entry) -> int:
    mtime_ns = entry.ownership.mtime_ns
    return to_ns(entry.created_at) if mtime_ns is None else mtime_ns
