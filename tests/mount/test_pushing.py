"""What is known is answered from memory, until somebody else changes it: then it is asked for again at once."""

import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from tests.mount.elsewhere import PICTURE, add_entry, database, names, query, remove_entry, wait_until
from tests.mount.mounting import Mount, MountFactory

KNOWN = pytest.mark.semantics("While changes are told, what is known is not asked for again")
KEPT = pytest.mark.semantics("A directory that was listed whole is listed again from memory")
ELSEWHERE = pytest.mark.semantics("A change made elsewhere, by another mount or by SQL, is told")
# Longer than what is untold is believed.
A_WHILE = 1.3


def count_asked(mount: Mount) -> int:
    """Count the look-ups and readings of attributes that the kernel has asked for."""
    report = (mount.path / "-" / "stats").read_text()
    found = re.findall(r'operations_total\{errno="\w+",operation="(?:lookup|getattr)"\} (\d+)', report)
    return sum(map(int, found))


def asked_by(mount: Mount, act: Callable[[], object]) -> int:
    """Count what the kernel asks for while something is done, but for the count itself."""
    first = count_asked(mount)
    itself = count_asked(mount) - first
    before = count_asked(mount)
    act()
    return count_asked(mount) - before - itself


def stat_all(root: Path) -> None:
    for path in (root, root / "directory", *(root / "directory" / str(n) for n in range(20)), root / "link"):
        path.lstat()


@KNOWN
def test_what_was_read_once_is_not_asked_for_again(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "directory").mkdir()
    for number in range(20):
        (mount.path / "directory" / str(number)).write_bytes(PICTURE)
    (mount.path / "link").symlink_to("directory")
    stat_all(mount.path)
    time.sleep(A_WHILE)
    assert asked_by(mount, lambda: stat_all(mount.path)) <= 1  # The root's times, at most.
    assert not (mount.path / "absent").exists()
    time.sleep(A_WHILE)
    assert asked_by(mount, (mount.path / "absent").exists) <= 1


@KNOWN
def test_what_a_listing_told_is_not_asked_for_again(mounted: MountFactory) -> None:
    mount = mounted()
    add_entry(mount, "root.a.b")
    add_entry(mount, "root.a.b")
    wait_until(lambda: names(mount.path) == ["a"])
    time.sleep(A_WHILE)  # What is told of these is not told of the listing.
    for path in (mount.path, mount.path / "a", mount.path / "a" / "b"):
        assert names(path)
    time.sleep(A_WHILE)
    paths = [mount.path / "a" / "b" / name for name in ("0.jpeg", "1.jpeg")]
    assert asked_by(mount, lambda: [path.stat() for path in paths]) <= 1


def test_own_changes_are_seen_at_once_however_long_others_are_believed(mounted: MountFactory) -> None:
    mount = mounted()
    file, directory = mount.path / "file", mount.path / "directory"
    directory.mkdir()
    file.write_bytes(PICTURE)
    for _ in range(3):
        before = file.stat().st_ctime_ns, directory.stat().st_mtime_ns
        os.setxattr(file, "user.a", os.urandom(4).hex().encode())
        (directory / "new").write_bytes(PICTURE)
        (directory / "new").unlink()
        now = file.stat().st_ctime_ns, directory.stat().st_mtime_ns
        assert now[0] > before[0]
        assert now[1] > before[1]
    file.rename(directory / "moved")
    assert os.getxattr(directory / "moved", "user.konifer.path") == b"/directory"
    directory.rename(mount.path / "renamed")
    wait_until(lambda: os.getxattr(mount.path / "renamed" / "moved", "user.konifer.path") == b"/renamed")


@ELSEWHERE
@pytest.mark.parametrize("seconds", [0.0, A_WHILE])
def test_what_was_believed_is_asked_for_again(mounted: MountFactory, seconds: float) -> None:
    here, there = mounted(), mounted()
    file, seen = here.path / "directory" / "file", there.path / "directory" / "file"
    assert not seen.parent.exists()
    file.parent.mkdir()
    wait_until(seen.parent.is_dir)
    steps: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: file.write_bytes(PICTURE), lambda: seen.exists() and seen.read_bytes() == PICTURE),
        (lambda: file.chmod(0o600), lambda: seen.stat().st_mode & 0o777 == 0o600),
        (lambda: os.utime(file, ns=(5, 5)), lambda: seen.stat().st_mtime_ns == 5),
        (lambda: file.write_bytes(PICTURE + b"more"), lambda: seen.stat().st_size == len(PICTURE) + 4),
        (lambda: file.rename(file.with_name("other")), lambda: not seen.exists()),
        (lambda: file.symlink_to("other"), lambda: seen.is_symlink() and seen.read_bytes() == PICTURE + b"more"),
        (file.unlink, lambda: not seen.is_symlink()),
        (lambda: file.parent.rename(here.path / "moved"), lambda: not seen.parent.exists()),
        (lambda: None, (there.path / "moved" / "other").exists),
        ((here.path / "moved" / "other").unlink, lambda: not (there.path / "moved" / "other").exists()),
        ((here.path / "moved").rmdir, lambda: not (there.path / "moved").exists()),
    ]
    for change, shows in steps:
        change()
        wait_until(shows, 5)
        time.sleep(seconds)


@ELSEWHERE
def test_most_news_is_seen_within_a_second(mounted: MountFactory) -> None:
    """What was read just before a change is believed for an hour unless somebody tells; a busy machine may be late."""
    here, there = mounted(), mounted()
    file, seen = here.path / "file", there.path / "file"
    file.write_bytes(PICTURE)
    wait_until(seen.exists)
    took: list[float] = []

    def measure(change: Callable[[], object], shows: Callable[[], object]) -> None:
        assert not shows()
        change()
        began = time.monotonic()
        wait_until(shows)
        took.append(time.monotonic() - began)

    for number in range(5):
        name = f"{number}"
        measure(partial(file.chmod, 0o600 + number), lambda: seen.stat().st_mode & 0o777 == 0o600 + number)  # noqa: B023
        measure((here.path / name).mkdir, (there.path / name).exists)
        measure((here.path / name).rmdir, lambda: not (there.path / name).exists())  # noqa: B023
        measure(partial(add_entry, here, f"root.sql{number}"), (there.path / f"sql{number}" / "0.jpeg").exists)
    assert median(took) < 1


@ELSEWHERE
def test_what_sql_changes_is_asked_for_again(mounted: MountFactory) -> None:
    mount = mounted()
    path = mount.path / "a" / "b" / "0.jpeg"
    assert not (mount.path / "a").exists()
    row = add_entry(mount, "root.a.b")
    wait_until(path.exists, 5)
    time.sleep(A_WHILE)
    before = path.stat().st_ctime_ns
    query(mount, "UPDATE asset_tree SET alt = 'x', modified_at = now() WHERE id = %s RETURNING 1", row.asset_id)
    wait_until(lambda: path.stat().st_ctime_ns > before, 5)
    time.sleep(A_WHILE)
    remove_entry(mount, row)
    wait_until(lambda: not (mount.path / "a").exists(), 5)


@ELSEWHERE
def test_who_works_in_a_directory_goes_on_while_others_change_it(mounted: MountFactory) -> None:
    """A directory is looked up again without being taken from under those who are in it."""
    here, there = mounted(), mounted()
    (here.path / "directory").mkdir()
    wait_until((there.path / "directory").is_dir)
    descriptor = os.open(there.path / "directory", os.O_RDONLY)
    try:
        for number in range(5):
            (here.path / "directory" / str(number)).write_bytes(PICTURE)
            (here.path / "directory").chmod(0o700 + number)
            wait_until(lambda: len(os.listdir(descriptor)) == number + 1, 5)  # noqa: B023, PTH208
            assert Path(f"/proc/self/fd/{descriptor}").readlink() == there.path / "directory"
    finally:
        os.close(descriptor)


@ELSEWHERE
def test_a_call_that_waits_in_one_directory_holds_up_no_news_of_others(mounted: MountFactory) -> None:
    """The kernel takes nothing about names in a directory while it waits for us to make something there."""
    here, there = mounted(), mounted()
    for name in ("busy", "other"):
        (here.path / name).mkdir()
        (here.path / name / "file").write_bytes(PICTURE)
        wait_until((there.path / name / "file").exists)
    file, seen = (mount.path / "other" / "file" for mount in (here, there))
    with database(here) as session, ThreadPoolExecutor() as pool:
        with session.transaction():
            session.execute("SELECT FROM konifer_fs.node WHERE path = 'root.busy' FOR UPDATE")
            making = pool.submit((there.path / "busy" / "new").mkdir)
            time.sleep(0.5)
            os.setxattr(here.path / "busy" / "file", "user.a", b"text")
            time.sleep(0.5)
            file.chmod(0o600)
            file.with_name("new").mkdir()
            wait_until(lambda: seen.stat().st_mode & 0o777 == 0o600, 5)
            wait_until(seen.with_name("new").exists, 5)
            assert not making.done()
        making.result(60)
    wait_until(lambda: os.listxattr(there.path / "busy" / "file") == ["user.a"])
    assert names(there.path / "busy") == ["file", "new"]


@ELSEWHERE
def test_what_is_read_while_it_changes_is_never_believed_long(mounted: MountFactory) -> None:
    """Readers that look all the time see the last of many changes in the end."""
    here, there = mounted(), mounted()
    (here.path / "file").write_bytes(PICTURE)
    wait_until((there.path / "file").exists)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            (there.path / "file").stat()
            (there.path / "none").exists()
            names(there.path)

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for number in range(150):
            (here.path / "file").chmod(0o600 + number % 64)
        (here.path / "none").mkdir()
        wait_until(lambda: (there.path / "file").stat().st_mode & 0o777 == 0o600 + 149 % 64, 5)
        wait_until((there.path / "none").is_dir, 5)
    finally:
        done.set()
        for reader in readers:
            reader.join(60)


@KEPT
def test_a_listing_is_told_again_from_memory(mounted: MountFactory) -> None:
    mount = mounted()
    directory = mount.path / "directory"
    directory.mkdir()
    for number in range(20):
        (directory / str(number)).write_bytes(PICTURE)
    empty = mount.path / "empty"
    empty.mkdir()
    listed = names(directory)
    assert names(empty) == []
    with database(mount) as session, session.transaction():
        session.execute("LOCK TABLE konifer_fs.node")  # Who asks for a name now has to wait.
        assert names(directory) == listed
        assert names(empty) == []


@KEPT
def test_a_listing_tells_what_was_changed_since_here(mounted: MountFactory) -> None:
    mount = mounted()
    directory, below = mount.path / "directory", mount.path / "directory" / "below"
    below.mkdir(parents=True)
    file = directory / "file"
    steps: list[Callable[[], object]] = [
        lambda: file.write_bytes(PICTURE),
        lambda: file.chmod(0o640),
        lambda: os.utime(file, ns=(7, 7)),
        lambda: file.write_bytes(PICTURE + b"more"),
        lambda: os.truncate(file, 0),
        lambda: file.write_bytes(PICTURE),
        lambda: (below / "new").write_bytes(PICTURE),
        lambda: (directory / "link").symlink_to("file"),
        lambda: file.rename(directory / "other"),
        lambda: (below / "new").rename(file),
        file.unlink,
        lambda: directory.rename(mount.path / "moved"),
        lambda: (mount.path / "moved").rename(directory),
        lambda: (directory / "other").rename(below / "other"),
        (below / "other").unlink,
        below.rmdir,
    ]
    for step in steps:
        for _ in range(2):
            listing(directory)
        step()
        found = listing(directory)
        if directory.exists():
            assert found == {name: facts(directory / name) for name in names(directory)}


def listing(directory: Path) -> dict[str, tuple[int, ...]]:
    """Give what a listing with attributes tells, as `ls -l` asks for it."""
    if not directory.exists():
        return {}
    with os.scandir(directory) as entries:
        return {entry.name: facts(entry.path) for entry in entries}


def facts(path: str | Path) -> tuple[int, ...]:
    """Give the attributes of a file."""
    found = os.lstat(path)
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
