"""Mounts without any configuration: the embedded stores, shared, in memory, and as an ordinary user."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from konifer_fs.adapters.postgres.programs import list_running
from konifer_fs_daemon.mountpoint import is_ours
from tests.mount.mounting import konifer_fs, terminate_mount

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Home:
    """A home directory of its own, and commands that are run there."""

    path: Path
    environ: dict[str, str]

    def make_mountpoint(self, name: str) -> Path:
        place = self.path / name
        place.mkdir()
        return place

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return konifer_fs(*arguments, environ=self.environ)

    def mount(self, place: Path, *options: str) -> str:
        done = self.run("mount", *options, place)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def umount(self, place: Path) -> None:
        done = self.run("umount", place)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def home(fuse: Path, tmp_path: Path) -> Iterator[Home]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = {key: value for key, value in os.environ.items() if key not in {"XDG_DATA_HOME", "IN_MEMORY"}}
    environ |= {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(fuse), "TMPDIR": str(temporary)}
    yield Home(tmp_path, environ)
    for place in tmp_path.iterdir():
        terminate_mount(place, fuse)


def test_a_fresh_machine_needs_no_configuration_and_keeps_what_is_written(home: Home, images: Path) -> None:
    place = home.make_mountpoint("pictures")
    home.mount(place)
    shutil.copy(images / "joshua-tree.webp", place)
    home.umount(place)
    data = home.path / ".local/share/konifer-fs"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert len(list((data / "objects").rglob("*.webp"))) == 1
    home.mount(place)
    assert (place / "joshua-tree.webp").read_bytes() == (images / "joshua-tree.webp").read_bytes()


def test_two_mounts_share_one_data_directory(home: Home, images: Path) -> None:
    one, other = home.make_mountpoint("one"), home.make_mountpoint("other")
    home.mount(one, "--data-dir", str(home.path / "data"))
    home.mount(other, "--data-dir", str(home.path / "data"))
    shutil.copy(images / "joshua-tree.jxl", one)
    assert (other / "joshua-tree.jxl").read_bytes() == (images / "joshua-tree.jxl").read_bytes()
    home.umount(one)
    assert (other / "joshua-tree.jxl").exists()
    told = home.run("status").stdout
    assert str(other) in told
    assert str(one) not in told


@pytest.mark.parametrize("way", ["option", "environment"])
def test_a_mount_in_memory_is_announced_and_leaves_nothing(home: Home, images: Path, way: str) -> None:
    place = home.make_mountpoint("pictures")
    if way == "environment":
        home.environ["IN_MEMORY"] = "true"
    said = home.mount(place, *(["--in-memory"] if way == "option" else []))
    assert "gone when unmounted" in said
    shutil.copy(images / "joshua-tree.avif", place)
    assert (place / "joshua-tree.avif").read_bytes() == (images / "joshua-tree.avif").read_bytes()
    home.umount(place)
    assert not list((home.path / "tmp").iterdir())
    left = {path.name for path in (home.path / ".local/share/konifer-fs").rglob("*")}
    assert left == {"logs", *(name for name in left if name.endswith(".log"))}


def test_a_mount_in_memory_can_be_read_only(home: Home) -> None:
    place = home.make_mountpoint("pictures")
    home.mount(place, "--in-memory", "-o", "ro")
    assert not list(place.iterdir())
    home.umount(place)


def test_a_daemon_in_the_foreground_logs_to_stderr_and_ends_on_interrupt(home: Home) -> None:
    place = home.make_mountpoint("pictures")
    command = [sys.executable, "-m", "konifer_fs_daemon", "mount", "--in-memory", "--foreground", str(place)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=home.environ) as daemon:
        assert daemon.stderr is not None
        before = []
        for line in daemon.stderr:
            before.append(line)
            if "mounted at" in line:
                break
        assert is_ours(place), "".join(before)
        daemon.send_signal(2)
        _, said = daemon.communicate(timeout=60)
    assert daemon.returncode == 0
    assert "message=ended" in said
    assert not is_ours(place)


def test_a_daemon_that_is_stopped_while_it_starts_leaves_nothing_running(home: Home) -> None:
    place = home.make_mountpoint("pictures")
    command = [sys.executable, "-m", "konifer_fs_daemon", "mount", "--data-dir", str(home.path / "data"), str(place)]
    cluster = home.path / "data/postgres/cluster"
    with subprocess.Popen([*command, "--foreground"], stderr=subprocess.DEVNULL, env=home.environ) as daemon:
        until = time.monotonic() + 60
        while not (cluster / "postmaster.pid").exists() and time.monotonic() < until:
            time.sleep(0.01)
        daemon.terminate()
        daemon.wait(60)
    assert not is_ours(place)
    assert not list_running(cluster)


# A machine's /dev/fuse may be root's alone, so the user gets one in a mount namespace; the pid namespace ends with it.
ISOLATED = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
STEPS = """
set -e
mount --bind "$DEVICE" /dev/fuse
cd "$HOME"
exec setpriv --reuid="$USER_ID" --regid="$GROUP_ID" --clear-groups sh -ec '
  konifer() { "$PYTHON" -P -m konifer_fs_daemon "$@"; }
  konifer mount "$HOME/pictures"
  cp "$PICTURE" "$HOME/pictures/picture.png"
  cmp "$PICTURE" "$HOME/pictures/picture.png"
  stat -c "owned by %u" "$HOME/pictures/picture.png"
  konifer doctor
  konifer umount "$HOME/pictures"
  test -z "$(ls -A "$HOME/pictures")"
'
"""


def find_python(user: "pwd.struct_passwd", environ: dict[str, str]) -> str | None:
    """Give a Python that `user` can run, with what is installed here, or None."""
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        command = [python, "-P", "-c", "import konifer_fs_daemon.serve"]
        try:
            done = subprocess.run(
                command, timeout=60, capture_output=True, check=False, env=environ,
                user=user.pw_uid, group=user.pw_gid, extra_groups=[],
            )  # fmt: skip
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


@pytest.mark.skipif(os.getuid() != 0, reason="not root: all tests here are run as an ordinary user already")
def test_an_ordinary_user_mounts_and_unmounts(fuse: Path, images: Path) -> None:
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="kfs-") as directory:
        home = Path(directory)
        shutil.copy(images / "joshua-tree.png", home / "picture.png")
        for place in (home / "pictures", home / "runtime", home):
            place.mkdir(mode=0o700, exist_ok=True)
            shutil.chown(place, user.pw_uid, user.pw_gid)
        (home / "picture.png").chmod(0o644)
        os.mknod(home / "fuse", 0o666 | stat.S_IFCHR, Path("/dev/fuse").stat().st_rdev)
        (home / "fuse").chmod(0o666)
        environ = {
            "PATH": os.defpath, "HOME": directory, "XDG_RUNTIME_DIR": str(home / "runtime"),
            "DEVICE": str(home / "fuse"), "PICTURE": str(home / "picture.png"),
            "USER_ID": str(user.pw_uid), "GROUP_ID": str(user.pw_gid),
            "PYTHONPATH": f"{sysconfig.get_path('purelib')}:{ROOT}:{ROOT / 'daemon'}",
        }  # fmt: skip
        python = find_python(user, environ)
        if python is None:
            pytest.skip("no Python that an ordinary user can run has what is installed here")
        if subprocess.run([*ISOLATED, "true"], capture_output=True, timeout=60, check=False).returncode:
            pytest.skip("no namespaces can be made here")
        done = subprocess.run(
            [*ISOLATED, "sh", "-c", STEPS], env={**environ, "PYTHON": python},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"owned by {user.pw_uid}" in done.stdout
    assert "✗" not in done.stdout
