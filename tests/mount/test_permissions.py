"""Who may do what: permissions, other users, locks, what is not supported, space, and mounts that change nothing."""

import ctypes
import fcntl
import os
import subprocess
import sys
from errno import EAGAIN, EOPNOTSUPP, EROFS
from pathlib import Path
from typing import Final

import pytest

from tests.mount.elsewhere import PICTURE, all_fail, names
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import failing

NOBODY: Final = 65534
PERMISSIONS = pytest.mark.semantics("Permissions are checked by the kernel")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may act as another user")
LOCKS = pytest.mark.semantics("flock and fcntl locks hold between the processes of one mount")
STATFS = pytest.mark.semantics("statfs tells the object store's free space")
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def as_nobody(directory: Path, script: str) -> str:
    """Run a shell script as another user, in a directory that it need not be able to reach; gives what it says."""
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=directory, user=NOBODY, group=NOBODY, extra_groups=[],
        capture_output=True, text=True, timeout=60, check=False, env={"LC_ALL": "C", "PATH": os.defpath},
    )  # fmt: skip
    return done.stdout + done.stderr


@PERMISSIONS
@as_root
def test_with_allow_other_the_kernel_checks_permissions(mounted: MountFactory) -> None:
    mount = mounted(options="allow_other")
    (mount.path / "mine").write_bytes(PICTURE)
    (mount.path / "mine").chmod(0o600)
    (mount.path / "everybodys").write_bytes(PICTURE)
    (mount.path / "closed").mkdir(mode=0o700)
    (mount.path / "open").mkdir()
    (mount.path / "open").chmod(0o777)
    assert as_nobody(mount.path, "cat everybodys | wc -c").strip() == str(len(PICTURE))
    for refused in ("cat mine", "ls closed", "echo >> everybodys", "touch new", "rm -f mine", "chmod 777 mine"):
        assert "denied" in as_nobody(mount.path, refused) or "not permitted" in as_nobody(mount.path, refused), refused
    assert as_nobody(mount.path, "cp everybodys open/theirs && stat -c %u open/theirs").strip() == str(NOBODY)
    assert (mount.path / "open" / "theirs").read_bytes() == PICTURE
    assert names(mount.path) == ["closed", "everybodys", "mine", "open"]


@as_root
def test_another_user_reads_the_objects_of_a_directory_that_lets_it(mounted: MountFactory) -> None:
    mount = mounted()
    mount.umount()
    mount.objects.rmdir()
    mount.objects.parent.chmod(0o755)
    mount.mount()
    (mount.path / "a.jpg").write_bytes(PICTURE)
    assert as_nobody(mount.objects.parent, "cat assets/* | wc -c").strip() == str(len(PICTURE))


@PERMISSIONS
@as_root
def test_without_allow_other_other_users_do_not_see_the_mount(place: Path) -> None:
    (place / "file").write_bytes(PICTURE)
    place.chmod(0o777)
    assert "denied" in as_nobody(place.parent, f"ls -la {place.name} 2>&1")
    assert "denied" in as_nobody(place, "cat file")


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "rb+")
getattr(fcntl, sys.argv[2])(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@LOCKS
@pytest.mark.parametrize("kind", ["flock", "lockf"])
def test_locks_hold_between_processes(place: Path, kind: str) -> None:
    file = place / "file"
    file.write_bytes(PICTURE)
    lock = getattr(fcntl, kind)
    command = [sys.executable, "-c", HOLDER, str(file), kind]
    with file.open("rb+") as opened:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with failing(EAGAIN):
                lock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            holder.communicate(timeout=60)
        lock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


@LOCKS
def test_space_cannot_be_reserved(place: Path) -> None:
    with (place / "file").open("wb") as opened:
        for mode in (0, 1, 3):
            assert _LIBC.fallocate(opened.fileno(), mode, ctypes.c_long(0), ctypes.c_long(100)) == -1
            assert ctypes.get_errno() == EOPNOTSUPP
        opened.write(PICTURE)
    assert (place / "file").read_bytes() == PICTURE


@LOCKS
def test_there_are_no_files_without_a_name(place: Path) -> None:
    with failing(EOPNOTSUPP):
        os.open(place, os.O_TMPFILE | os.O_RDWR)
    assert names(place) == []


@STATFS
def test_a_filesystem_store_tells_the_space_of_its_disk(shared_mount: Mount) -> None:
    shown, real = os.statvfs(shared_mount.path), os.statvfs(shared_mount.objects.parent)
    assert shown.f_blocks * shown.f_frsize == pytest.approx(real.f_blocks * real.f_frsize, rel=0.01)
    used, really = (facts.f_blocks - facts.f_bfree for facts in (shown, real))
    assert used * shown.f_frsize == pytest.approx(really * real.f_frsize, rel=0.01)
    assert 0 < shown.f_bavail <= shown.f_bfree
    assert shown.f_namemax == 255


@STATFS
@pytest.mark.parametrize(
    ("object_store", "config", "size"),
    [
        ("moto", "", 1 << 50),
        ("moto", "filesystem.capacity = 5 TiB", 5 << 40),
        ("filesystem", "filesystem.capacity = 1 GiB", 1 << 30),
    ],
)
def test_the_capacity_is_as_configured_or_a_pebibyte(
    mounted: MountFactory, object_store: str, config: str, size: int
) -> None:
    shown = os.statvfs(mounted(object_store, config=config).path)
    assert shown.f_blocks * shown.f_frsize == shown.f_bavail * shown.f_frsize == size
    assert shown.f_namemax == 255


@pytest.mark.semantics("A mount with -o ro changes nothing")
def test_a_read_only_mount_refuses_every_change(mounted: MountFactory) -> None:
    writer = mounted()
    (writer.path / "directory").mkdir()
    (writer.path / "file").write_bytes(PICTURE)
    os.setxattr(writer.path / "file", "user.a", b"text")
    reader = mounted(options="ro")
    file, directory, new = (reader.path / name for name in ("file", "directory", "new"))
    all_fail(
        EROFS,
        new.mkdir,
        new.touch,
        directory.rmdir,
        file.unlink,
        lambda: file.write_bytes(PICTURE),
        lambda: file.rename(new),
        lambda: new.symlink_to("x"),
        lambda: new.hardlink_to(file),
        lambda: os.mkfifo(new),
        lambda: file.chmod(0o600),
        lambda: os.chown(file, 1, 1),
        lambda: os.utime(file),
        lambda: os.truncate(file, 0),
        lambda: os.setxattr(file, "user.a", b"other"),
        lambda: os.removexattr(file, "user.a"),
        lambda: os.open(file, os.O_RDWR),
    )
    assert names(reader.path) == ["directory", "file"]
    assert file.read_bytes() == PICTURE
    assert os.getxattr(file, "user.a") == b"text"
    assert reader.status()["drafts"] == {}
