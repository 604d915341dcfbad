"""What only the store in a directory does: its layout, and that no name leads out of it."""

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.domain.errors import (
    ContentUnreadable,
    KoniferFsError,
    ObjectMissing,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)
from konifer_fs.domain.variant import ObjectRef

REF = ObjectRef("assets", "key.jpeg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "objects").mkdir()
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> DirectoryObjectStore:
    return DirectoryObjectStore(root)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"bytes")
    return path


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Where a file can lie on another file system than the store."""
    path = Path(f"/dev/shm/konifer-fs-test-{os.getpid()}")
    if not os.access(path.parent, os.W_OK):
        pytest.skip("no second file system at /dev/shm")
    yield path
    path.unlink(missing_ok=True)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusals(store: DirectoryObjectStore, ref: ObjectRef, source: Path) -> list[type[KoniferFsError] | None]:
    """Try everything on `ref`."""
    found: list[type[KoniferFsError] | None] = []
    for attempt in (
        lambda: store.put(ref, source, "image/jpeg"),
        lambda: store.fetch(ref, BytesIO()),
        lambda: store.local_path(ref),
        lambda: store.size(ref),
        lambda: store.delete(ref),
    ):
        try:
            attempt()
            found.append(None)
        except KoniferFsError as error:
            found.append(type(error))
    return found


def test_objects_lie_where_konifer_looks_for_them(store: DirectoryObjectStore, root: Path, source: Path) -> None:
    store.put(REF, source, "image/jpeg")
    assert (root / "assets" / "key.jpeg").read_bytes() == b"bytes"
    assert names_in(root / "assets") == ["key.jpeg"]
    assert store.local_path(REF) == root / "assets" / "key.jpeg"


@pytest.fixture
def narrow_umask() -> Iterator[None]:
    """Run as the daemon does."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("narrow_umask")
@pytest.mark.parametrize(
    ("above", "bucket", "key"),
    [(0o700, 0o700, 0o600), (0o755, 0o755, 0o644), (0o2770, 0o2770, 0o660), (0o1777, 0o1777, 0o666)],
)
def test_buckets_and_objects_are_as_open_as_the_directory_above(
    store: DirectoryObjectStore, root: Path, source: Path, elsewhere: Path, above: int, bucket: int, key: int
) -> None:
    root.chmod(above)
    elsewhere.write_bytes(b"bytes")
    store.put(REF, source, "image/jpeg")
    store.put(ObjectRef("assets", "copied"), elsewhere, "image/jpeg")
    assert mode_of(root / "assets") == bucket
    assert [mode_of(root / "assets" / name) for name in ("key.jpeg", "copied")] == [key, key]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to any group")
def test_objects_have_the_group_that_their_bucket_hands_on(
    store: DirectoryObjectStore, root: Path, source: Path
) -> None:
    os.chown(root, -1, 4711)
    root.chmod(0o2770)
    store.put(REF, source, "image/jpeg")
    assert [(root / path).stat().st_gid for path in ("assets", "assets/key.jpeg")] == [4711, 4711]


def test_a_bucket_that_is_there_keeps_its_mode(store: DirectoryObjectStore, root: Path, source: Path) -> None:
    (root / "assets").mkdir(0o700)
    root.chmod(0o755)
    store.put(REF, source, "image/jpeg")
    assert (mode_of(root / "assets"), mode_of(root / "assets" / "key.jpeg")) == (0o700, 0o600)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/etc/passwd", "a\0b", ".hidden", "x/../../y"])
def test_names_that_lead_elsewhere_are_refused(
    store: DirectoryObjectStore, root: Path, source: Path, name: str
) -> None:
    (root / "assets").mkdir()
    before = sorted(root.parent.rglob("*"))
    assert refusals(store, ObjectRef("assets", name), source) == [StoreRefused] * 5
    assert refusals(store, ObjectRef(name, "key"), source) == [StoreRefused] * 5
    with pytest.raises(StoreRefused):
        store.check(name)
    assert sorted(root.parent.rglob("*")) == before


def test_a_name_too_long_for_the_disk_is_refused(store: DirectoryObjectStore, source: Path) -> None:
    with pytest.raises(StoreRefused):
        store.put(ObjectRef("assets", "k" * 256), source, "image/jpeg")


def test_a_bucket_that_is_a_symlink_is_refused(
    store: DirectoryObjectStore, root: Path, tmp_path: Path, source: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key.jpeg").write_bytes(b"theirs")
    (root / "assets").symlink_to(tmp_path / "outside")
    assert refusals(store, REF, source) == [StoreRefused] * 5
    assert (tmp_path / "outside" / "key.jpeg").read_bytes() == b"theirs"


def test_an_object_that_is_a_symlink_or_a_fifo_is_not_read(store: DirectoryObjectStore, root: Path) -> None:
    (root / "assets").mkdir()
    (root / "assets" / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "assets" / "fifo")
    (root / "assets" / "directory").mkdir()
    for name in ("link", "fifo", "directory"):
        with pytest.raises(StoreRefused):
            store.fetch(ObjectRef("assets", name), BytesIO())
        with pytest.raises(StoreRefused):
            store.local_path(ObjectRef("assets", name))


def test_a_missing_object_has_no_local_path(store: DirectoryObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.local_path(REF)


def test_a_disk_that_is_not_mounted_is_unreachable_not_empty(tmp_path: Path, source: Path) -> None:
    """Were it empty, the reaper would forget the objects that it could not delete."""
    store = DirectoryObjectStore(tmp_path / "not-mounted")
    assert refusals(store, REF, source) == [StoreUnreachable] * 5
    with pytest.raises(StoreUnreachable):
        store.check("assets")
    with pytest.raises(StoreUnreachable):
        store.free_space()
    assert not (tmp_path / "not-mounted").exists()


def test_a_source_on_the_same_file_system_becomes_the_object(
    store: DirectoryObjectStore, root: Path, source: Path
) -> None:
    os.utime(source, (0, 0))
    began = time.time()
    store.put(REF, source, "image/jpeg")
    store.put(REF, source, "image/jpeg")
    found = store.find_object(REF)
    assert (root / "assets" / "key.jpeg").samefile(source)
    assert names_in(root / "assets") == ["key.jpeg"]
    assert found is not None
    assert found.modified.timestamp() > began - 1


def test_a_source_that_cannot_be_forced_to_disk_becomes_no_object(
    store: DirectoryObjectStore, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.put(ObjectRef("assets", "before"), source, "image/jpeg")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        for key in ("before", "key.jpeg"):
            with pytest.raises(StoreFull):
                store.put(ObjectRef("assets", key), source, "image/jpeg")
    assert names_in(root / "assets") == ["before"]
    assert source.read_bytes() == b"bytes"


def test_another_file_in_its_place_is_replaced(store: DirectoryObjectStore, root: Path, source: Path) -> None:
    (root / "assets").mkdir()
    (root / "assets" / "key.jpeg").write_bytes(b"of a put before")
    store.put(REF, source, "image/jpeg")
    assert (root / "assets" / "key.jpeg").read_bytes() == b"bytes"
    assert source.stat().st_nlink == 1


def test_a_put_that_runs_into_a_limit_leaves_nothing(root: Path, elsewhere: Path) -> None:
    elsewhere.write_bytes(b"x" * (3 << 20))
    script = """
import resource, sys
from pathlib import Path
from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.domain.errors import StoreFull
from konifer_fs.domain.variant import ObjectRef
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    DirectoryObjectStore(Path(sys.argv[1])).put(ObjectRef("assets", "key"), Path(sys.argv[2]), "image/jpeg")
except StoreFull:
    print("full")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(root), str(elsewhere)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "full\n"
    assert names_in(root / "assets") == []


def test_a_source_shorter_than_it_says_leaves_nothing(store: DirectoryObjectStore, root: Path) -> None:
    short = Path("/sys/devices/system/cpu/online")
    if not short.exists():
        pytest.skip("no sysfs here, whose files are shorter than their size")
    with pytest.raises(ContentUnreadable):
        store.put(REF, short, "image/jpeg")
    assert names_in(root / "assets") == []


def test_a_source_on_another_file_system_is_copied(store: DirectoryObjectStore, root: Path, elsewhere: Path) -> None:
    content = os.urandom(1_000_000)
    elsewhere.write_bytes(content)
    store.put(REF, elsewhere, "image/jpeg")
    assert (root / "assets" / "key.jpeg").read_bytes() == content


def test_a_check_drops_what_crashes_left_and_nothing_else(store: DirectoryObjectStore, root: Path) -> None:
    bucket = root / "assets"
    bucket.mkdir()
    long_ago = time.time() - 2 * 24 * 60 * 60
    for name in (".konifer-fs-old", ".theirs", "key.jpeg"):
        (bucket / name).touch()
        os.utime(bucket / name, (long_ago, long_ago))
    (bucket / ".konifer-fs-being-written").touch()
    store.check("assets")
    assert names_in(bucket) == [".konifer-fs-being-written", ".theirs", "key.jpeg"]


def test_a_check_makes_the_bucket(store: DirectoryObjectStore, root: Path) -> None:
    store.check("assets")
    assert names_in(root / "assets") == []


def test_a_check_refuses_what_is_not_a_directory(store: DirectoryObjectStore, root: Path) -> None:
    (root / "assets").touch()
    with pytest.raises(StoreRefused):
        store.check("assets")


def test_no_descriptor_is_left_open(store: DirectoryObjectStore, source: Path) -> None:
    before = len(names_in(Path("/proc/self/fd")))
    for _ in range(5):
        store.put(REF, source, "image/jpeg")
        store.fetch(REF, BytesIO())
        store.check("assets")
        refusals(store, ObjectRef("assets", "../x"), source)
        refusals(store, ObjectRef("nowhere", "x"), source)
        store.delete(REF)
    assert len(names_in(Path("/proc/self/fd"))) == before
