"""Directories of links to the entries with some labels or tags: below `D/-/labels`, `D/-/tags` and `D/-/recursive`.

Making a link there, moving one there, and removing one, change the labels and tags of its entry.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.errors import AttributeContradicted, NoSuchName, ReadOnly
from konifer_fs.domain.node import Directory, Entry, Node
from konifer_fs.ports import Selected, Selection
from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.virtual.describing import Description, Label, Tag
from konifer_fs.vfs.virtual.links import link_to, restore_link, stream_links
from konifer_fs.vfs.virtual.nodes import Record, VirtualDirectory, VirtualLink, VirtualNode
from konifer_fs.vfs.virtual.site import Site
from konifer_fs.vfs.virtual.spelled import decode_text, encode_text, may_be_listed


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedNames:
    """What is selected by labels, or by tags: all that is `chosen`, the outermost first.

    Where nothing is chosen yet, the labels or tags in use are listed. Else there are links to the entries: each is
    called like its entry, but a recursive one like the path to it. A label that is looked up there narrows, and so does
    a tag in use, but not one with the name of an entry: that is left for a link to be made.
    """

    site: Site
    kind: type[Label] | type[Tag]
    chosen: tuple[Description, ...] = ()
    recursive: bool = False

    def refreshed(self) -> VirtualDirectory:
        """Give the directory as it is now; raises MovedOn when it is gone."""
        site = self.site.refreshed()
        return replace(self, site=site).as_directory()

    def as_directory(self) -> VirtualDirectory:
        """Give the directory that is here: who may write an entry may change it here, whoever may write D."""
        return self.site.make_directory(self, is_checked=True)

    @property
    def _selection(self) -> Selection:
        return reduce(lambda found, chosen: chosen.narrow(found), self.chosen, Selection(recursive=self.recursive))

    # Reading.
    def find(self, name: str) -> VirtualNode | None:
        """Give the link, or the narrower directory, that `name` denotes."""
        entry = self.find_entry(name) if self.chosen else None
        if entry is None:
            chosen = self.kind.parse(name)
            return self._below(chosen) if chosen and self._may_open(chosen) else None
        return link_to(self.site, entry) if self._has(entry) else None

    def find_entry(self, name: str, caller: Caller | None = None) -> Entry | None:
        """Give the entry that a link of this name leads to, selected or not.

        Raises AccessDenied where a directory on the way there is closed to `caller`.
        """
        path = decode_text(name) if self.recursive else name
        if path is None or (self.recursive and encode_text(path) != name):
            return None
        found: Node | None = self.site.directory
        for step in path.split("/"):
            if not step or not isinstance(found, Directory):
                return None
            if caller is not None:
                caller.check(self.site.sources.defaults.stat_directory(found), os.X_OK)
            found = self.site.sources.metadata.find_child(found, step)
        return found if isinstance(found, Entry) else None

    def _has(self, entry: Entry) -> bool:
        return self.site.sources.metadata.is_selected(entry, self._selection)

    def _may_open(self, chosen: Description) -> bool:
        if not self.chosen or isinstance(chosen, Label):
            return True
        selected = chosen.narrow(self._selection)
        return any(self.site.sources.metadata.stream_selected(self.site.directory, selected))

    def _below(self, chosen: Description) -> VirtualDirectory:
        site = self.site.below(chosen.name)
        return replace(self, site=site, chosen=(*self.chosen, chosen)).as_directory()

    def stream(self) -> Iterator[Sequence[Record]]:
        """Give a record of each label or tag in use where nothing is chosen, else of each link.

        What narrows is never listed: it can be chosen in every order, and a walk would go through them all.
        """
        if self.chosen:
            yield from stream_links(self.site, self._selection, self._name)
            return
        for used in self.kind.list_used(self.site.sources.metadata, self.site.directory, self._selection):
            names = (description.name for description in used)
            yield [(name,) for name in names if may_be_listed(name)]

    def _name(self, _entry: Selected, path: str) -> str:
        return encode_text(path) if self.recursive else path

    def restore(self, record: Record) -> tuple[str, VirtualNode]:
        """Give the name and node of a record; asks no store."""
        if len(record) > 1:
            return restore_link(self.site, record)
        chosen = self.kind.parse(str(record[0]))
        assert chosen is not None  # noqa: S101 (for the type checker)
        return chosen.name, self._below(chosen)

    # Changing.
    def add(self, name: str, target: str, caller: Caller) -> VirtualLink:
        """Make an entry have all that is chosen, because a link to it is made.

        Raises ReadOnly unless the link is called as it will be, and leads to the entry; AccessDenied;
        AttributeContradicted; what labels and tags are refused with.
        """
        entry = self.changeable(name, caller)
        link = link_to(self.site, entry)
        if _leads_to(self.site, target) != _leads_to(self.site, link.target):
            raise ReadOnly(f"a link to {name} has the target {link.target} here")
        self.site.sources.metadata.edit_annotations(entry, self.edit)
        return link

    def remove(self, name: str, caller: Caller) -> None:
        """Take from an entry what was chosen last."""
        entry = self.changeable(name, caller)
        if not self._has(entry):
            raise NoSuchName(name)
        self.site.sources.metadata.edit_annotations(entry, self._edit_away())

    def move(self, name: str, target: "DescribedNames", new_name: str, caller: Caller) -> None:
        """Take from an entry what was chosen last here, and make it have all that is chosen at `target`, at once."""
        entry = self.changeable(name, caller)
        if not self._has(entry):
            raise NoSuchName(name)
        if target.changeable(new_name, caller).asset_id != entry.asset_id:
            raise ReadOnly("a link has the name of its entry")
        edit = self._edit_away().then(target.edit)
        self.site.sources.metadata.edit_annotations(entry, edit)

    def changeable(self, name: str, caller: Caller) -> Entry:
        """Give the entry that a link of this name leads to; raises ReadOnly, and AccessDenied as its path would."""
        entry = self.find_entry(name, caller) if self.chosen else None
        if entry is None:
            raise ReadOnly("only links to entries, under the names that they have here, can be made and removed here")
        defaults, draft = self.site.sources.defaults, self.site.sources.drafts.find_by_id(entry.id)
        caller.check(defaults.stat_draft(draft) if draft else defaults.stat_entry(entry, 0), os.W_OK)
        return entry

    @property
    def edit(self) -> AnnotationEdit:
        """What makes an entry have all that is chosen; raises AttributeContradicted where nothing can."""
        labels = self._selection.labels
        if len({key for key, _ in labels}) < len(labels):
            raise AttributeContradicted(", ".join(chosen.name for chosen in self.chosen))
        return reduce(AnnotationEdit.then, (chosen.edit(wanted=True) for chosen in self.chosen))

    def _edit_away(self) -> AnnotationEdit:
        return self.chosen[-1].edit(wanted=False)


def _leads_to(site: Site, target: str) -> Sequence[str] | None:
    """Give the names that lead from the mount's root to the target of a link at `site`; None where they may not."""
    if target.startswith("/"):
        return None
    above = len(site.sources.root.path.labels)
    path = [*site.directory.path.names[above:], *site.place]
    for name in target.split("/"):
        if name == ".." and not path:
            return None
        if name == "..":
            path.pop()
        elif name not in {"", "."}:
            path.append(name)
    return path
