"""How a draft that comes late steps aside: at once, or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from konifer_fs.domain.errors import NameTaken, StoreUnreachable
from konifer_fs.domain.node import Directory, Entry, Ownership, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import MetadataStore
from konifer_fs.spool import Spool
from konifer_fs.vfs.drafts import Draft, Drafts
from konifer_fs.vfs.latecomers import Latecomers

HERE = Directory(id=1, path=AssetPath(), made=True)
AGAIN = Directory(id=2, path=AssetPath(), made=True)
RIVAL = Directory(id=3, path=AssetPath(), made=True)


class Metadata:
    """A store of nothing, whose root has another number by now."""

    def __init__(self) -> None:
        self.answers = True
        self.made: Directory | None = None

    def refresh(self, _node: Directory) -> None:
        return None

    def find_directory(self, _path: AssetPath) -> Directory | None:
        return self.made

    def make_directories(self, _path: AssetPath) -> Directory:
        self.made = AGAIN
        return AGAIN

    def find_child(self, _directory: Directory, _name: str) -> Directory | Entry | Symlink | None:
        return None

    def reserve_ids(self, _count: int) -> Sequence[int]:
        if not self.answers:
            raise StoreUnreachable
        return [77]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1)) as spool:
        yield spool


@pytest.fixture
def metadata() -> Metadata:
    return Metadata()


def added(drafts: Drafts, spool: Spool, directory: Directory, number: int, name: str = "a.jpg") -> Draft:
    draft = Draft(id=number, directory=directory, name=name, file=spool.create(), ownership=Ownership())
    drafts.add(draft)
    return draft


def test_it_has_its_new_name_and_number_at_once(spool: Spool, metadata: Metadata) -> None:
    drafts = Drafts()
    draft = added(drafts, spool, HERE, 5)
    Latecomers(cast("MetadataStore", metadata), drafts).step_aside(draft, RIVAL)
    assert drafts.list_all() == [draft]
    assert drafts.find(HERE, draft.name or "") is drafts.find_by_id(77) is draft
    assert (drafts.find(HERE, "a.jpg"), drafts.find_by_id(5)) == (None, None)
    assert (draft.name or "").startswith("a (conflict ")


def test_it_stays_as_it_was_while_the_store_does_not_answer(spool: Spool, metadata: Metadata) -> None:
    drafts = Drafts()
    draft = added(drafts, spool, HERE, 5)
    metadata.answers = False
    with pytest.raises(StoreUnreachable):
        Latecomers(cast("MetadataStore", metadata), drafts).step_aside(draft, RIVAL)
    assert drafts.find(HERE, "a.jpg") is drafts.find_by_id(5) is draft


def test_it_goes_with_its_directory_when_that_is_made_again(spool: Spool, metadata: Metadata) -> None:
    drafts = Drafts()
    draft = added(drafts, spool, HERE, 5)
    latecomers, told = Latecomers(cast("MetadataStore", metadata), drafts), []
    latecomers.on_made = lambda: told.append("made")
    assert latecomers.find_stored(draft) is None
    assert told == ["made"]
    assert (draft.directory, drafts.find(AGAIN, "a.jpg"), drafts.find(HERE, "a.jpg")) == (AGAIN, draft, None)


def test_a_directory_is_made_again_for_the_first_of_its_drafts_only(spool: Spool, metadata: Metadata) -> None:
    """Nothing is believed any more once one was made, which costs time where much is known."""
    drafts, made = Drafts(), []
    draft, other = added(drafts, spool, HERE, 5), added(drafts, spool, HERE, 6, "b.jpg")
    latecomers = Latecomers(cast("MetadataStore", metadata), drafts)
    latecomers.on_made = lambda: made.append("made")
    for each in (draft, other):
        latecomers.find_stored(each)
    assert drafts.list_in(AGAIN) == [draft, other]
    assert made == ["made"]


def test_another_draft_keeps_its_name(spool: Spool, metadata: Metadata) -> None:
    drafts = Drafts()
    draft, other = added(drafts, spool, HERE, 5), added(drafts, spool, AGAIN, 6)
    with pytest.raises(NameTaken):
        Latecomers(cast("MetadataStore", metadata), drafts).find_stored(draft)
    assert (drafts.find(HERE, "a.jpg"), drafts.find(AGAIN, "a.jpg")) == (draft, other)
