"""Removing files and directories, what cannot be made, and symbolic links."""

import os
import shutil
import socket
import stat
from contextlib import chdir
from errno import EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM
from pathlib import Path

import pytest

from tests.mount.elsewhere import (
    PICTURE,
    add_entry,
    all_fail,
    database,
    ltree,
    names,
    object_of,
    query,
    rows_below,
    wait_until,
)
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import failing

REMOVING = pytest.mark.semantics("Removing a file deletes its rows in one transaction")


@REMOVING
def test_a_removed_file_leaves_no_rows_and_soon_no_objects(shared_mount: Mount, place: Path) -> None:
    file = place / "a.jpg"
    file.write_bytes(PICTURE)
    os.setxattr(file, "user.xdg.tags", b"a,b")
    os.setxattr(file, "user.a", b"text")
    (row,) = rows_below(shared_mount, place)
    assert object_of(shared_mount, row).exists()
    file.unlink()
    assert not file.exists()
    left = """
        SELECT id FROM asset_tree UNION ALL SELECT asset_id FROM asset_variant UNION ALL
        SELECT asset_id FROM asset_label UNION ALL SELECT asset_id FROM asset_tag UNION ALL
        SELECT asset_id FROM konifer_fs.node
    """
    assert query(shared_mount, f"SELECT FROM ({left}) kept (id) WHERE id = %s", row.asset_id) == []
    wait_until(lambda: not object_of(shared_mount, row).exists())
    wait_until(lambda: query(shared_mount, "SELECT 1 FROM outbox WHERE payload::text LIKE %s", f"%{row.key}%") == [])


@REMOVING
def test_a_removal_is_one_transaction(mounted: MountFactory) -> None:
    mount = mounted()
    note = """
        CREATE TABLE noted (xid xid8 DEFAULT pg_current_xact_id(), what text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO noted (what) VALUES (TG_ARGV[0]); RETURN NULL; END $$;
        CREATE TRIGGER n AFTER DELETE ON asset_tree FOR EACH ROW EXECUTE FUNCTION note('asset');
        CREATE TRIGGER n AFTER DELETE ON asset_variant FOR EACH ROW EXECUTE FUNCTION note('variant');
        CREATE TRIGGER n AFTER DELETE ON asset_label FOR EACH ROW EXECUTE FUNCTION note('label');
        CREATE TRIGGER n AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION note('outbox');
        CREATE TRIGGER n AFTER DELETE ON konifer_fs.node FOR EACH ROW EXECUTE FUNCTION note('node');
    """
    with database(mount) as connection:
        connection.execute(note)
    (mount.path / "a.jpg").write_bytes(PICTURE)
    os.setxattr(mount.path / "a.jpg", "user.a", b"text")
    (mount.path / "a.jpg").unlink()
    noted = query(mount, "SELECT what FROM noted ORDER BY what")
    assert noted == [("asset",), ("label",), ("node",), ("outbox",), ("variant",)]
    assert len(query(mount, "SELECT DISTINCT xid FROM noted")) == 1


@REMOVING
def test_open_handles_go_on_reading_a_removed_file(shared_mount: Mount, place: Path) -> None:
    (place / "a.jpg").write_bytes(PICTURE)
    (row,) = rows_below(shared_mount, place)
    with (place / "a.jpg").open("rb") as opened:
        assert opened.read(10) == PICTURE[:10]
        (place / "a.jpg").unlink()
        assert names(place) == []
        assert os.fstat(opened.fileno()).st_nlink == 0
        opened.seek(0)
        assert opened.read() == PICTURE
        assert object_of(shared_mount, row).exists()
    wait_until(lambda: not object_of(shared_mount, row).exists())


@REMOVING
def test_a_foreign_entry_is_removed_with_all_its_variants(shared_mount: Mount, place: Path) -> None:
    row = add_entry(shared_mount, ltree(shared_mount, place))
    (place / "0.jpeg").unlink()
    assert query(shared_mount, "SELECT 1 FROM asset_variant WHERE asset_id = %s", row.asset_id) == []
    wait_until(lambda: not object_of(shared_mount, row).exists())


@REMOVING
def test_drafts_local_files_and_links_are_removed_too(place: Path) -> None:
    (place / "draft.jpg").touch()
    (place / ".local").write_text("mine")
    (place / "link").symlink_to("anywhere")
    for name in ("draft.jpg", ".local", "link"):
        (place / name).unlink()
        with failing(ENOENT):
            (place / name).unlink()
    assert names(place) == []


@pytest.mark.semantics("Removing a directory that is not empty is ENOTEMPTY")
@pytest.mark.parametrize("kind", ["file", "directory", "link", "draft", ".local", "foreign", "foreign directory"])
def test_a_directory_with_something_in_it_is_not_removed(shared_mount: Mount, place: Path, kind: str) -> None:
    directory = place / "directory"
    directory.mkdir()
    if kind == "directory":
        (directory / kind).mkdir()
    elif kind == "link":
        (directory / kind).symlink_to("x")
    elif kind == "foreign":
        add_entry(shared_mount, ltree(shared_mount, directory))
    elif kind == "foreign directory":
        add_entry(shared_mount, f"{ltree(shared_mount, directory)}.a.b")
    else:
        (directory / kind).write_bytes({"file": PICTURE, "draft": b"", ".local": b"text"}[kind])
    shown = names(directory)
    with failing(ENOTEMPTY):
        directory.rmdir()
    assert names(directory) == shown
    assert len(shown) == 1
    shutil.rmtree(directory)
    assert names(place) == []


@pytest.mark.semantics("Removing a directory that is not empty is ENOTEMPTY")
def test_files_and_directories_are_removed_by_their_own_calls(place: Path) -> None:
    (place / "directory").mkdir()
    (place / "file").write_bytes(PICTURE)
    (place / "link").symlink_to("directory")
    all_fail(EISDIR, (place / "directory").unlink)
    all_fail(ENOTDIR, (place / "file").rmdir, (place / "link").rmdir)
    all_fail(ENOENT, (place / "absent").rmdir, (place / "absent").unlink)
    assert names(place) == ["directory", "file", "link"]


@pytest.mark.semantics("Hard links, devices, FIFOs and sockets are EPERM")
def test_other_kinds_of_files_cannot_be_made(place: Path) -> None:
    (place / "file").write_bytes(PICTURE)
    all_fail(
        EPERM,
        lambda: (place / "hard").hardlink_to(place / "file"),
        lambda: os.mkfifo(place / "fifo"),
        lambda: os.mknod(place / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
        lambda: os.mknod(place / "block", stat.S_IFBLK | 0o600, os.makedev(7, 0)),
        lambda: os.mknod(place / "socket", stat.S_IFSOCK | 0o600),
    )
    with chdir(place), socket.socket(socket.AF_UNIX) as unbound, failing(EPERM):
        unbound.bind("socket")  # An address has to be short.
    assert names(place) == ["file"]


@pytest.mark.semantics("Symbolic links can be made, point anywhere")
@pytest.mark.parametrize("target", ["a.jpg", "../../..", "/etc/passwd", "nowhere", "a b\n☃", "x" * 4000])
def test_a_symlink_points_anywhere(place: Path, target: str) -> None:
    link = place / "link"
    link.symlink_to(target)
    assert os.readlink(link) == target  # noqa: PTH115 - Path would tidy it up
    found = link.lstat()
    assert stat.S_ISLNK(found.st_mode)
    assert found.st_size == len(target.encode())
    (place / "a.jpg").write_bytes(PICTURE)
    with failing(EINVAL):
        (place / "a.jpg").readlink()
    if target == "a.jpg":
        assert link.read_bytes() == PICTURE


@pytest.mark.semantics("Symbolic links can be made, point anywhere")
def test_symlinks_are_on_every_mount(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "link").symlink_to("a.jpg")
    (here.path / "a.jpg").write_bytes(PICTURE)
    wait_until((there.path / "link").exists)
    assert (there.path / "link").readlink() == Path("a.jpg")
    assert (there.path / "link").read_bytes() == PICTURE
    (there.path / "link").rename(there.path / "renamed")
    wait_until((here.path / "renamed").is_symlink)
    (here.path / "renamed").unlink()
    wait_until(lambda: names(there.path) == ["a.jpg"])
