"""Drafts that are let go of just when somebody has found them: their spool files are the next drafts' by then."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from konifer_fs.adapters.postgres.migrate import migrate_database
from konifer_fs.config import load
from konifer_fs.domain.errors import SpoolFull
from konifer_fs.domain.node import Entry, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.ports import OnClash
from konifer_fs.vfs.callers import Caller
from konifer_fs.vfs.drafts import Draft
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.vfs.moves import Place
from konifer_fs.vfs.opened import OpenFile
from konifer_fs.wiring import wire
from tests.mount.mounting import spell_database
from tests.mount.saving import jpeg


@pytest.fixture
def fs(database: str, tmp_path: Path) -> Iterator[FileSystem]:
    migrate_database(database)
    config_file = tmp_path / "konifer.conf"
    config_file.write_text(spell_database(database))
    config = load(config_file, {}, data_dir=tmp_path / "data")
    with wire(config, name="test", subpath=AssetPath(), read_only=False) as wired:
        yield wired.filesystem


def write(fs: FileSystem, name: str, content: bytes) -> OpenFile:
    """Write a new picture, which both stores have; its handle is open."""
    _, opened = fs.files.create(fs.root, name, Ownership())
    fs.files.write(opened, content, 0)
    fs.files.flush(opened)
    return opened


def store(fs: FileSystem, name: str, content: bytes) -> Entry:
    fs.files.release(write(fs, name, content))
    return find(fs, name)


def find(fs: FileSystem, name: str) -> Entry:
    entry = fs.tree.find(fs.root, name)
    assert isinstance(entry, Entry)
    return entry


def read(fs: FileSystem, name: str) -> bytes:
    opened = fs.files.open(find(fs, name), writable=False, truncate=False)
    try:
        return fs.files.read(opened, 1 << 20, 0)
    finally:
        fs.files.release(opened)


class Next:
    """Lets go of a draft, and writes the next one, which may get its spool file."""

    def __init__(self, fs: FileSystem) -> None:
        self.fs = fs
        self.opened: list[OpenFile] = []

    def release(self, opened: OpenFile) -> None:
        """Close a handle, and begin to write."""
        self.fs.files.release(opened)
        _, following = self.fs.files.create(self.fs.root, "next.jpg", Ownership())
        self.fs.files.write(following, jpeg(3), 0)
        self.opened.append(following)

    def hold_apart(self) -> None:
        """Hold that what was written then is stored, and that nothing else is left."""
        (following,) = self.opened
        self.fs.files.flush(following)
        self.fs.files.release(following)
        assert read(self.fs, "next.jpg") == jpeg(3)
        assert self.fs.list_drafts() == []


@pytest.fixture
def following(fs: FileSystem) -> Next:
    return Next(fs)


def after_first(
    monkeypatch: pytest.MonkeyPatch, of: object, name: str, do: Callable[[], object], *, about: object = None
) -> None:
    """Let something be done right after a method has been called for the first time, `about` among its arguments."""
    method, left = getattr(of, name), [do]

    def called(*args: object, **kwargs: object) -> object:
        found = method(*args, **kwargs)
        if left and (about is None or about in args):
            left.pop()()
        return found

    monkeypatch.setattr(of, name, called)


def test_removing_what_is_closed_at_that_moment(
    fs: FileSystem, following: Next, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = write(fs, "a.jpg", jpeg(1))
    after_first(monkeypatch, fs.tree, "lookup", lambda: following.release(opened))
    fs.edits.remove(fs.root, "a.jpg", 1, Caller(0, 0))
    assert fs.tree.find(fs.root, "a.jpg") is None
    following.hold_apart()


@pytest.mark.parametrize("open_name", ["a.jpg", "b.jpg"])
def test_renaming_what_is_closed_at_that_moment(
    fs: FileSystem, following: Next, monkeypatch: pytest.MonkeyPatch, open_name: str
) -> None:
    contents = {"a.jpg": jpeg(1), "b.jpg": jpeg(2)}
    opened = {name: write(fs, name, content) for name, content in contents.items()}
    fs.files.release(opened.pop(next(name for name in contents if name != open_name)))
    after_first(monkeypatch, fs.tree, "find", lambda: following.release(opened[open_name]), about=open_name)
    fs.moves.move(Place(directory=fs.root, name="a.jpg"), Place(directory=fs.root, name="b.jpg"), OnClash.REPLACE, 1)
    assert fs.tree.find(fs.root, "a.jpg") is None
    assert read(fs, "b.jpg") == contents["a.jpg"]
    following.hold_apart()


def test_writing_to_what_another_begins_and_closes_at_that_moment(
    fs: FileSystem, following: Next, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = store(fs, "a.jpg", jpeg(1))
    opened = fs.files.open(entry, writable=True, truncate=False)

    def begin_and_close() -> None:
        draft = fs.tree.find(fs.root, "a.jpg")
        assert isinstance(draft, Draft)
        following.release(fs.files.open(draft, writable=False, truncate=False))

    after_first(monkeypatch, fs.files._shadows, "begin", begin_and_close)
    fs.files.write(opened, jpeg(2), 0)
    fs.files.truncate(opened, len(jpeg(2)))
    fs.files.flush(opened)
    fs.files.release(opened)
    assert read(fs, "a.jpg") == jpeg(2)
    following.hold_apart()


def test_listing_what_is_closed_at_that_moment_names_it_once(fs: FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = write(fs, "a.jpg", jpeg(1))
    after_first(monkeypatch, fs._drafts, "list_in", lambda: fs.files.release(opened))
    assert [name for page in fs.tree.list_children(fs.root) for name, _ in page] == ["a.jpg"]


def test_an_open_that_cannot_truncate_leaves_the_file_as_it_was(
    fs: FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = store(fs, "a.jpg", jpeg(1))

    def fail(_draft: Draft) -> None:
        raise SpoolFull("no descriptor is left")

    with monkeypatch.context() as patched:
        patched.setattr(fs.files._commits, "begin_change", fail)
        with pytest.raises(SpoolFull):
            fs.files.open(entry, writable=True, truncate=True)
    assert not fs.files.opened.is_open(entry.id)
    assert read(fs, "a.jpg") == jpeg(1)
    assert fs.list_drafts() == []


def test_a_handle_on_an_entry_over_which_another_draft_lies_writes_to_a_file_without_a_name(fs: FileSystem) -> None:
    opened = fs.files.open(store(fs, "a.jpg", jpeg(1)), writable=True, truncate=False)
    rival, over = fs.files.create(fs.root, "b.jpg", Ownership())
    fs._drafts.rename(rival, fs.root, "a.jpg")
    fs.files.write(opened, jpeg(2), 0)
    assert opened.draft is not None
    assert (opened.draft.name, fs.tree.find(fs.root, "a.jpg")) == (None, rival)
    for file in (opened, over):
        fs.files.release(file)
