"""The cache of contents: what it keeps, how much of it, and that it never gives other bytes."""

import fcntl
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.spool import cache as spool_cache
from konifer_fs.spool.cache import Arriving, Cache, digest_of

BLOCK: Final = 4096
CAP: Final = 100 * BLOCK


def ref(name: str) -> ObjectRef:
    return ObjectRef("bucket", name)


def open_cache(directory: Path, *, max_bytes: int = CAP, min_free_bytes: int = 0) -> Cache:
    return Cache(directory / "cache", max_bytes=max_bytes, min_free_bytes=min_free_bytes)


def blocks(count: int) -> bytes:
    """Give what takes so many blocks of a disk, one of which is for the checksum."""
    return bytes((count - 1) * BLOCK)


def begin(cache: Cache, name: str, count: int) -> Arriving:
    arriving = cache.begin(ref(name), len(blocks(count)))
    assert arriving is not None
    return arriving


def keep(cache: Cache, name: str, content: bytes) -> bool:
    arriving = cache.begin(ref(name), len(content))
    if arriving is None:
        return False
    with arriving.file as file:
        file.write(content)
        arriving.keep(digest_of(arriving.file))
    return True


def find(cache: Cache, name: str, size: int | None = None) -> bytes | None:
    file = cache.find(ref(name), size)
    if file is None:
        return None
    with file:
        return file.read()


def keep_part(cache: Cache) -> None:
    arriving = cache.begin(ref("a"), 10)
    assert arriving is not None
    with arriving.file as file:
        file.write(b"part")
    arriving.give_up()


def kept_files(cache: Cache) -> list[Path]:
    return sorted(path for path in cache.directory.iterdir() if path.name != ".bytes")


def disk_bytes(cache: Cache) -> int:
    return sum(path.stat().st_blocks * 512 for path in kept_files(cache))


def test_what_is_kept_is_found_by_another_process(tmp_path: Path) -> None:
    assert keep(open_cache(tmp_path), "a", b"content")
    cache = open_cache(tmp_path)
    assert cache.used == 2 * BLOCK
    assert find(cache, "a", 7) == find(cache, "a") == b"content"
    assert find(cache, "b") is None
    assert cache.find(ObjectRef("other", "a"), None) is None


@pytest.mark.semantics("Kept bytes are compared with their checksum")
def test_other_bytes_are_never_given(tmp_path: Path) -> None:
    for damage in (b"damaged", b"more than it was", b""):
        assert keep(open_cache(tmp_path), "a", b"content")
        (file,) = kept_files(open_cache(tmp_path))
        file.write_bytes(damage)
        cache = open_cache(tmp_path)
        assert find(cache, "a", 7) is None
        assert kept_files(cache) == []
        assert cache.used == 0


def test_what_has_no_checksum_is_not_trusted(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "a", b"content")
    os.removexattr(kept_files(cache)[0], "user.konifer.sha256")
    assert find(open_cache(tmp_path), "a") is None


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    for age, name in enumerate("abcd"):
        assert keep(cache, name, blocks(25))
        os.utime(cache._path(ref(name)), (1000 + age, 1000 + age))
    assert find(cache, "a") is not None
    assert keep(cache, "e", blocks(30))
    assert [name for name in "abcde" if find(cache, name) is not None] == ["a", "d", "e"]
    assert disk_bytes(cache) <= cache.used == 80 * BLOCK


def test_what_has_no_room_is_not_kept(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "a", blocks(50))
    assert not keep(cache, "large", blocks(101))
    assert find(cache, "a") is not None
    full = open_cache(tmp_path, min_free_bytes=1 << 60)
    assert not keep(full, "b", b"x")
    assert kept_files(full) == []


def test_small_files_count_as_what_they_take(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    for number in range(200):
        assert keep(cache, str(number), b"x")
        assert disk_bytes(cache) <= CAP


def test_what_arrives_at_once_keeps_to_the_cap(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "kept", blocks(40))
    first = begin(cache, "a", 60)
    assert cache.begin(ref("b"), len(blocks(50))) is None
    assert find(cache, "kept") is not None
    second = begin(cache, "c", 40)
    assert find(cache, "kept") is None
    for each in (first, second):
        with each.file:
            each.keep(digest_of(each.file))
    assert disk_bytes(cache) <= cache.used == CAP


def test_what_is_given_up_makes_room_once(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    arriving = begin(cache, "a", 60)
    assert cache.begin(ref("b"), len(blocks(50))) is None
    with arriving.file:
        arriving.give_up()
        arriving.give_up()
    assert (cache.used, kept_files(cache)) == (0, [])


def test_what_arrives_has_its_disk_from_the_first(tmp_path: Path) -> None:
    """So what stays free of the disk is free of it, too."""
    cache = open_cache(tmp_path)
    arriving = begin(cache, "a", 60)
    with arriving.file:
        assert disk_bytes(cache) >= 59 * BLOCK
        arriving.give_up()


def test_what_is_kept_twice_counts_once(tmp_path: Path) -> None:
    caches = open_cache(tmp_path), open_cache(tmp_path)
    for arriving in [begin(cache, "a", 30) for cache in caches]:
        with arriving.file:
            arriving.keep(digest_of(arriving.file))
    assert disk_bytes(caches[0]) <= caches[0].used == caches[1].used == 30 * BLOCK


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    left, living = begin(cache, "a", 30), begin(cache, "b", 30)
    left.file.close()
    assert open_cache(tmp_path).used == cache.used == 30 * BLOCK
    with living.file:
        living.keep(digest_of(living.file))
    assert find(cache, "b") is not None


def test_two_processes_keep_to_one_cap(tmp_path: Path) -> None:
    caches = open_cache(tmp_path), open_cache(tmp_path)
    for number in range(12):
        assert keep(caches[number % 2], str(number), blocks(20))
        assert disk_bytes(caches[0]) <= CAP


class _TwoProcesses(RuleBasedStateMachine):
    """Two of them use one cache, and may be killed while something arrives."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        self._caches = [open_cache(Path(self._directory.name)) for _ in range(2)]
        self._arriving: list[Arriving] = []

    def teardown(self) -> None:
        for arriving in self._arriving:
            arriving.file.close()
        self._directory.cleanup()

    @rule(process=st.integers(0, 1), name=st.sampled_from("abcdef"), size=st.integers(0, 60 * BLOCK))
    def begin(self, process: int, name: str, size: int) -> None:
        if arriving := self._caches[process].begin(ref(name), size):
            self._arriving.append(arriving)

    @precondition(lambda self: self._arriving)
    @rule(end=st.sampled_from(["keep", "give_up", "die"]), data=st.data())
    def end(self, end: str, data: st.DataObject) -> None:
        arriving = self._arriving.pop(data.draw(st.integers(0, len(self._arriving) - 1)))
        with arriving.file:
            if end == "keep":
                arriving.keep(digest_of(arriving.file))
            elif end == "give_up":
                arriving.give_up()

    @rule(process=st.integers(0, 1), name=st.sampled_from("abcdef"))
    def find(self, process: int, name: str) -> None:
        find(self._caches[process], name)

    @rule(process=st.integers(0, 1), name=st.sampled_from("abcdef"))
    def drop(self, process: int, name: str) -> None:
        self._caches[process].drop(ref(name))

    @invariant()
    def keeps_to_the_cap(self) -> None:
        assert disk_bytes(self._caches[0]) <= self._caches[0].used == self._caches[1].used <= CAP


def test_whatever_happens_the_cap_holds() -> None:
    run_state_machine_as_test(_TwoProcesses, settings=settings(max_examples=50, deadline=None, derandomize=True))


def test_checksums_are_remembered_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_cache, "_MOST_VERIFIED", 3)
    cache = open_cache(tmp_path)
    for number in range(10):
        assert keep(cache, str(number), b"x")
        assert find(cache, str(number)) == b"x"
        assert len(cache._verified) <= 3


@pytest.mark.semantics("Kept bytes are compared with their checksum")
def test_what_another_process_fetched_again_is_compared(tmp_path: Path) -> None:
    cache, other = open_cache(tmp_path), open_cache(tmp_path)
    assert keep(cache, "a", b"content")
    assert find(cache, "a") == b"content"
    other.drop(ref("a"))
    assert keep(other, "a", b"content")
    (file,) = kept_files(cache)
    file.write_bytes(b"damaged")
    assert find(cache, "a") is None


def test_a_directory_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "a", blocks(30))
    arriving = begin(cache, "b", 30)
    shutil.rmtree(cache.directory)
    assert keep(cache, "c", blocks(10))
    assert cache.directory.stat().st_mode & 0o777 == 0o700
    with arriving.file, pytest.raises(FileNotFoundError):
        arriving.keep(digest_of(arriving.file))
    arriving.give_up()
    assert (find(cache, "a"), find(cache, "c")) == (None, blocks(10))
    assert cache.used == 10 * BLOCK


def test_a_count_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "a", blocks(30))
    (cache.directory / ".bytes").unlink()
    assert keep(cache, "b", blocks(10))
    assert cache.used == 40 * BLOCK


def test_a_process_that_stands_still_holds_nobody_up_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_cache, "PATIENCE", 0.1)
    cache = open_cache(tmp_path)
    assert keep(cache, "a", b"content")
    with (cache.directory / ".bytes").open("rb") as standing:
        fcntl.flock(standing, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError):
            cache.begin(ref("b"), 1)
        assert cache.drop(ref("a")) == 0
        assert find(cache, "a") == b"content"
    assert keep(cache, "b", b"x")


def test_what_fails_to_arrive_leaves_nothing(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    keep_part(cache)
    assert (cache.used, kept_files(cache), find(cache, "a")) == (0, [], None)


def test_what_is_dropped_is_read_to_its_end(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "a", b"content")
    file = cache.find(ref("a"), 7)
    assert file is not None
    with file:
        assert cache.drop(ref("a")) == 7
        assert cache.drop(ref("a")) == 0
        assert file.read() == b"content"
    assert cache.used == 0


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(StoreRefused, match=r"the cache .* cannot be used"):
        open_cache(tmp_path)
