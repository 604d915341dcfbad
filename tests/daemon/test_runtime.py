"""Where sockets of running mounts are."""

import stat
from pathlib import Path

import pytest

from konifer_fs_daemon import runtime
from konifer_fs_daemon.mountpoint import MountRefused
from konifer_fs_daemon.runtime import list_runtime_directories, list_sockets, make_runtime_directory, mount_name


@pytest.fixture
def only(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one place there is for sockets."""
    place = tmp_path_factory.mktemp("r") / "konifer-fs"
    monkeypatch.setattr(runtime, "list_runtime_directories", lambda: [place])
    return place


def test_the_session_directory_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/42")
    assert list_runtime_directories()[0] == Path("/run/user/42/konifer-fs")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    assert list_runtime_directories()[0] != Path("relative/konifer-fs")


def test_a_place_too_long_for_a_socket_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/" + "long" * 30)
    assert all(len(str(place)) < 80 for place in list_runtime_directories())


def test_the_directory_is_private(only: Path) -> None:
    assert stat.S_IMODE(make_runtime_directory().stat().st_mode) == 0o700


def test_a_directory_that_others_may_enter_is_not_used(only: Path) -> None:
    only.mkdir(mode=0o755)
    (only / f"{mount_name(Path('/mnt'))}.sock").touch()
    assert not list(list_sockets())
    with pytest.raises(MountRefused, match="no place for a control socket"):
        make_runtime_directory()


def test_a_link_in_place_of_the_directory_is_not_followed(only: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    only.symlink_to(tmp_path / "mine")
    with pytest.raises(MountRefused):
        make_runtime_directory()


def test_a_mount_has_one_name_and_others_another(only: Path) -> None:
    place = make_runtime_directory()
    socket = place / f"{mount_name(Path('/mnt/a'))}.sock"
    socket.touch()
    assert list(list_sockets(Path("/mnt/a"))) == [socket]
    assert not list(list_sockets(Path("/mnt/b")))
    assert list(list_sockets()) == [socket]
