"""Mountpoints, on the mounts that every Linux has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from konifer_fs_daemon import mountpoint
from konifer_fs_daemon.mountpoint import MountRefused, detach, is_dead, is_ours, list_mounts, make_ready, resolve


@pytest.fixture
def fuse_conf(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where fusermount3's settings are, for the test: nothing is there yet."""
    path = tmp_path_factory.mktemp("etc") / "fuse.conf"
    monkeypatch.setattr(mountpoint, "_FUSE_CONF", path)
    return path


def test_the_mounts_of_this_machine_are_seen() -> None:
    assert list_mounts()[Path("/proc")] == "proc"
    assert not is_ours(Path("/proc"))
    assert not is_dead(Path("/proc"))


def test_an_empty_directory_can_be_mounted_on(tmp_path: Path) -> None:
    make_ready(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_mounted_on_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    for path, reason in [
        (tmp_path / "missing", r"does not exist \(mkdir "),
        (tmp_path / "file", "is not a directory"),
        (tmp_path, r"is not empty \(it holds file\)"),
    ]:
        with pytest.raises(MountRefused, match=reason):
            make_ready(path)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_the_user_may_not_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MountRefused, match="is not writable by this user"):
        make_ready(tmp_path)


@pytest.mark.parametrize("text", [None, "", "# user_allow_other\n", "user_allow_others\n"])
def test_allow_other_is_refused_who_may_not_say_so(
    text: str | None, tmp_path: Path, fuse_conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        fuse_conf.write_text(text)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(MountRefused, match="allow_other is for root only"):
        make_ready(tmp_path / "missing", allow_other=True)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    make_ready(tmp_path, allow_other=True)


def test_allow_other_is_left_to_fusermount_where_it_may_be_allowed(
    tmp_path: Path, fuse_conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    fuse_conf.write_text("mount_max = 9\n  user_allow_other # for Samba\n")
    make_ready(tmp_path, allow_other=True)
    fuse_conf.unlink()
    fuse_conf.mkdir()
    make_ready(tmp_path, allow_other=True)


def test_a_path_is_resolved_through_links_and_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert resolve(Path("link")) == tmp_path / "real"
    assert resolve(Path("link/../real/./")) == tmp_path / "real"
    assert resolve(Path("missing")) == tmp_path / "missing"


def test_detaching_what_is_not_mounted_gives_the_reason(tmp_path: Path) -> None:
    with pytest.raises(MountRefused, match="was not unmounted"):
        detach(tmp_path, lazy=False)


def test_a_missing_fusermount_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MountRefused, match="install the package fuse3"):
        detach(tmp_path, lazy=True)


@pytest.mark.parametrize(
    "name", ["a b\\c", "line\nfeed", "form\ffeed", "carriage\rreturn", "file\x1cseparator", "\x85\u2028é", "\udcff"]
)
def test_strange_names_are_read_from_mountinfo(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    program = f"""
import sys; from pathlib import Path; from konifer_fs_daemon.mountpoint import list_mounts
sys.exit(list_mounts().get(Path({str(place)!r})) != "tmpfs")
"""
    isolated = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*isolated, "true"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    script = 'mount -t tmpfs none "$1" && exec "$2" -c "$3"'
    command = [*isolated, "sh", "-c", script, "sh", str(place), sys.executable, program]
    subprocess.run(command, timeout=60, check=True)
