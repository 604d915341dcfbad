"""Files that are being changed here while another mount renames or removes their entries."""

import os
from contextlib import nullcontext
from errno import EBADMSG, EMEDIUMTYPE, ENOENT
from pathlib import Path
from typing import Final

import pytest

from tests.mount.elsewhere import add_entry, names, query, wait_until
from tests.mount.killing import revive
from tests.mount.mounting import MountFactory
from tests.mount.saving import failing, jpeg, opened, state, write_all

FOLLOWS: Final = pytest.mark.semantics("A draft of an entry that another mount renames goes with it")
OLD, NEW = jpeg(1), jpeg(2)


def leave_incomplete(file: Path) -> None:
    with failing(EBADMSG):
        file.write_bytes(NEW[:100])


@FOLLOWS
@pytest.mark.parametrize("to", ["moved.jpg", "below/moved.jpg"])
def test_what_is_written_to_a_file_that_was_renamed_elsewhere_is_stored_under_its_new_name(
    mounted: MountFactory, to: str
) -> None:
    here, there = mounted(), mounted()
    (here.path / "file.jpg").write_bytes(OLD)
    leave_incomplete(here.path / "file.jpg")
    (there.path / to).parent.mkdir(exist_ok=True)
    (there.path / "file.jpg").rename(there.path / to)
    wait_until((here.path / to).exists)
    assert (here.path / to).read_bytes() == NEW[:100]
    wait_until(lambda: not (here.path / "file.jpg").exists())
    (here.path / to).write_bytes(NEW)
    for mount in (here, there):
        wait_until(lambda: not (mount.path / "file.jpg").exists())  # noqa: B023 - called at once
        wait_until(lambda: (mount.path / to).read_bytes() == NEW)  # noqa: B023 - called at once


@FOLLOWS
@pytest.mark.parametrize("to", ["moved.jpg", "below/moved.jpg"])
def test_a_draft_that_is_brought_back_follows_what_was_renamed_meanwhile(mounted: MountFactory, to: str) -> None:
    """A rename that its own mount was killed during, after the database had done it, looks the same."""
    here, there = mounted(), mounted()
    (here.path / "file.jpg").write_bytes(OLD)
    leave_incomplete(here.path / "file.jpg")
    here.kill()
    (there.path / to).parent.mkdir(exist_ok=True)
    (there.path / "file.jpg").rename(there.path / to)
    revive(here)
    files = [str(path.relative_to(here.path)) for path in here.path.rglob("*") if path.is_file()]
    assert (files, state(here.path / to), (here.path / to).read_bytes()) == ([to], "incomplete", NEW[:100])
    (here.path / to).write_bytes(NEW)
    wait_until(lambda: (there.path / to).read_bytes() == NEW)
    assert not (there.path / "file.jpg").exists()


@FOLLOWS
def test_a_file_that_was_renamed_elsewhere_has_one_name_in_a_listing(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "file.jpg").write_bytes(OLD)
    leave_incomplete(here.path / "file.jpg")
    (there.path / "file.jpg").rename(there.path / "moved.jpg")
    wait_until(lambda: names(here.path) == ["moved.jpg"])
    with failing(ENOENT):
        (here.path / "file.jpg").rename(here.path / "other.jpg")
    (here.path / "moved.jpg").rename(here.path / "other.jpg")
    assert (names(here.path), state(here.path / "other.jpg")) == (["other.jpg"], "incomplete")
    wait_until(lambda: names(there.path) == ["other.jpg"])
    assert (there.path / "other.jpg").read_bytes() == OLD


@pytest.mark.semantics("A draft follows the rename of its directory")
@pytest.mark.parametrize("is_renamed_above", [True, False])
def test_the_rules_of_the_path_hold_where_a_directory_was_renamed_to_elsewhere(
    mounted: MountFactory, *, is_renamed_above: bool
) -> None:
    rules = """paths {
      "/png/**" { allowed-content-types = ["image/png"] }
      "/other/**" { object-store.bucket = other }
    }"""
    here, there = mounted(config=rules), mounted(config=rules)
    for name, code in (("other", None), ("png", EMEDIUMTYPE)):
        (here.path / "any" / "below").mkdir(parents=True)
        if not is_renamed_above:
            (here.path / name).mkdir()
        closing = failing(code) if code else nullcontext()
        with closing, opened(here.path / "any" / "below" / "file.jpg") as writing:
            write_all(writing, NEW)
            moved = "any" if is_renamed_above else "any/below"
            wait_until((there.path / moved).exists)
            (there.path / moved).rename(there.path / (name if is_renamed_above else f"{name}/below"))
            wait_until(lambda: not (here.path / moved).exists())  # noqa: B023 - called at once
        if not is_renamed_above:
            (there.path / "any").rmdir()
    assert query(here, "SELECT object_store_bucket FROM asset_variant") == [("other",)]
    assert names(there.path / "other" / "below") == ["file.jpg"]
    assert names(here.path / "png" / "below") == []


def test_a_file_that_was_removed_elsewhere_can_be_described_renamed_and_stored(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "file.jpg").write_bytes(OLD)
    leave_incomplete(here.path / "file.jpg")
    (there.path / "file.jpg").unlink()
    os.setxattr(here.path / "file.jpg", "user.place", b"here")
    assert os.listxattr(here.path / "file.jpg") == ["user.place"]
    (here.path / "file.jpg").rename(here.path / "other.jpg")
    (here.path / "other.jpg").write_bytes(NEW)
    wait_until((there.path / "other.jpg").exists)
    assert (names(there.path), (there.path / "other.jpg").read_bytes()) == (["other.jpg"], NEW)
    assert os.getxattr(there.path / "other.jpg", "user.place") == b"here"


def test_a_draft_that_was_renamed_over_an_entry_before_a_kill_is_back_over_it(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "file.jpg").write_bytes(OLD)
    leave_incomplete(mount.path / "new.jpg")
    (mount.path / "new.jpg").rename(mount.path / "file.jpg")
    mount.kill()
    revive(mount)
    assert names(mount.path) == ["file.jpg"]
    assert (mount.path / "file.jpg").read_bytes() == NEW[:100]
    (mount.path / "file.jpg").write_bytes(NEW)
    mount.remount()
    assert (names(mount.path), (mount.path / "file.jpg").read_bytes()) == (["file.jpg"], NEW)


@pytest.mark.semantics("What a foreign writer stores at a path whose directory was renamed")
@pytest.mark.parametrize("has_seen_the_old", [True, False])
@pytest.mark.parametrize("seen_first", ["a", "b"])
def test_a_path_that_a_foreign_writer_brings_back_is_another_directory(
    mounted: MountFactory, seen_first: str, *, has_seen_the_old: bool
) -> None:
    here, there = mounted(), mounted()
    for path in ("root.a", "root.a.old"):
        add_entry(there, path)
    wait_until((there.path / "a" / "0.jpeg").exists)
    if has_seen_the_old:
        wait_until(lambda: names(here.path / "a") == ["0.jpeg", "old"])
    (there.path / "a").rename(there.path / "b")
    for path in ("root.a", "root.a.new"):
        add_entry(there, path)
    shown = {"a": ["1.jpeg", "new"], "b": ["0.jpeg", "old"]}
    for mount in (here, there):
        for name in sorted(shown, reverse=seen_first == "b"):
            wait_until(lambda: names(mount.path / name) == shown[name])  # noqa: B023 - called at once
            for below in ("0.jpeg", "1.jpeg"):
                wait_until(lambda: (mount.path / name / below).exists() == (below in shown[name]))  # noqa: B023
        assert names(mount.path) == ["a", "b"]
