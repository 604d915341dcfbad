"""Renaming, where the stored tree and the drafts over it meet.

The store moves what it has in one transaction; then the drafts follow. A local file that gets an ordinary name has to
be a whole image, and is committed by the rename; also one that is exchanged. Those below a directory that gets an
ordinary name have to be whole images, too.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from konifer_fs.domain.errors import (
    DirectoryNotEmpty,
    IsADirectory,
    KoniferFsError,
    MovedOn,
    NameTaken,
    NoSuchName,
    NotADirectory,
)
from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.domain.path import AssetPath, check_name
from konifer_fs.ports import MetadataStore, OnClash
from konifer_fs.spool import Spool
from konifer_fs.vfs.bases import Bases
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft, Drafts, DraftState, Renamed
from konifer_fs.vfs.files import Files
from konifer_fs.vfs.names import may_be_local
from konifer_fs.vfs.nodes import Node, RealNode, StoredNode, changeable
from konifer_fs.vfs.tree import Tree

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A name in a directory."""

    directory: Directory
    name: str


class Moved(NamedTuple):
    """What a rename has done: which directories have other paths, and what the store moved, as it is now."""

    renamed: Sequence[Renamed] = ()
    nodes: Sequence[StoredNode] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """One rename: what is moved, what has the new name (if anything), and what the store knows of each."""

    source: Place
    target: Place
    on_clash: OnClash
    now_ns: int
    moving: RealNode
    there: RealNode | None

    @property
    def stored(self) -> Directory | Entry | Symlink | None:
        return self.moving.base if isinstance(self.moving, Draft) else self.moving

    @property
    def stored_there(self) -> Directory | Entry | Symlink | None:
        return self.there.base if isinstance(self.there, Draft) else self.there

    @property
    def exchanges(self) -> bool:
        return self.on_clash is OnClash.EXCHANGE

    @property
    def puts_draft_over_entry(self) -> bool:
        """Whether a draft that lies over nothing replaces an entry, which then gets the draft's number."""
        return self.stored is None and isinstance(self.stored_there, Entry) and not self.exchanges

    @property
    def moves(self) -> Sequence[tuple[RealNode, Place]]:
        """What gets another name, and which."""
        both = [(self.moving, self.target), *([(self.there, self.source)] if self.exchanges else [])]
        return [(node, place) for node, place in both if node is not None]

    @property
    def labelled(self) -> Sequence[Place]:
        """Where a directory gets its label by its name, and not that of the directory whose place it takes."""
        if isinstance(self.moving, Directory) and isinstance(self.there, Directory):
            return []
        return [place for node, place in self.moves if isinstance(node, Directory)]


class Moves:
    """Renames on one mount. Thread-safe."""

    def __init__(
        self, metadata: MetadataStore, tree: Tree, files: Files, drafts: Drafts, commits: Commits, spool: Spool
    ) -> None:
        self._metadata = metadata
        self._tree = tree
        self._files = files
        self._drafts = drafts
        self._commits = commits
        self._spool = spool
        self._bases = Bases(metadata, drafts)

    def move(self, source: Place, target: Place, on_clash: OnClash, now_ns: int) -> Moved:
        """Rename; both directories have the times `now_ns` then.

        Raises:
            NoSuchName, NameTaken, NameReserved, NameTooLong, NameNotText, IsADirectory, NotADirectory,
            DirectoryNotEmpty, MoveIntoItself; WrongMediumType or NotWhole for a local file.
        """
        if (entry := self._move_plainly(source, target, on_clash, now_ns)) is not None:
            return Moved(nodes=[entry])
        moved = None
        while moved is None:
            moved = self._move_what_is_there(source, target, on_clash, now_ns)
        self._drafts.rebase(moved.renamed)
        self._commit_below(moved.renamed)
        return moved

    def _move_what_is_there(self, source: Place, target: Place, on_clash: OnClash, now_ns: int) -> Moved | None:
        """Rename; gives None when a draft that is concerned was let go of, or stepped aside, at that moment."""
        moving = changeable(self._tree.lookup(source.directory, source.name))
        there = self._tree.find(target.directory, target.name)
        if there is not None:
            there = changeable(there)
        check_name(target.name)
        move = _Move(source=source, target=target, on_clash=on_clash, now_ns=now_ns, moving=moving, there=there)
        if move.moving is move.there:
            return Moved()
        self._refuse(move)
        if isinstance(move.moving, Draft) and not target.directory.made:
            directory = self._metadata.make_directories(target.directory.path)
            move = replace(move, target=Place(directory=directory, name=target.name))
        with _locked(move.moving, move.there):
            if not (self._has_name_still(moving, source) and self._has_name_still(there, target)):
                return None
            for draft in (moving, there):
                if isinstance(draft, Draft):
                    self._commits.learn(draft)
            self._prepare(move)
            return self._move_locked(move)

    def _move_locked(self, move: _Move) -> Moved | None:
        """Rename, with the drafts' locks; gives None when others have moved or removed what one of them lies over."""
        moving, there, is_put_over = move.moving, move.there, move.puts_draft_over_entry
        revealed = [draft for node, place in move.moves for draft in self._revealed(node, place)]
        if revealed == [moving] and not move.exchanges:
            self._move_committing(move, revealed[0])
            return Moved()
        try:
            if isinstance(there, Draft) and not move.exchanges:
                self._bases.describe(there)  # What replaces it takes that over.
            moved = self._move_stored(move)
        except (NoSuchName, MovedOn):
            if not any(self._bases.find_out(node) for node in (moving, there) if isinstance(node, Draft)):
                raise
            return None
        self._move_drafts(move)
        if is_put_over and isinstance(moving, Draft):
            self._bases.renumber(moving)
        self._commit_revealed(draft for draft in revealed if draft is moving or draft is there)
        return moved

    def _has_name_still(self, node: RealNode | None, place: Place) -> bool:
        return not isinstance(node, Draft) or self._drafts.find(place.directory, place.name) is node

    def _move_plainly(self, source: Place, target: Place, on_clash: OnClash, now_ns: int) -> Entry | None:
        """Rename a stored entry that no draft is concerned in, as most are, without a look before.

        A draft of it that was begun meanwhile follows, one of an entry that it replaces loses its name.
        """
        are_stored = all(self._tree.can_be_stored_only(place.directory, place.name) for place in (source, target))
        if on_clash is OnClash.EXCHANGE or not are_stored:
            return None
        entry = self._metadata.move_named(
            source.directory, source.name, target.directory, target.name, on_clash, now_ns
        )
        if entry is None:
            return None
        replaced = self._drafts.find(target.directory, target.name)
        if replaced is not None and replaced.base is not None and replaced.id != entry.id:
            with replaced.lock:
                if self._has_name_still(replaced, target):
                    self._drafts.rename(replaced, replaced.directory, None)
                    self._files.settle(replaced)
        following = self._drafts.find(source.directory, source.name)
        if following is not None and following.id == entry.id:
            with following.lock:
                if self._has_name_still(following, source):
                    self._drafts.rename(following, target.directory, target.name)
                    self._settle_name(following)
        return entry

    def _refuse(self, move: _Move) -> None:
        """Raise for what the store cannot see, because a draft is involved."""
        if move.on_clash is OnClash.REFUSE and move.there is not None:
            raise NameTaken(move.target.name)
        for place in move.labelled:
            self._drafts.check_label_free(place.directory, place.name)
        if move.exchanges:
            if move.there is None:
                raise NoSuchName(move.target.name)
            return
        if isinstance(move.moving, Draft) and isinstance(move.there, Directory):
            raise IsADirectory(move.target.name)
        if isinstance(move.moving, Directory) and isinstance(move.there, Draft):
            raise NotADirectory(move.target.name)
        if isinstance(move.there, Directory) and self._drafts.list_in(move.there):
            raise DirectoryNotEmpty(move.target.name)

    def _prepare(self, move: _Move) -> None:
        """Make room where a draft becomes a local file, before anything is changed."""
        draft = move.moving
        if isinstance(draft, Draft) and draft.state is DraftState.INCOMPLETE and _is_local(move.target):
            draft.file.charge_to(self._spool.local)

    def _revealed(self, node: RealNode, target: Place) -> Sequence[Draft]:
        """Give the local files, not empty, that get an ordinary name or path with `node`; raises unless they may."""
        if isinstance(node, Draft):
            places = [(node, target)]
        elif isinstance(node, Directory):
            path = target.directory.path.child_named(target.name)
            places = [(draft, _rebased(draft, node.path, path)) for draft in self._drafts.list_within(node.path)]
        else:
            places = []
        revealed = [(draft, place) for draft, place in places if _becomes_ordinary(draft, place)]
        for draft, place in revealed:
            if draft.refusal is not None:
                raise draft.refusal
            self._commits.check(draft, place.directory)
        return [draft for draft, _ in revealed]

    def _commit_below(self, renamed: Sequence[Renamed]) -> None:
        """Commit the local files below directories that have ordinary names by now, as `_commit_revealed` does."""
        for draft in [draft for _, path in renamed for draft in self._drafts.list_within(path)]:
            if _is_revealed(draft, renamed):
                with draft.lock:
                    if self._drafts.holds(draft) and _is_revealed(draft, renamed):
                        self._settle_name(draft)
                        self._commit_revealed([draft])

    def _commit_revealed(self, drafts: Iterable[Draft]) -> None:
        """Commit local files that have their ordinary name by now; one that cannot be is tried again later."""
        for draft in drafts:
            try:
                self._commits.commit(draft)
            except KoniferFsError as error:
                log.warning("%s is not stored: %s", draft.name, error)
            self._files.settle(draft)

    def _move_committing(self, move: _Move, draft: Draft) -> None:
        """Give a local file its ordinary name and store it, unless it is refused, before anything is changed.

        One that cannot be stored now has its new name, and is stored later: its bytes are as safe as they were.
        """
        is_put_over = move.puts_draft_over_entry
        with self._commits.prepare(draft, move.target.directory) as upload:
            draft.file.charge_to(self._spool.drafts)
            self._move_stored(move)
            self._drafts.rename(draft, move.target.directory, move.target.name)
            self._commits.promise(draft)
            if is_put_over:
                self._bases.renumber(draft)
            self._commits.store_promised(draft, upload)
        if isinstance(move.there, Draft):
            self._files.settle(move.there)
        self._files.settle(draft)

    def _move_stored(self, move: _Move) -> Moved:
        """Move what the store has of it."""
        if move.stored is not None:
            return self._move_in_store(move, move.stored)
        there, draft = move.stored_there, move.moving
        if there is None:
            return Moved()
        if move.exchanges:
            return self._move_back(move, there)
        if isinstance(there, Symlink):
            self._metadata.remove_symlink(move.target.directory, there, move.now_ns)
        elif isinstance(there, Entry) and isinstance(draft, Draft):
            draft.base = there
        return Moved()

    def _move_in_store(self, move: _Move, stored: StoredNode) -> Moved:
        source, target, there = move.source, move.target, move.stored_there
        on_clash = OnClash.REFUSE if move.exchanges and there is None else move.on_clash
        moved = self._metadata.move(source.directory, source.name, target.directory, target.name, on_clash, move.now_ns)
        if isinstance(move.moving, Draft) and isinstance(moved, Entry):
            move.moving.base = moved
        if there is None or not move.exchanges:
            return Moved(_renamed(stored, moved), [moved])
        back = self._metadata.refresh(there)
        if isinstance(move.there, Draft) and isinstance(back, Entry):
            move.there.base = back
        return Moved([*_renamed(stored, moved), *_renamed(there, back)], [node for node in (moved, back) if node])

    def _move_back(self, move: _Move, there: StoredNode) -> Moved:
        """Move what has the new name to the old one, which only a draft has."""
        source, target = move.source, move.target
        moved = self._metadata.move(
            target.directory, target.name, source.directory, source.name, OnClash.REFUSE, move.now_ns
        )
        if isinstance(move.there, Draft) and isinstance(moved, Entry):
            move.there.base = moved
        return Moved(_renamed(there, moved), [moved])

    def _move_drafts(self, move: _Move) -> None:
        """Let the drafts follow what the store has done."""
        moving, there, source, target = move.moving, move.there, move.source, move.target
        if move.exchanges:
            if isinstance(moving, Draft) and isinstance(there, Draft):
                self._drafts.exchange(moving, there)
            elif isinstance(moving, Draft):
                self._drafts.rename(moving, target.directory, target.name)
            elif isinstance(there, Draft):
                self._drafts.rename(there, source.directory, source.name)
        else:
            if isinstance(there, Draft):
                self._drafts.rename(there, there.directory, None)
                self._files.settle(there)
            if isinstance(moving, Draft):
                self._drafts.rename(moving, target.directory, target.name)
        for node in (moving, there):
            if isinstance(node, Draft) and node.name is not None:
                self._settle_name(node)

    def _settle_name(self, draft: Draft) -> None:
        """Let a draft that is kept in the spool be what its new name says, and write that down."""
        if draft.state in {DraftState.INCOMPLETE, DraftState.LOCAL} and draft.name is not None:
            local = may_be_local(draft.name, draft.directory.path)
            draft.state = DraftState.LOCAL if local else DraftState.INCOMPLETE
        self._commits.save(draft)


def _is_local(place: Place) -> bool:
    return may_be_local(place.name, place.directory.path)


def _becomes_ordinary(draft: Draft, target: Place) -> bool:
    """Whether a draft is stored from now on, and was not before, because of its new name or path."""
    is_local = may_be_local(draft.name or "", draft.directory.path) and not draft.is_stored
    return is_local and draft.state is not DraftState.PENDING and not _is_local(target) and draft.file.size > 0


def _is_revealed(draft: Draft, renamed: Sequence[Renamed]) -> bool:
    """Whether a local file lies, by an ordinary name, below one of the directories that were renamed."""
    path = draft.directory.path
    is_below = any(path.is_within(new) for _, new in renamed)
    return is_below and draft.state is DraftState.LOCAL and not may_be_local(draft.name or "", path)


def _rebased(draft: Draft, old: AssetPath, new: AssetPath) -> Place:
    """Give where a draft in or below `old` lies once that is `new`."""
    here = draft.directory
    return Place(directory=here._replace(path=here.path.rebased(old, new)), name=draft.name or "")


def _renamed(before: Node, after: Node | None) -> Sequence[Renamed]:
    if isinstance(before, Directory) and isinstance(after, Directory):
        return [(before.path, after.path)]
    return []


@contextmanager
def _locked(*nodes: Node | None) -> Iterator[None]:
    """Hold the locks of the drafts among `nodes`, always taken in the same order."""
    drafts = {node.id: node for node in nodes if isinstance(node, Draft)}
    with ExitStack() as stack:
        for _, draft in sorted(drafts.items()):
            stack.enter_context(draft.lock)
        yield
