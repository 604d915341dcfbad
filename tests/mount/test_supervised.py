"""What an init system sees of a mount: lines of fstab, mount(8), and systemd's notifications."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from errno import EACCES
from pathlib import Path

import pytest

from konifer_fs_daemon.kernel import ALWAYS
from konifer_fs_daemon.mounter import asking
from konifer_fs_daemon.mountpoint import MountRefused, list_mounts
from tests.mount.elsewhere import PICTURE, names, wait_until
from tests.mount.mounting import SECONDS, CommandFailed, Mount, MountFactory, detach, end_daemon, terminate_mount
from tests.mount.saving import failing

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts by fstab")

# A mount namespace in which mount(8) finds our helper; what is mounted below is seen only there.
IN_NAMESPACE = """
set -eu
mount -t overlay overlay -o "lowerdir=$1:/usr/sbin" /usr/sbin
mount -a -T "$2"
findmnt -n -o SOURCE,FSTYPE,OPTIONS "$3"
ls "$3"
mount -a -T "$2"
findmnt -n -o SOURCE "$3" | wc -l
umount "$3"
"""


def helper(*arguments: str | Path, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `mount.konifer-fs` as mount(8) does."""
    command = [sys.executable, "-m", "konifer_fs_daemon.mount_helper", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environ)


@pytest.fixture
def unmounted(mounted: MountFactory) -> Iterator[Mount]:
    """Give a place that was mounted once, so that all that a mount needs is there; who mounts it again is ended."""
    mount = mounted()
    (mount.path / "directory" / "below").mkdir(parents=True)
    mount.umount()
    yield mount
    terminate_mount(mount.path, Path(mount.environ["XDG_RUNTIME_DIR"]))


@needs_root
def test_a_line_of_fstab_mounts_and_a_second_mount_of_all_changes_nothing(unmounted: Mount, tmp_path: Path) -> None:
    sbin, fstab = tmp_path / "sbin", tmp_path / "fstab"
    sbin.mkdir()
    script = sbin / "mount.konifer-fs"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m konifer_fs_daemon.mount_helper "$@"\n')
    script.chmod(0o755)
    words = f"ro,noexec,_netdev,nofail,subpath=/directory,data-dir={unmounted.data_dir}"
    fstab.write_text(f"{unmounted.config_file} {unmounted.path} konifer-fs {words} 0 0\n")
    places = map(str, (sbin, fstab, unmounted.path))
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_NAMESPACE, "sh", *places]
    environ = {**unmounted.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environ)
    assert done.returncode == 0, done.stderr + unmounted.log()
    found, listed, count = done.stdout.splitlines()
    source, kind, options = found.split()
    assert (source, kind) == (str(unmounted.config_file), "fuse.konifer-fs")
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(options.split(","))
    assert (listed, count) == ("below", "1")


@needs_root
@pytest.mark.semantics("With -o root_squash, beside allow_other, root is nobody")
def test_root_looks_after_a_mount_on_which_it_is_nobody(unmounted: Mount) -> None:
    words = f"allow_other,root_squash,_netdev,data-dir={unmounted.data_dir}"
    done = helper(unmounted.config_file, unmounted.path, "-o", words, environ=dict(unmounted.environ))
    assert done.returncode == 0, done.stderr
    with failing(EACCES):
        (unmounted.path / "new").mkdir()
    assert names(unmounted.path) == ["directory"]
    assert "konifer_fs_operations_total" in (unmounted.path / "-" / "stats").read_text()
    assert str(unmounted.path) in unmounted.run("status", unmounted.path)
    assert "nothing" in unmounted.run("drafts", unmounted.path).lower()
    unmounted.umount()
    assert unmounted.path not in list_mounts()


def test_the_helper_tells_by_its_code_what_went_wrong(unmounted: Mount, tmp_path: Path) -> None:
    environ = dict(unmounted.environ)
    config, place = unmounted.config_file, unmounted.path
    data_dir = f"data-dir={unmounted.data_dir}"
    fine = helper(config, place, "-f", "-o", data_dir, environ=environ)
    assert (fine.returncode, place in list_mounts()) == (0, False)
    wrong = helper(config, place, "-o", f"{data_dir},sudi", environ=environ)
    assert (wrong.returncode, "-o sudi" in wrong.stderr) == (1, True)
    absent = helper(tmp_path / "absent.conf", place, environ=environ)
    assert (absent.returncode, "absent.conf" in absent.stderr) == (1, True)
    (place / "occupied").touch()
    failed = helper(config, place, "-o", data_dir, environ=environ)
    assert (failed.returncode, "is not empty" in failed.stderr) == (32, True)
    (place / "occupied").unlink()
    of_daemon = helper(config, place, "-o", f"ro,subpath=/absent,{data_dir}", environ=environ)
    assert (of_daemon.returncode, "/absent is not in the store" in of_daemon.stderr) == (32, True)


def test_systemd_is_told_when_it_is_mounted_that_it_lives_and_when_it_ends(unmounted: Mount, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(address)
        channel.settimeout(30)
        arguments = ["mount", "--foreground", "-c", unmounted.config_file, "--data-dir", unmounted.data_dir]
        daemon = subprocess.Popen(
            [sys.executable, "-m", "konifer_fs_daemon", *map(str, arguments), unmounted.path],
            env={**unmounted.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"},
            stderr=subprocess.DEVNULL,
        )
        try:
            said = [channel.recv(100).decode() for _ in range(4)]
            assert "READY=1" in said
            assert said.count("WATCHDOG=1") >= 2
            assert unmounted.path in list_mounts()
            daemon.send_signal(signal.SIGTERM)
            while said[-1] in {"WATCHDOG=1", "READY=1"}:
                said.append(channel.recv(100).decode())
            assert said[-1] == "STOPPING=1"
            assert daemon.wait(SECONDS) == 0
        finally:
            if daemon.poll() is None:
                end_daemon(daemon.pid)
                daemon.wait(SECONDS)
            detach(unmounted.path)


@pytest.fixture
def mounter(unmounted: Mount) -> Iterator[Path]:
    """Give the socket of one that mounts there, once, for a daemon which may not."""
    address = Path(unmounted.environ["XDG_RUNTIME_DIR"]) / "mounter"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "konifer_fs_daemon.mounter", unmounted.path],
            preexec_fn=lambda: os.dup2(listener.fileno(), 3),  # noqa: PLW1509 (no threads here)
            pass_fds=[3],
        )
        try:
            yield address
        finally:
            process.kill()
            process.wait(SECONDS)
            address.unlink()


def test_what_was_mounted_for_a_daemon_is_detached_when_that_is_killed(unmounted: Mount, mounter: Path) -> None:
    unmounted.mount("--mounter", str(mounter))
    (unmounted.path / "tree.jpeg").write_bytes(PICTURE)
    assert (unmounted.path / "tree.jpeg").read_bytes() == PICTURE
    unmounted.kill()
    wait_until(lambda: unmounted.path not in list_mounts())


def test_a_mount_that_another_made_is_unmounted_as_any(unmounted: Mount, mounter: Path) -> None:
    unmounted.mount("--mounter", str(mounter))
    unmounted.umount()
    assert unmounted.path not in list_mounts()


def test_who_mounts_for_a_daemon_says_why_not(unmounted: Mount, mounter: Path) -> None:
    (unmounted.path / "occupied").touch()
    with pytest.raises(CommandFailed, match=r"is not empty \(it holds occupied\)"):
        unmounted.mount("--mounter", str(mounter))


@pytest.mark.parametrize(
    "words", ["default_permissions,nosuid,subtype=konifer-fs", ",".join([*sorted(ALWAYS), "suid"])]
)
def test_who_mounts_for_a_daemon_makes_no_programs_privileges(unmounted: Mount, mounter: Path, words: str) -> None:
    with pytest.raises(MountRefused, match="no less than"), asking(mounter, words.split(",")):
        pass
    assert unmounted.path not in list_mounts()
