"""Changing the tree: making and removing names, and what chmod, chown and utimensat set. Moving is in `moves`."""

import time
from dataclasses import asdict, replace

from konifer_fs.domain.errors import (
    DirectoryNotEmpty,
    IsADirectory,
    MovedOn,
    NameTaken,
    NoSuchName,
    NotADirectory,
    ReadOnly,
)
from konifer_fs.domain.node import Directory, Entry, Ownership, Symlink
from konifer_fs.domain.path import check_name
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft, Drafts
from konifer_fs.vfs.files import Files
from konifer_fs.vfs.nodes import AnyDirectory, Node, RealNode, changeable
from konifer_fs.vfs.tree import Tree
from konifer_fs.vfs.virtual.nodes import RemovableNames, VirtualDirectory, VirtualLink
from konifer_fs.vfs.virtual.selected import DescribedNames


class Edits:
    """Makes and removes names of one mount, and sets ownership. Thread-safe."""

    def __init__(self, metadata: MetadataStore, tree: Tree, files: Files, drafts: Drafts, commits: Commits) -> None:
        self._metadata = metadata
        self._tree = tree
        self._files = files
        self._drafts = drafts
        self._commits = commits

    def make_directory(self, parent: Directory, name: str, ownership: Ownership) -> Directory:
        """Make a directory; raises NameTaken, NameReserved, NameTooLong, NameNotText."""
        self._check_free(parent, name)
        self._drafts.check_label_free(parent, name)
        return self._metadata.make_directory(parent, name, _now(ownership))

    def make_symlink(
        self, parent: AnyDirectory, name: str, target: str, ownership: Ownership, caller: Caller
    ) -> Symlink | VirtualLink:
        """Make a symbolic link to anywhere; where links to entries are selected, it changes what describes one.

        Raises:
            NameTaken, NameReserved, NameTooLong, NameNotText; there ReadOnly, AccessDenied where `caller` may not
                write the entry, and what labels and tags are refused with
        """
        if isinstance(parent, VirtualDirectory):
            return _describing(parent).add(name, target, caller)
        self._check_free(parent, name)
        return self._metadata.make_symlink(parent, name, target, _now(ownership))

    def move_link(self, source: AnyDirectory, name: str, target: AnyDirectory, new_name: str, caller: Caller) -> None:
        """Move a link from where links to entries are selected to another such place; raises as `make_symlink`."""
        _describing(source).move(name, _describing(target), new_name, caller)

    def remove(self, parent: AnyDirectory, name: str, now_ns: int, caller: Caller) -> None:
        """Remove a file or symlink, which open handles go on using; a variant is removed from both stores.

        The directory has the times `now_ns` then.

        Raises:
            NoSuchName, IsADirectory, ReadOnly, AccessDenied; NameReserved for what is shown with every entry's variants
        """
        if isinstance(parent, VirtualDirectory):
            if not isinstance(parent.names, RemovableNames):
                raise ReadOnly(name)
            parent.names.remove(name, caller)
            return
        if not self._drafts.find(parent, name):
            removed = self._metadata.remove_named(parent, name, now_ns)
            if removed is not None:
                self._unlink_begun(removed)
                return
        node = changeable(self._tree.lookup(parent, name))
        if isinstance(node, Directory):
            raise IsADirectory(name)
        if isinstance(node, Symlink):
            self._metadata.remove_symlink(parent, node, now_ns)
        elif isinstance(node, Entry):
            self._metadata.remove_entry(parent, node, now_ns)
            self._unlink_begun(node.id)
        elif not self._remove_draft(parent, name, node, now_ns):
            self.remove(parent, name, now_ns, caller)

    def _remove_draft(self, parent: Directory, name: str, draft: Draft, now_ns: int) -> bool:
        """Remove a draft and the entry that it lies over; gives whether it still had the name."""
        with draft.lock:
            if self._drafts.find(parent, name) is not draft:
                return False
            self._commits.learn(draft)
            if draft.base is not None:
                self._remove_base(parent, draft.base, now_ns)
            self.unlink_draft(draft)
            return True

    def _unlink_begun(self, node_id: int) -> None:
        """Take the name of a draft of what was removed, that was begun meanwhile."""
        if draft := self._drafts.find_by_id(node_id):
            with draft.lock:
                if self._drafts.holds(draft):
                    self.unlink_draft(draft)

    def _remove_base(self, parent: Directory, base: Entry, now_ns: int) -> None:
        try:
            self._metadata.remove_entry(parent, base, now_ns)
        except MovedOn:
            return  # Somebody removed the entry under the draft: it is gone, as asked for.

    def drop_draft(self, draft: Draft) -> None:
        """Remove a draft, but not the entry that it lies over.

        Raises NameTaken while it is open, NoSuchName when it was stored or removed meanwhile.
        """
        with draft.lock:
            if not self._drafts.holds(draft):
                raise NoSuchName(f"{draft.name} is no draft any more")
            if draft.handles:
                raise NameTaken(f"{draft.name} is open")
            self.unlink_draft(draft)

    def unlink_draft(self, draft: Draft) -> None:
        """Take a draft's name; its bytes go with its last handle. The caller holds its lock."""
        self._drafts.rename(draft, draft.directory, None)
        self._files.settle(draft)

    def remove_directory(self, parent: Directory, name: str, now_ns: int) -> None:
        """Remove an empty directory; the one above has the times `now_ns` then.

        Raises:
            NoSuchName, NotADirectory, DirectoryNotEmpty (also when it holds drafts or local files of this mount)
        """
        node = changeable(self._tree.lookup(parent, name))
        if not isinstance(node, Directory):
            raise NotADirectory(name)
        if self._drafts.list_in(node):
            raise DirectoryNotEmpty(name)
        self._metadata.remove_directory(node, now_ns)

    def set_ownership(self, node: Node, change: Ownership) -> Node:
        """Set mode, owner and times where `change` has them; ctime is now. A change of owner clears set-id bits."""
        node = changeable(node)
        change = replace(_without_set_id(node, change), ctime_ns=time.time_ns())
        if isinstance(node, Directory) and change.mtime_ns is None:
            change = replace(change, mtime_ns=self._drafts.renamed_ns(node))
        if not isinstance(node, Draft):
            return self._metadata.set_ownership(node, change)
        with node.lock:
            self._commits.learn(node)
            node.ownership = _merged(node.ownership, change)
            if node.is_stored and node.base is not None and node.name is not None:
                self._metadata.set_ownership(node.base, change)
            self._commits.save(node)
        return node

    def _check_free(self, parent: Directory, name: str) -> None:
        check_name(name)
        if self._drafts.find(parent, name):
            raise NameTaken(name)


def _describing(directory: AnyDirectory) -> DescribedNames:
    """Give a directory in which links can be made; raises ReadOnly."""
    if isinstance(directory, VirtualDirectory) and isinstance(directory.names, DescribedNames):
        return directory.names
    raise ReadOnly


def _without_set_id(node: RealNode, change: Ownership) -> Ownership:
    mode = node.ownership.mode or 0
    chowned = change.uid is not None or change.gid is not None
    if isinstance(node, Directory) or not chowned or change.mode is not None or not mode & 0o6000:
        return change
    return replace(change, mode=mode & 0o1777)


def _merged(now: Ownership, change: Ownership) -> Ownership:
    return replace(now, **{name: value for name, value in asdict(change).items() if value is not None})


def _now(ownership: Ownership) -> Ownership:
    now_ns = time.time_ns()
    return replace(ownership, mtime_ns=now_ns, ctime_ns=now_ns)
