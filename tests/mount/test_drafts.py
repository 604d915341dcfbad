"""`konifer-fs drafts`: what is told of what is not stored, and what can be done about it."""

import json
import os
import subprocess
from errno import EBADMSG, EIO
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mount.elsewhere import names, wait_until
from tests.mount.killing import IMPATIENT
from tests.mount.mounting import Mount, MountFactory, detach, konifer_fs
from tests.mount.saving import failing, jpeg, state

TOLD: Final = pytest.mark.semantics("konifer-fs drafts tells")
DROPPED: Final = pytest.mark.semantics("A draft over an existing entry is seen on its mount only")


def drafts(mount: Mount, *options: str | Path, code: int = 0) -> str:
    """Run the command on one mount; gives what it printed."""
    done = konifer_fs("drafts", "--data-dir", mount.data_dir, *options, environ=mount.environ)
    assert done.returncode == code, done
    return done.stdout or done.stderr


def listed(mount: Mount) -> dict[str, dict[str, Any]]:
    return {draft["name"]: draft for draft in json.loads(drafts(mount, "--json", mount.path))}


@pytest.fixture
def mount(mounted: MountFactory) -> Mount:
    """A mount with an entry, a local file, two incomplete drafts, and a pending one: its objects are out of reach."""
    mount = mounted(config=IMPATIENT)
    (mount.path / "a b").mkdir()
    (mount.path / "stored.jpg").write_bytes(jpeg())
    (mount.path / ".local").write_bytes(b"anything")
    (mount.path / "empty.jpg").touch()
    with failing(EBADMSG):
        (mount.path / "stored.jpg").write_bytes(jpeg()[:200])
    mount.objects.rename(mount.objects.with_name("away"))
    mount.objects.write_text("in the way of a directory")
    with failing(EIO):
        (mount.path / "a b" / "late.jpg").write_bytes(jpeg(1))
    return mount


def bring_back(mount: Mount) -> None:
    mount.objects.unlink()
    mount.objects.with_name("away").rename(mount.objects)


@TOLD
def test_all_that_is_not_stored_is_told(mount: Mount) -> None:
    found = listed(mount)
    assert {name: (draft["state"], draft["bytes"]) for name, draft in found.items()} == {
        "/a b/late.jpg": ("pending", len(jpeg(1))), "/.local": ("local", 8),
        "/empty.jpg": ("incomplete", 0), "/stored.jpg": ("incomplete", 200),
    }  # fmt: skip
    assert [name for name, draft in found.items() if draft["error"]] == ["/stored.jpg", "/a b/late.jpg"]
    assert all(0 <= draft["age_seconds"] < 600 and draft["mountpoint"] == str(mount.path) for draft in found.values())
    lines = drafts(mount, mount.path).splitlines()
    (late,) = [number for number, line in enumerate(lines) if line.endswith(f"{mount.path}/a b/late.jpg")]
    assert lines[late].startswith("pending ")
    assert lines[late + 1].strip() == found["/a b/late.jpg"]["error"]
    assert f"{mount.path}/empty.jpg" in drafts(mount)


@TOLD
def test_a_retry_stores_what_can_be_stored(mount: Mount) -> None:
    assert "/a b/late.jpg" in drafts(mount, "--retry", mount.path, code=1)
    bring_back(mount)
    assert "late" not in drafts(mount, "--retry", mount.path)
    assert state(mount.path / "a b" / "late.jpg") == "ready"


@TOLD
@pytest.mark.parametrize("is_dead", [False, True])
def test_bytes_can_be_exported_also_from_a_spool(mount: Mount, tmp_path: Path, is_dead: bool) -> None:
    if is_dead:
        mount.kill()
        detach(mount.path)
    assert set(listed(mount)) == {"/a b/late.jpg", "/.local", "/empty.jpg", "/stored.jpg"}
    target = tmp_path / "exported"
    printed = drafts(mount, "--export", target, mount.path).splitlines()
    assert sorted(printed) == sorted(str(path) for path in target.rglob("*") if path.is_file())
    assert (target / "a b" / "late.jpg").read_bytes() == jpeg(1)
    assert (target / "stored.jpg").read_bytes() == jpeg()[:200]
    (target / "empty.jpg").unlink()
    assert "exists already" in drafts(mount, "--export", target, mount.path, code=1)
    assert not (target / "empty.jpg").exists()


@TOLD
def test_drafts_of_a_subpath_have_the_names_that_they_had_when_mounted(mounted: MountFactory, tmp_path: Path) -> None:
    mount = mounted(subpath="/users/some__20one")
    (mount.path / "a b").mkdir()
    (mount.path / "a b" / "empty.jpg").touch()
    assert set(listed(mount)) == {"/a b/empty.jpg"}
    mount.umount()
    assert set(listed(mount)) == {"/a b/empty.jpg"}
    assert drafts(mount, "--export", tmp_path, mount.path).strip() == str(tmp_path / "a b" / "empty.jpg")


@TOLD
@pytest.mark.parametrize("second", ["empty.jpg", "empty.jpg/below.jpg"])
def test_drafts_of_two_mounts_that_would_have_one_name_are_not_exported(
    mounted: MountFactory, tmp_path: Path, second: str
) -> None:
    one, other = mounted(), mounted(subpath="/elsewhere")
    (one.path / "empty.jpg").touch()
    (other.path / second).parent.mkdir(exist_ok=True)
    (other.path / second).touch()
    target = tmp_path / "exported"
    # All mounts of this machine are asked: where others have drafts, too, one of those may be told of first.
    assert "would be the copy of one draft and have another's place" in drafts(one, "--export", target, code=1)
    assert not target.exists()
    drafts(one, "--export", target / "one", one.path)
    drafts(other, "--export", target / "other", other.path)
    exported = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert exported == {"one/empty.jpg", f"other/{second}"}


@DROPPED
def test_a_dropped_draft_lets_the_entry_be_seen(mount: Mount) -> None:
    drafts(mount, "--drop", mount.path / "empty.jpg", "--drop", mount.path / "a b" / "late.jpg")
    bring_back(mount)
    assert (mount.path / "stored.jpg").read_bytes() == jpeg()[:200]
    assert "stored.jpg" not in drafts(mount, "--drop", mount.path / "stored.jpg")
    assert (mount.path / "stored.jpg").read_bytes() == jpeg()
    assert names(mount.path) == [".local", "a b", "stored.jpg"]
    mount.remount()
    assert names(mount.path) == [".local", "a b", "stored.jpg"]


@DROPPED
def test_nothing_else_can_be_dropped(mount: Mount, tmp_path: Path) -> None:
    bring_back(mount)
    wait_until(lambda: state(mount.path / "a b" / "late.jpg") == "ready")
    assert "is no draft" in drafts(mount, "--drop", mount.path / "a b" / "late.jpg", code=1)
    with (mount.path / "empty.jpg").open("ab"):
        assert "is open" in drafts(mount, "--drop", mount.path / "empty.jpg", code=1)
    assert "is on no running mount" in drafts(mount, "--drop", tmp_path / "x.jpg", code=1)
    assert names(mount.path) == [".local", "a b", "empty.jpg", "stored.jpg"]


@TOLD
def test_an_unknown_mountpoint_is_told(mount: Mount, tmp_path: Path) -> None:
    assert "has no spool of one" in drafts(mount, tmp_path, code=1)
    bring_back(mount)
    drafts(mount, "--retry", mount.path)
    for name in ("empty.jpg", "stored.jpg", ".local"):
        subprocess.run(["rm", mount.path / name], check=True, timeout=60)
    assert drafts(mount, mount.path) == "nothing waits to be stored\n"
    assert os.listdir(mount.path) == ["a b"]  # noqa: PTH208
