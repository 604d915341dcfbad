"""Where selectors are: the directory that they select from, and the names below it that lead to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Directory
from konifer_fs.ports import MetadataStore
from konifer_fs.spool import Spool
from konifer_fs.vfs.drafts import Drafts
from konifer_fs.vfs.nodes import Defaults
from konifer_fs.vfs.shown import ShownNames
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import (
    Names,
    StreamedNames,
    VirtualDirectory,
    VirtualLink,
    as_directory,
    as_link,
    virtual_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What all selectors of a mount ask: `reports` are the files that only the `-` of its `root` has."""

    metadata: MetadataStore
    shown: ShownNames
    drafts: Drafts
    defaults: Defaults
    spool: Spool
    root: Directory
    reports: Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The place of a virtual node: `place` are the names below `directory` that lead to it, and `like` its attributes.

    `id` is its inode number.
    """

    sources: Sources
    directory: Directory
    like: Stat
    place: tuple[str, ...]
    id: int

    @classmethod
    def at(cls, sources: Sources, directory: Directory, *place: str) -> "Site":
        """Give a place below a directory that was just read."""
        like = sources.defaults.stat_directory(directory)
        return cls(sources=sources, directory=directory, like=like, place=place, id=virtual_id(directory.id, *place))

    def below(self, name: str) -> "Site":
        """Give the place that `name` leads to."""
        place = (*self.place, name)
        return replace(self, place=place, id=virtual_id(self.directory.id, *place))

    def refreshed(self) -> "Site":
        """Read the directory again; raises MovedOn when it is gone."""
        current = self.sources.metadata.refresh(self.directory)
        if not isinstance(current, Directory):
            raise MovedOn
        return self.at(self.sources, current, *self.place)

    def make_directory(self, names: Names | StreamedNames, *, is_checked: bool = False) -> VirtualDirectory:
        """Give the directory that is here; whether it `is_checked` by `names` what may be changed there."""
        return VirtualDirectory(stat=as_directory(self.like, node_id=self.id, is_checked=is_checked), names=names)

    def make_link(self, node_id: int, path: str, mtime_ns: int) -> VirtualLink:
        """Give a link in the directory that is here: `path` leads to its target from the one that is selected from."""
        target = "../" * len(self.place) + path
        return VirtualLink(stat=as_link(self.like, node_id=node_id, target=target, mtime_ns=mtime_ns), target=target)
