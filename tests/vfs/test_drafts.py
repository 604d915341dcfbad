"""The index of drafts."""

from pathlib import Path

from konifer_fs.domain.node import Directory, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.spool import Spool
from konifer_fs.vfs.drafts import Draft, Drafts
from tests.counting import count_lines

HERE, THERE = (Directory(id=number, path=AssetPath((str(number),)), made=True) for number in (2, 3))


def test_a_directory_lists_the_drafts_that_have_names_there(tmp_path: Path) -> None:
    spool, drafts = Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1), Drafts()
    b, a, other = (
        Draft(id=number, directory=HERE, name=name, file=spool.create(), ownership=Ownership())
        for number, name in ((4, "b"), (5, "a"), (6, "other"))
    )
    for draft in (b, a, other):
        drafts.add(draft)
    assert drafts.list_in(HERE) == [a, b, other]
    drafts.rename(a, THERE, "c")
    drafts.readdress(other, THERE, "d", 7)
    drafts.exchange(a, b)
    assert (drafts.list_in(HERE), drafts.list_in(THERE)) == ([a], [b, other])
    drafts.rename(b, THERE, "d")
    drafts.hide(a)
    assert (drafts.list_in(HERE), drafts.list_in(THERE), drafts.list_all()) == ([], [b], [b])
    drafts.rename(b, THERE, None)
    assert drafts.list_in(THERE) == drafts.list_all() == []


def test_the_times_of_a_directory_move_only_when_a_name_comes(tmp_path: Path) -> None:
    spool, drafts = Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1), Drafts()
    new, over_entry = (
        Draft(
            id=number, directory=HERE, name=str(number), file=spool.create(), ownership=Ownership(), named_ns=named_ns
        )
        for number, named_ns in ((4, 500), (5, 0))
    )
    drafts.add(new)
    drafts.add(over_entry)
    drafts.readdress(new, HERE, "4", 6)
    assert drafts.renamed_ns(HERE) == 500
    drafts.readdress(new, HERE, "other", 6)
    assert (drafts.renamed_ns(HERE) or 0) > 500


def test_drafts_elsewhere_make_no_work(tmp_path: Path) -> None:
    spool, drafts = Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1), Drafts()
    before = count_lines(lambda: drafts.list_in(HERE))
    for number in range(100):
        drafts.add(Draft(id=number, directory=THERE, name=str(number), file=spool.create(), ownership=Ownership()))
    assert count_lines(lambda: drafts.list_in(HERE)) == before


def test_drafts_follow_directories_that_change_places(tmp_path: Path) -> None:
    spool, drafts = Spool(tmp_path, owner="", max_bytes=1, local_max_bytes=1), Drafts()
    below = Directory(id=4, path=HERE.path.child("below"), made=True)
    for number, directory in enumerate((HERE, THERE, below)):
        drafts.add(Draft(id=number, directory=directory, name="x", file=spool.create(), ownership=Ownership()))
    assert [draft.id for draft in drafts.list_within(HERE.path)] == [0, 2]
    drafts.rebase([(HERE.path, THERE.path), (THERE.path, HERE.path)])
    assert [draft.directory.path.labels for draft in drafts.list_unsorted()] == [("3",), ("2",), ("3", "below")]
