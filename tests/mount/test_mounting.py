"""Mounting, unmounting and asking, on real mounts by the real commands."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import trustme

from konifer_fs_daemon.kernel import READ_AHEAD_KIB
from konifer_fs_daemon.mountpoint import is_dead, is_ours, list_mounts
from tests.mount.elsewhere import PICTURE
from tests.mount.mounting import CommandFailed, Mount, MountFactory, has_ended, konifer_fs, wait_for_end
from tests.securing import secured, trust_nothing_else
from tests.servers import S3Server


def list_processes_naming(path: Path) -> list[int]:
    """Give the processes whose command line names `path` or that have a file open below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if str(path) in command or any(str(path) in target for target in opened):
            found.append(int(process.name))
    return found


def test_a_picture_survives_a_remount(mounted: MountFactory, object_store: str, images: Path) -> None:
    mount = mounted(object_store)
    picture = images / "joshua-tree.png"
    shutil.copy(picture, mount.path / "tree.png")
    assert (mount.path / "tree.png").read_bytes() == picture.read_bytes()
    mount.remount()
    assert (mount.path / "tree.png").exists()
    if mount.keeps:
        assert (mount.path / "tree.png").read_bytes() == picture.read_bytes()


def test_a_mount_is_nosuid_nodev_and_named_after_us(shared_mount: Mount) -> None:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    (line,) = [line for line in lines if f" {shared_mount.path} " in line]
    assert "nosuid,nodev" in line
    assert " - fuse.konifer-fs konifer-fs " in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may tell the kernel")
def test_the_kernel_reads_far_ahead_where_it_may_be_told_so(shared_mount: Mount) -> None:
    number = shared_mount.path.stat().st_dev
    setting = Path("/sys/class/bdi") / f"{os.major(number)}:{os.minor(number)}" / "read_ahead_kb"
    assert int(setting.read_text()) == READ_AHEAD_KIB


@pytest.mark.semantics("Unmounting leaves no process")
def test_unmounting_waits_for_the_daemon_and_leaves_nothing(mounted: MountFactory, images: Path) -> None:
    mount = mounted()
    pid = mount.pid
    shutil.copy(images / "joshua-tree.png", mount.path)
    mount.umount()
    assert mount.path not in list_mounts()
    assert has_ended(pid)
    assert not list_processes_naming(mount.data_dir)
    spool = [path for path in (mount.data_dir / "spool").rglob("*") if path.is_file()]
    assert {path.name for path in spool} == {"lock", "owner"}
    assert konifer_fs("status", "--json", environ=mount.environ).stdout.count(str(mount.path)) == 0


def test_a_plain_unmount_ends_the_daemon_too(mounted: MountFactory) -> None:
    mount = mounted()
    subprocess.run(["fusermount3", "-u", mount.path], check=True, timeout=30)
    assert wait_for_end(mount.pid)
    mount.mount()


def test_mounting_right_after_a_plain_unmount_works(mounted: MountFactory) -> None:
    mount = mounted()
    subprocess.run(["fusermount3", "-u", mount.path], check=True, timeout=30)
    mount.mount()
    assert is_ours(mount.path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts(mounted: MountFactory, number: signal.Signals) -> None:
    mount = mounted()
    os.kill(mount.pid, number)
    assert wait_for_end(mount.pid)
    assert mount.path not in list_mounts()


def test_a_dead_mount_is_mounted_over(mounted: MountFactory, images: Path) -> None:
    mount = mounted()
    shutil.copy(images / "joshua-tree.gif", mount.path)
    mount.kill()
    assert is_dead(mount.path)
    mount.mount()
    assert list(list_mounts()).count(mount.path) == 1
    assert (mount.path / "joshua-tree.gif").read_bytes() == (images / "joshua-tree.gif").read_bytes()


def test_a_dead_mount_is_detached_by_umount(mounted: MountFactory) -> None:
    mount = mounted()
    mount.kill()
    mount.umount()
    assert mount.path not in list_mounts()


@pytest.mark.semantics("A daemon that stands still is told of")
def test_a_daemon_that_stands_still_is_told_of_and_its_mount_detached(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "empty.jpg").touch()
    os.kill(mount.pid, signal.SIGSTOP)
    silent = f"konifer-fs: the daemon {mount.pid} does not answer"

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return konifer_fs(*arguments, environ=mount.environ)

    try:
        assert run("status", mount.path).stderr == f"{silent}\n"
        for command in ("status", "drafts"):
            everywhere = run(command)
            assert (everywhere.returncode, f"{silent}\n" in everywhere.stderr) == (1, True)
        assert "is mounted already" in run("mount", "-c", mount.config_file, mount.path).stderr
        assert "empty.jpg" in run("drafts", "--data-dir", mount.data_dir, mount.path).stdout
        refused = run("umount", mount.path)
        assert (refused.returncode, is_ours(mount.path)) == (1, True)
        assert f"{silent} (konifer-fs umount --force " in refused.stderr
        forced = run("umount", "--force", mount.path)
        assert (forced.returncode, is_ours(mount.path)) == (0, False)
        assert forced.stderr.startswith(f"{silent}: its mount is detached")
        assert silent in run("mount", "-c", mount.config_file, "--data-dir", mount.data_dir, mount.path).stderr
    finally:
        os.kill(mount.pid, signal.SIGCONT)
    assert wait_for_end(mount.pid)
    mount.mount()
    assert (mount.path / "empty.jpg").exists()


def test_a_busy_mount_is_not_unmounted_and_lives_on(mounted: MountFactory, images: Path) -> None:
    mount = mounted()
    shutil.copy(images / "joshua-tree.gif", mount.path)
    with (mount.path / "joshua-tree.gif").open("rb"), pytest.raises(CommandFailed, match="busy"):
        mount.umount()
    assert (mount.path / "joshua-tree.gif").stat().st_size
    mount.umount()


def test_status_tells_of_drafts_and_no_secrets(mounted: MountFactory) -> None:
    mount = mounted("moto")
    (mount.path / "empty.jpg").touch()
    (mount.path / ".note").write_text("mine")
    status = mount.status()
    assert status["drafts"]["incomplete"] == [{"name": "/empty.jpg", "bytes": 0}]
    assert status["drafts"]["local"] == [{"name": "/.note", "bytes": 4}]
    assert status["pid"] == mount.pid
    assert "only-for-servers" not in json.dumps(status)
    assert json.loads(mount.run("status", "--json", mount.path))[0]["drafts"] == status["drafts"]
    told = mount.run("status", mount.path)
    assert "/empty.jpg" in told
    assert str(mount.pid) in told


@pytest.mark.semantics("Incomplete drafts and local files survive a remount")
def test_incomplete_and_local_files_do_not_keep_a_mount_and_come_back(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "empty.jpg").touch()
    (mount.path / ".note").write_text("mine")
    mount.remount()
    assert (mount.path / ".note").read_text() == "mine"
    assert (mount.path / "empty.jpg").stat().st_size == 0


def test_a_pending_draft_keeps_the_mount_until_forced_and_comes_back(
    mounted: MountFactory, images: Path, tmp_path: Path
) -> None:
    mount = mounted()
    bucket = mount.objects
    hidden = bucket.with_name("hidden")
    bucket.rename(hidden)
    bucket.write_text("in the way of a directory")
    picture = images / "joshua-tree.gif"
    with pytest.raises(OSError):
        shutil.copy(picture, mount.path / "kept.gif")
    assert mount.status()["drafts"]["pending"][0]["name"] == "/kept.gif"
    with pytest.raises(CommandFailed, match=r"1 file\(s\) could not be stored yet: /kept.gif"):
        mount.umount()
    assert is_ours(mount.path)
    mount.umount("--force")
    bucket.unlink()
    hidden.rename(bucket)
    mount.mount()
    assert (mount.path / "kept.gif").read_bytes() == picture.read_bytes()
    mount.remount()
    assert "pending" not in mount.status()["drafts"]
    assert (mount.path / "kept.gif").read_bytes() == picture.read_bytes()


def test_umount_tells_how_far_it_is_with_what_is_pending(mounted: MountFactory, images: Path) -> None:
    mount = mounted()
    mount.objects.rmdir()
    mount.objects.write_text("in the way of a directory")
    with pytest.raises(OSError):
        shutil.copy(images / "joshua-tree.gif", mount.path / "kept.gif")
    with pytest.raises(CommandFailed, match=r"storing: 0 of 1 \(.*: Not a directory\)") as failure:
        mount.umount()
    assert f"Try again when the stores answer, or use --force, which leaves them in {mount.data_dir}" in str(
        failure.value
    )
    assert re.search(r"could not be stored yet: /kept.gif\. .*: Not a directory\. Try again", str(failure.value))
    mount.objects.unlink()
    mount.umount()


def test_a_removed_file_leaves_no_object(mounted: MountFactory, images: Path) -> None:
    mount = mounted()
    shutil.copy(images / "joshua-tree.gif", mount.path)
    assert len(list(mount.objects.iterdir())) == 1
    (mount.path / "joshua-tree.gif").unlink()
    until = time.monotonic() + 60
    while any(mount.objects.iterdir()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list(mount.objects.iterdir())


@pytest.mark.semantics("A mount with -o ro changes nothing")
def test_a_read_only_mount_changes_nothing(mounted: MountFactory, images: Path) -> None:
    writer = mounted()
    shutil.copy(images / "joshua-tree.gif", writer.path)
    reader = mounted(options="ro")
    assert (reader.path / "joshua-tree.gif").read_bytes() == (images / "joshua-tree.gif").read_bytes()
    with pytest.raises(OSError, match="Read-only"):
        (reader.path / "new").mkdir()
    assert reader.status()["read_only"]


@pytest.mark.semantics("A spool is held by one mount at a time")
def test_a_spool_is_one_mounts_and_one_stores(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "users").mkdir()
    (mount.path / "empty.jpg").touch()
    mount.umount()
    with pytest.raises(CommandFailed, match=r"holds drafts of .*/, this mount is of .*/users"):
        mount.mount("--subpath", "/users")
    (lock,) = (mount.data_dir / "spool").glob("*/lock")
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CommandFailed, match="The spool belongs to another mount"):
            mount.mount()
    assert not is_ours(mount.path)
    mount.mount()
    assert (mount.path / "empty.jpg").exists()


def test_a_subpath_is_mounted_alone(mounted: MountFactory, images: Path) -> None:
    everything = mounted()
    (everything.path / "users").mkdir()
    shutil.copy(images / "joshua-tree.gif", everything.path / "users")
    below = mounted(subpath="/users")
    assert [path.name for path in below.path.iterdir()] == ["joshua-tree.gif"]
    assert below.path.stat().st_ino == 1


def test_owner_and_umask_follow_the_options(mounted: MountFactory, images: Path) -> None:
    mount = mounted(options="uid=1234,gid=4321,umask=077")
    found = mount.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 4321, 0o700)


def test_a_second_mount_of_a_mountpoint_is_refused(mounted: MountFactory) -> None:
    mount = mounted()
    with pytest.raises(CommandFailed, match="is mounted already"):
        mount.mount()
    assert list(list_mounts()).count(mount.path) == 1


def test_a_database_at_another_version_is_refused_with_the_command_to_run(mounted: MountFactory) -> None:
    mount = mounted()
    mount.umount()
    with psycopg.connect(mount.conninfo, autocommit=True) as session:
        session.execute("DROP SCHEMA konifer_fs CASCADE")
    with pytest.raises(CommandFailed, match="run `konifer-fs migrate --join`"):
        mount.mount()
    assert not is_ours(mount.path)
    assert not list(mount.path.iterdir())
    with pytest.raises(CommandFailed, match=r"a Konifer's: .* run `konifer-fs migrate --join`"):
        mount.run("migrate", "-c", mount.config_file)
    said = mount.run("migrate", "-c", mount.config_file, "--join", "--triggers")
    assert "at this version's schema" in said
    assert "Konifer's tables are as they were" not in said
    mount.mount()


def test_stacks_of_threads_and_tasks_are_dumped_on_sigusr1(mounted: MountFactory) -> None:
    mount = mounted()
    os.kill(mount.pid, signal.SIGUSR1)
    until = time.monotonic() + 30
    while "Task konifer_fs_daemon.background.repeat" not in mount.log() and time.monotonic() < until:
        time.sleep(0.05)
    assert "most recent call first" in mount.log()
    assert "Task konifer_fs_daemon.background.repeat" in mount.log()
    assert mount.status()["pid"] == mount.pid


def test_an_authority_may_be_named_from_where_the_command_is_run(
    mounted: MountFactory, s3_server: dict[str, S3Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, address = trustme.CA(), urlsplit(s3_server["moto"].endpoint_url)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust_nothing_else(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", "ca.pem")
    with secured(authority, lambda: socket.create_connection((address.hostname, address.port or 80), 60)) as port:
        mount = mounted("moto", config=f'object-store.s3.endpoint-url = "https://localhost:{port}"')
        (mount.path / "photo.jpg").write_bytes(PICTURE)
        mount.umount()
