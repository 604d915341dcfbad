"""Extended attributes that are kept: what one reading answers, who goes on, and what is not kept any longer."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TypeVar, cast
from uuid import UUID, uuid4

import pytest
import trio

from konifer_fs.domain.asset import Annotations
from konifer_fs.domain.errors import MovedOn, NoSuchAttribute
from konifer_fs.domain.node import ROOT_ID, Directory, Entry
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse import kept_xattrs
from konifer_fs.fuse.inodes import Inodes
from konifer_fs.fuse.kept_xattrs import MOST_NODES, KeptXattrs
from konifer_fs.fuse.listings import KeptListing
from konifer_fs.fuse.session import Session
from konifer_fs.fuse.xattrs_ahead import XattrsAhead
from konifer_fs.ports import AssetFacts, MetadataStore
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.listing import Row
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.stat import Stat
from konifer_fs.vfs.virtual.nodes import Names, VirtualDirectory
from konifer_fs.vfs.xattrs import Xattrs

T = TypeVar("T")

ROOT = Directory(id=ROOT_ID, path=AssetPath(), made=True)
STAT = Stat(id=2, mode=0o40755, nlink=1, uid=0, gid=0, size=0, mtime_ns=0, ctime_ns=0)
TIME = datetime(2026, 1, 2, tzinfo=UTC)
COUNT = 600


def entry(number: int) -> Entry:
    return Entry(
        id=number, path=ROOT.path, made=True, name=f"{number:04}", asset_id=uuid4(), entry_id=number, format=None,
        original=None, size=1, created_at=TIME, modified_at=TIME,
    )  # fmt: skip


class Metadata:
    """Says of each asset the label `n`; counts what each statement asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.labels: dict[UUID, dict[str, str]] = {}
        self.meanwhile: Callable[[], object] = lambda: None

    def read_facts(self, one: Entry) -> AssetFacts:
        (facts,) = self.read_facts_of([one])
        if facts is None:
            raise MovedOn
        return facts

    def read_facts_of(self, entries: Sequence[Entry]) -> list[AssetFacts | None]:
        self.asked.append(len(entries))
        found = [self.labels.get(its.asset_id) for its in entries]
        self.meanwhile()
        return [
            None if labels is None else AssetFacts(
                annotations=Annotations(labels=dict(labels)), attributes={"width": 7}, lqip={},
                created_at=TIME, modified_at=TIME,
            )
            for labels in found
        ]  # fmt: skip

    def read_private_of(self, nodes: Sequence[Directory]) -> list[dict[str, bytes]]:
        self.asked.append(len(nodes))
        return [{} for _ in nodes]

    def count_files(self, _: Directory) -> int:
        self.asked.append(0)
        return 600


class Mount:
    """A directory of `COUNT` entries that was listed, whose inodes are 10 and higher."""

    def __init__(self) -> None:
        self.inodes, self.metadata = Inodes(ROOT), Metadata()
        self.xattrs = Xattrs(cast(MetadataStore, self.metadata), cast(Commits, None))
        self.fs = self.offload = self
        self.ahead = XattrsAhead(cast(Session, self))
        entries = [entry(number) for number in range(10, 10 + COUNT)]
        for its in entries:
            self.metadata.labels[its.asset_id] = {"n": str(its.id)}
            self.inodes.note(its, ROOT_ID, its.name or "", 0.0)
        rows = [Row(its.name or "", its, STAT, place + 1) for place, its in enumerate(entries)]
        self.inodes.listings.keep(ROOT_ID, KeptListing(rows, 0.0))

    async def ask(self, function: Callable[..., T], *args: object) -> T:
        return function(*args)

    async def ask_of(self, number: int, function: Callable[..., T], *args: object) -> T:
        return function(self.node(number), *args)

    def node(self, number: int) -> Node:
        return self.inodes[number].node

    def get(self, number: int, name: str = "user.n") -> bytes:
        return trio.run(self.ahead.get, number, name)

    def list(self, number: int) -> Sequence[str]:
        return trio.run(self.ahead.list, number)

    def asset_of(self, number: int) -> UUID:
        node = self.node(number)
        assert isinstance(node, Entry)
        return node.asset_id

    def relabel(self, number: int) -> None:
        """Give an entry another label, as somebody else does."""
        self.metadata.labels[self.asset_of(number)] = {"n": "new"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What time it is for what is kept."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(kept_xattrs, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def mount(clock: SimpleNamespace) -> Mount:
    """Nothing that is kept becomes too old unless a test says so, however slow the machine is."""
    return Mount()


def test_one_reading_answers_for_all_attributes_of_a_node(mount: Mount) -> None:
    assert mount.list(50) == ["user.n"]
    assert mount.get(50) == b"50"
    assert mount.get(50, "user.konifer.width") == b"7"
    assert mount.get(50, "user.konifer.entry-id") == b"50"
    for name in ("user.other", "user.konifer.height", "user.mime_type"):
        with pytest.raises(NoSuchAttribute):
            mount.get(50, name)
    assert mount.metadata.asked == [1]


def test_who_goes_on_is_told_of_more_each_time_by_one_statement(mount: Mount) -> None:
    for number in range(10, 10 + COUNT):
        assert mount.list(number) == ["user.n"]
        assert mount.get(number) == str(number).encode()
    assert mount.metadata.asked == [1, 1, 9, 17, 33, 65, 129, 257, 88]


def test_who_jumps_about_is_told_of_one_at_a_time(mount: Mount) -> None:
    for number in (10, 12, 11, 200, 13, 14, 300):
        assert mount.get(number) == str(number).encode()
    assert mount.metadata.asked == [1] * 7


def test_after_a_second_it_is_read_again_from_there_on(mount: Mount, clock: SimpleNamespace) -> None:
    for number in range(10, 25):
        mount.get(number)
    assert mount.metadata.asked == [1, 1, 9, 17]
    mount.relabel(25)
    clock.now += 0.99
    assert mount.get(25) == b"25"
    clock.now += 0.01
    assert mount.get(25) == b"new"
    for number in range(26, 35):
        mount.get(number)
    assert mount.metadata.asked == [1, 1, 9, 17, 9, 17]


def test_who_is_slow_is_told_of_few(mount: Mount, clock: SimpleNamespace) -> None:
    for number in range(10, 30):
        mount.get(number)
        clock.now += 2
    assert mount.metadata.asked == [1, 1] + [9] * 18


@pytest.mark.parametrize(
    "change",
    [
        lambda inodes: inodes.note_change(15),
        lambda inodes: inodes.note_change(ROOT_ID, lost_name="0015"),
        lambda inodes: inodes.drop_kept(inodes[15]),
        lambda inodes: inodes.drop_all_kept(),
    ],
)
def test_what_changed_while_it_was_read_is_not_kept(mount: Mount, change: Callable[[Inodes], object]) -> None:
    for number in (10, 11):
        mount.get(number)
    mount.metadata.meanwhile = lambda: change(mount.inodes)
    mount.get(12)
    mount.metadata.meanwhile = lambda: None
    mount.relabel(15)
    assert mount.get(15) == b"new"
    assert mount.metadata.asked[:3] == [1, 1, 9]


@pytest.mark.parametrize("name", ["0015", None])
def test_what_this_mount_changes_is_read_again(mount: Mount, name: str | None) -> None:
    for number in range(10, 13):
        mount.get(number)
    for number in (13, 15):
        mount.relabel(number)
    mount.inodes.note_change(ROOT_ID if name else 15, lost_name=name)
    assert (mount.get(13), mount.get(15)) == (b"13", b"new")


def test_what_is_changed_in_a_virtual_directory_may_be_of_any_entry(mount: Mount) -> None:
    mount.get(15)
    mount.relabel(15)
    tags = VirtualDirectory(stat=STAT._replace(id=5), names=cast(Names, None))
    mount.inodes.note(tags, ROOT_ID, "-", 0.0)
    mount.inodes.note_change(5)
    assert mount.get(15) == b"new"


def test_another_asset_under_the_name_is_another_node(mount: Mount) -> None:
    mount.get(15)
    new = entry(15)
    mount.metadata.labels[new.asset_id] = {"n": "of another"}
    mount.inodes.note(new, ROOT_ID, "0015", 0.0)
    assert mount.get(15) == b"of another"


def test_of_what_is_gone_nothing_is_told(mount: Mount) -> None:
    del mount.metadata.labels[mount.asset_of(15)]
    for number in range(10, 15):
        mount.get(number)
    for ask in (mount.get, mount.list):
        with pytest.raises(MovedOn):
            ask(15)


def test_drafts_and_what_is_counted_are_asked_for_each_time(mount: Mount) -> None:
    draft = Draft.__new__(Draft)
    assert mount.list(1) == []
    for _ in range(2):
        assert mount.get(1, "user.konifer.rfiles") == b"600"
    assert mount.metadata.asked == [1, 0, 0]
    draft.id = 15
    mount.inodes[15].node = draft
    for number in range(10, 13):
        mount.get(number)
    assert mount.metadata.asked == [1, 0, 0, 1, 1, 8]


def test_those_read_first_go_when_there_are_too_many() -> None:
    kept = KeptXattrs()
    nodes = [entry(number) for number in range(MOST_NODES + 2)]
    for its in nodes:
        kept.make_room((ROOT_ID, its.name or ""), its)
    found = [its.id for its in nodes if kept.find((ROOT_ID, its.name or ""), its)]
    assert found == list(range(2, MOST_NODES + 2))
