"""Trees that another writer made by SQL: assets without names, at paths that no mkdir made."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import eventually, run
from tests.pictures import make_picture
from tests.postgres.trees import add_asset, add_variant

FORMATS: Final = {
    "jpeg": ImageFormat.JPEG, "png": ImageFormat.PNG, "gif": ImageFormat.GIF, "webp": ImageFormat.WEBP,
    "avif": ImageFormat.AVIF, "heic": ImageFormat.HEIC, "jxl": ImageFormat.JPEG_XL,
}  # fmt: skip
# The names that a mount shows, by path; and the extensions in order of their entry ids.
ASSETS: Final = {
    "root": ["jpeg"],
    "root.users.1": ["png", "gif"],
    "root.users.1.profile-picture": ["jpeg", "webp", "avif"],
    "root.users.2.a.b.c": ["heic"],
    "root.albums.Summer__202026": ["jxl", "jpeg"],
}
CREATED: Final = "2026-01-02 03:04:05.678901"
CREATED_NS: Final = int(datetime.fromisoformat(CREATED).replace(tzinfo=UTC).timestamp()) * 10**9 + 678_901_000
LABELS: Final = {"phone": "Android", "team": "Équipe"}
ATTRIBUTES: Final = {
    "user.phone": b"Android", "user.team": "Équipe".encode(), "user.xdg.tags": rb"a\,b,c",
    "user.xdg.comment": b"A tree", "user.xdg.origin.url": b"https://example.org/a.jpg",
}  # fmt: skip


class Foreign(NamedTuple):
    """A mount of a tree that it did not make; `files` are the contents by the names that it shows."""

    mount: Mount
    files: Mapping[str, bytes]

    def count(self, condition: str) -> int:
        """Count the assets for which a condition holds."""
        return self.ask(f"SELECT count(*) FROM asset_tree WHERE {condition}")

    def ask(self, query: str) -> int:
        """Give the one number that a query is for."""
        with psycopg.connect(self.mount.conninfo) as session:
            row = session.execute(query.encode()).fetchone()
            assert row is not None
            return int(row[0])

    def objects(self) -> int:
        """Count the objects."""
        return len(list(self.mount.objects.iterdir()))


@pytest.fixture
def foreign(mounted: MountFactory) -> Foreign:
    mount = mounted()
    files: dict[str, bytes] = {}
    with psycopg.connect(mount.conninfo) as session:
        for path, extensions in ASSETS.items():
            directory = "/".join(path.split(".")[1:]).replace("Summer__202026", "Summer 2026")
            for number, extension in enumerate(extensions):
                content = make_picture(FORMATS[extension], seed=len(files))
                add_picture(session, mount, path, FORMATS[extension], content)
                files[str(Path(directory) / f"{number}.{extension}")] = content
    return Foreign(mount, files)


def add_picture(
    session: "psycopg.Connection[tuple[object, ...]]", mount: Mount, path: str, kind: ImageFormat, content: bytes
) -> None:
    """Store a picture as Konifer does, with all it may say of one; thumbnails have objects of their own."""
    asset = add_asset(
        session, path, alt="A tree", source_url="https://example.org/a.jpg", labels=LABELS, tags=("a,b", "c"),
        original=False, created_at=CREATED,
    )  # fmt: skip
    for width, original in ((48, True), (24, False)):
        attributes = {"width": width, "height": width * 2 // 3, "format": kind.value, "pageCount": 1}
        key = add_variant(session, asset, attributes, original=original)
        (mount.objects / key).write_bytes(content if original else b"thumbnail")


def read_files(root: Path) -> dict[str, bytes]:
    return {
        str((Path(directory) / name).relative_to(root)): (Path(directory) / name).read_bytes()
        for directory, _, names in os.walk(root)
        for name in names
    }


@pytest.mark.semantics(
    "One path can hold entries and sub-directories at once",
    "A foreign entry is shown as its entry id",
    "A foreign entry has the mount's owner",
    "A label that encodes a name is shown decoded",
)
def test_a_foreign_tree_is_shown_and_copied_out(foreign: Foreign, tmp_path: Path) -> None:
    run("cp", "-a", foreign.mount.path, tmp_path / "copy")
    assert read_files(tmp_path / "copy") == foreign.files
    for name, content in foreign.files.items():
        for place in (foreign.mount.path, tmp_path / "copy"):
            facts = (place / name).lstat()
            assert (facts.st_size, facts.st_mode, facts.st_mtime_ns) == (len(content), 0o100644, CREATED_NS)
            listed = os.listxattr(place / name)
            assert {key: os.getxattr(place / name, key) for key in listed} == ATTRIBUTES


@pytest.mark.semantics(
    "Removing a file deletes its rows in one transaction",
    "A directory in which this mount changed something stays",
)
def test_removing_a_foreign_tree_leaves_no_row_and_then_no_object(foreign: Foreign) -> None:
    run("rm", "-r", foreign.mount.path / "users")
    assert not (foreign.mount.path / "users").exists()
    assert foreign.count("path <@ 'root.users'") == 0
    assert foreign.ask("SELECT count(*) FROM konifer_fs.node WHERE path <@ 'root.users'") == 0
    assert read_files(foreign.mount.path).keys() == {name for name in foreign.files if not name.startswith("users")}

    run("bash", "-c", 'rm -r "$0"/*', foreign.mount.path)
    assert list(foreign.mount.path.iterdir()) == []
    for table in ("asset_tree", "asset_variant", "asset_label", "asset_tag", "konifer_fs.attribute"):
        assert foreign.ask(f"SELECT count(*) FROM {table}") == 0
    assert foreign.ask("SELECT count(*) FROM konifer_fs.node") == 1
    eventually(foreign.objects, 0)
    eventually(lambda: foreign.ask("SELECT count(*) FROM outbox"), 0)


@pytest.mark.semantics(
    "A foreign entry is shown as its entry id", "An entry that moves to another directory takes that path's next"
)
def test_a_foreign_entry_that_is_renamed_has_a_name(foreign: Foreign) -> None:
    path = foreign.mount.path
    run("mv", path / "users/1/0.png", path / "users/1/a tree.png")
    run("mv", path / "users/1/1.gif", path / "albums/Summer 2026/moves.gif")
    run("mv", path / "0.jpeg", path / "users/2")
    expected = dict(foreign.files)
    expected["users/1/a tree.png"] = expected.pop("users/1/0.png")
    expected["albums/Summer 2026/moves.gif"] = expected.pop("users/1/1.gif")
    expected["users/2/0.jpeg"] = expected.pop("0.jpeg")
    assert read_files(path) == expected
    assert foreign.count("path = 'root.users.1' AND entry_id = 0") == 1
    assert foreign.count("path = 'root.albums.Summer__202026' AND entry_id = 2") == 1
    foreign.mount.remount()
    assert read_files(path) == expected
    assert os.getxattr(path / "users/1/a tree.png", "user.phone") == b"Android"
    assert (path / "users/1/a tree.png").stat().st_mtime_ns == CREATED_NS


@pytest.mark.semantics(
    "Renaming a directory is one transaction that copies no object", "The entries of a renamed directory keep their ids"
)
def test_a_foreign_directory_that_is_renamed_keeps_all_below_it(foreign: Foreign) -> None:
    path, inodes = foreign.mount.path, foreign.objects()
    run("mv", path / "users", path / "People of 2026")
    run("mv", path / "albums" / "Summer 2026", path / "People of 2026" / "2" / "a")
    expected = {
        name.replace("users/", "People of 2026/").replace("albums/", "People of 2026/2/a/"): content
        for name, content in foreign.files.items()
    }
    assert read_files(path) == expected
    assert foreign.count("path = 'root.People__20of__202026.1.profile-picture' AND entry_id IN (0, 1, 2)") == 3
    assert foreign.count("path <@ 'root.users' OR path <@ 'root.albums'") == 0
    assert foreign.objects() == inodes
    foreign.mount.remount()
    assert read_files(path) == expected
