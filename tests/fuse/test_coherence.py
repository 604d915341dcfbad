"""What is believed, and how long: what others change is asked for again, and what was read too early is not kept."""

from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import pytest

from konifer_fs.domain.changes import AssetChanged, Change, NodeChanged, SubtreeChanged
from konifer_fs.domain.node import ROOT_ID, Directory, Symlink, derived_id
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse import coherence
from konifer_fs.fuse.coherence import TOLD_SECONDS, UNTOLD_SECONDS, Coherence, Mark
from konifer_fs.fuse.inodes import Inode, Inodes
from konifer_fs.fuse.kernel_caches import Doubts, KernelCaches
from konifer_fs.fuse.listings import KeptListing
from konifer_fs.vfs.moves import Moved
from tests.counting import count_lines

ROOT = Directory(id=ROOT_ID, path=AssetPath(), made=True)


class Caches(KernelCaches):
    """Hears what the kernel would be told."""

    def __init__(self) -> None:
        self.told: list[Doubts] = []

    def doubt(self, doubts: Doubts) -> None:
        self.told.append(doubts)


class Mount:
    """A tree that the kernel knows: `a/b` and the link `a/l`, all read just now, and a foreign directory `x`."""

    def __init__(self) -> None:
        self.inodes, self.caches = Inodes(ROOT), Caches()
        self.coherence = Coherence(self.inodes, self.caches, lambda _: None)
        self.coherence.hear(None)
        self.a = self.know(Directory(id=2, path=AssetPath(("a",)), made=True), self.inodes.root, "a")
        self.b = self.know(Directory(id=3, path=AssetPath(("a", "b")), made=True), self.a, "b")
        self.link = self.know(Symlink(id=4, path=AssetPath(("a",)), name="l", target="b"), self.a, "l")
        path = AssetPath(("x",))
        self.x = self.know(Directory(id=derived_id(path), path=path, made=False), self.inodes.root, "x")
        self.root = self.inodes.root
        self.coherence.believe(self.root, self.coherence.mark())
        self.caches.told.clear()

    def know(self, node: Directory | Symlink, parent: Inode, name: str) -> Inode:
        mark = self.coherence.mark()
        inode = self.inodes.note(node, parent.number, name, mark.at)
        inode.lookups += 1
        assert self.coherence.believe(inode, mark) == TOLD_SECONDS
        return inode

    def doubted(self, *changes: Change) -> tuple[set[str], set[str]]:
        """Give the names, as `<parent>/<name>`, and the inodes of which the kernel is told when these are."""
        self.coherence.hear(changes)
        letters = {self.root.number: "root", 2: "a", 3: "b", 4: "l", self.x.number: "x"}
        (doubts,) = self.caches.told
        for inode in self.inodes:
            assert (inode.believed_until == 0) == (inode.number in doubts.attributes)
        return {f"{letters[number]}/{name}" for number, name in doubts.names}, {letters[n] for n in doubts.attributes}


@pytest.fixture
def mount() -> Mount:
    return Mount()


def test_a_changed_node_and_its_directory_are_doubted(mount: Mount) -> None:
    assert mount.doubted(NodeChanged(id=4, parent=2, name="l")) == ({"a/l", "root/a"}, {"l", "a"})


def test_below_a_moved_directory_all_is_doubted(mount: Mount) -> None:
    mount.coherence.believe_absent(mount.b, "none", mount.coherence.mark())
    names, inodes = mount.doubted(NodeChanged(id=2, parent=1, name="a"), NodeChanged(id=2, parent=None, name="away"))
    assert (names, inodes) == ({"root/a", "a/b", "a/l", "b/none"}, {"root", "a", "b", "l"})


def test_below_a_directory_that_is_where_it_was_nothing_is_doubted(mount: Mount) -> None:
    """Somebody set its mode."""
    assert mount.doubted(NodeChanged(id=2, parent=1, name="a")) == ({"root/a"}, {"root", "a"})


A, MOVED = AssetPath(("a",)), AssetPath(("moved",))


@pytest.mark.parametrize(
    "work",
    [
        lambda mount: mount.coherence.hear([NodeChanged(id=2, parent=1, name="a")]),
        lambda mount: mount.coherence.hear([NodeChanged(id=2, parent=1, name=name) for name in ("a", "moved")]),
        lambda mount: mount.coherence.hear([SubtreeChanged(path=A)]),
        lambda mount: mount.coherence.note_moved([(1, "a"), (1, "moved")], Moved([(A, MOVED)])),
        lambda mount: mount.inodes.note(mount.a.node._replace(path=MOVED), 1, "moved", mount.coherence.mark().at),
        lambda mount: mount.inodes.find_directory(2, "none"),
        lambda mount: mount.inodes.forget(3, 1),
    ],
    ids=["changed", "moved elsewhere", "changed below", "moved here", "found moved", "found by name", "forgotten"],
)
def test_what_is_known_elsewhere_makes_no_work(
    work: Callable[[Mount], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coherence, "_now", lambda: 1.0)  # A slow machine does not make the feed silent meanwhile.
    alone, beside = Mount(), Mount()
    for number in range(100, 200):
        path = AssetPath(("x", str(number)))
        directory = beside.know(Directory(id=number, path=path, made=True), beside.x, str(number))
        beside.know(Symlink(id=100 + number, path=path, name="l", target="b"), directory, "l")
    assert count_lines(partial(work, beside)) == count_lines(partial(work, alone))


def test_what_lies_below_several_that_moved_is_gone_over_once(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    visited: list[AssetPath] = []

    def within(path: AssetPath) -> Iterator[Inode]:
        visited.append(path)
        return iter(())

    monkeypatch.setattr(mount.inodes, "within", within)
    mount.coherence.hear([SubtreeChanged(path=path) for path in (A.child("b"), A, A.child("c"), MOVED)])
    assert set(visited) == {A, MOVED}
    assert len(visited) == 2


def test_what_lies_below_a_directory_that_is_found_at_another_path_follows_it(mount: Mount) -> None:
    """A look-up finds what was renamed elsewhere before that is told; what is below is not looked up again."""
    mount.inodes.listings.keep(3, KeptListing([], 0.0))
    moved = Directory(id=2, path=AssetPath(("moved",)), made=True)
    mount.inodes.note(moved, ROOT_ID, "moved", mount.coherence.mark().at)
    assert mount.b.node == Directory(id=3, path=AssetPath(("moved", "b")), made=True)
    assert mount.inodes.at_path(AssetPath(("moved", "b"))) is mount.b
    assert mount.inodes.at_path(AssetPath(("a", "b"))) is None
    assert mount.inodes.listings.find(3) is None
    _, inodes = mount.doubted(NodeChanged(id=2, parent=1, name="a"), NodeChanged(id=2, parent=1, name="moved"))
    assert inodes >= {"a", "b"}


def test_directories_that_changed_places_elsewhere_take_along_what_is_below_each(mount: Mount) -> None:
    """They are found one after the other: the first one is where the second was before."""
    c = mount.know(Directory(id=5, path=AssetPath(("c",)), made=True), mount.root, "c")
    d = mount.know(Directory(id=6, path=AssetPath(("c", "d")), made=True), c, "d")
    for inode, name in ((mount.a, "c"), (c, "a")):
        moved = Directory(id=inode.number, path=AssetPath((name,)), made=True)
        mount.inodes.note(moved, ROOT_ID, name, mount.coherence.mark().at)
    found = [inode.node.path.labels for inode in (mount.a, mount.b, c, d) if isinstance(inode.node, Directory)]
    assert found == [("c",), ("c", "b"), ("a",), ("a", "d")]


def test_directories_that_are_found_in_each_other_can_be_found_elsewhere(mount: Mount) -> None:
    mark = mount.coherence.mark()
    mount.inodes.note(Directory(id=2, path=AssetPath(("b", "a")), made=True), 3, "a", mark.at)
    mount.inodes.note(Directory(id=2, path=AssetPath(("a",)), made=True), 3, "a", mark.at)
    assert mount.inodes.at_path(AssetPath(("a",))) is mount.a


def test_a_name_that_was_absent_is_doubted_when_it_may_be_there(mount: Mount) -> None:
    assert mount.coherence.believe_absent(mount.b, "new", mount.coherence.mark()) == TOLD_SECONDS
    names, _ = mount.doubted(NodeChanged(id=9, parent=3, name="other"))
    assert names == {"a/b", "b/new", "b/other"}
    mount.caches.told.clear()
    names, _ = mount.doubted(NodeChanged(id=9, parent=3, name="other"))
    assert names == {"a/b", "b/other"}


def test_so_many_absent_names_are_remembered_and_no_more(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "_MOST_ABSENT", 2)
    believed = [mount.coherence.believe_absent(mount.b, name, mount.coherence.mark()) for name in "abc"]
    assert believed == [TOLD_SECONDS, TOLD_SECONDS, UNTOLD_SECONDS]


def test_what_leads_to_an_asset_is_doubted(mount: Mount) -> None:
    """Directories come and go with the assets below them."""
    change = AssetChanged(id=derived_id(uuid4()), path=AssetPath(("x", "y__20z", "w")))
    assert mount.doubted(change) == ({"root/x", "x/y z", "x/y__20z"}, {"root", "x"})


def test_a_subtree_is_doubted_and_the_rest_is_not(mount: Mount) -> None:
    names, inodes = mount.doubted(SubtreeChanged(path=AssetPath(("x",))))
    assert (names, inodes) == ({"root/x"}, {"root", "x"})
    mount.caches.told.clear()
    names, inodes = mount.doubted(SubtreeChanged(path=AssetPath()))
    assert (names, inodes) == ({"root/x", "root/a", "a/b", "a/l"}, {"root", "x", "a", "b", "l"})


def test_what_was_read_before_a_change_was_told_is_not_kept(mount: Mount) -> None:
    mark = mount.coherence.mark()
    mount.coherence.hear([NodeChanged(id=9, parent=None, name=None)])
    assert mount.coherence.believe(mount.b, mark) == 0
    assert mount.coherence.believe_absent(mount.b, "n", mark) == 0
    assert mount.coherence.believe(mount.b, mount.coherence.mark()) == TOLD_SECONDS


def test_what_was_read_before_this_mount_changed_it_is_not_kept(mount: Mount) -> None:
    mark = mount.coherence.mark()
    mount.inodes.note_change(mount.b.number)
    assert mount.coherence.believe(mount.b, mark) == 0
    assert mount.coherence.believe(mount.b, Mark(mount.b.changed, mark.told)) == TOLD_SECONDS


def test_silence_ends_all_belief_twice(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    now = coherence._now()
    mount.coherence.hear([])
    mount.coherence.check()
    assert mount.caches.told == []
    monkeypatch.setattr(coherence, "_now", lambda: now + coherence.SILENCE_SECONDS + 1)
    for told in (1, 1):
        mount.coherence.check()
        assert len(mount.caches.told) == told
    everything = mount.caches.told[0]
    assert everything.all_names
    assert set(everything.names) == {(1, "a"), (2, "b"), (2, "l"), (1, "x")}
    assert len(everything.attributes) == 5
    assert mount.coherence.believe(mount.b, mount.coherence.mark()) == UNTOLD_SECONDS
    mount.coherence.hear([])
    assert len(mount.caches.told) == 2
    assert mount.coherence.believe(mount.b, mount.coherence.mark()) == TOLD_SECONDS


def test_what_is_heard_after_a_pause_does_not_hide_what_was_missed(
    mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped hears the feed again before anybody looks at how long that was silent."""
    mount.coherence.believe_absent(mount.b, "none", mount.coherence.mark())
    now = coherence._now()
    monkeypatch.setattr(coherence, "_now", lambda: now + coherence.SILENCE_SECONDS + 1)
    mount.coherence.hear([])
    assert mount.caches.told[0].all_names
    assert (2, "l") in mount.caches.told[0].names
    assert (3, "none") in mount.caches.told[0].names
    assert not any(inode.believed_until for inode in mount.inodes)
    assert mount.coherence.believe(mount.b, mount.coherence.mark()) == TOLD_SECONDS


def test_a_mark_of_silent_times_is_never_kept_long(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    now = coherence._now()
    monkeypatch.setattr(coherence, "_now", lambda: now + 60)
    mount.coherence.check()
    mark = mount.coherence.mark()
    mount.coherence.hear(None)
    assert mount.coherence.believe(mount.b, mark) <= UNTOLD_SECONDS


def test_what_was_moved_here_is_looked_up_again(mount: Mount) -> None:
    old, new = AssetPath(("a",)), AssetPath(("c",))
    mount.coherence.note_moved([(1, "a"), (1, "c")], Moved([(old, new)]))
    (doubts,) = mount.caches.told
    assert set(doubts.names) == {(1, "a"), (1, "c"), (2, "l")}
    assert mount.inodes.at_path(new) is mount.a
    assert mount.inodes.at_path(old) is None
    assert mount.inodes.at_path(new.child("b")) is mount.b


def test_a_forgotten_directory_is_found_no_more(mount: Mount) -> None:
    mount.inodes.forget(mount.b.number, 1)
    assert mount.inodes.at_path(AssetPath(("a", "b"))) is None
    assert mount.inodes.by_id(3) is None
