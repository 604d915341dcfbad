"""The cache of contents: what it keeps, how much of it, and that it never gives other bytes."""

import os
from pathlib import Path

import pytest

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.spool.cache import Cache


def ref(name: str) -> ObjectRef:
    return ObjectRef("bucket", name)


def open_cache(directory: Path, *, max_bytes: int = 100, min_free_bytes: int = 0) -> Cache:
    return Cache(directory / "cache", max_bytes=max_bytes, min_free_bytes=min_free_bytes)


def keep(cache: Cache, name: str, content: bytes) -> bool:
    arriving = cache.begin(ref(name), len(content))
    if arriving is None:
        return False
    with arriving.file as file:
        file.write(content)
        arriving.keep()
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
    return sorted(cache.directory.iterdir())


def test_what_is_kept_is_found_by_another_process(tmp_path: Path) -> None:
    assert keep(open_cache(tmp_path), "a", b"content")
    cache = open_cache(tmp_path)
    assert cache.used == 7
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
        assert keep(cache, name, bytes(25))
        os.utime(cache._path(ref(name)), (1000 + age, 1000 + age))
    assert find(cache, "a") is not None
    assert keep(cache, "e", bytes(30))
    assert [name for name in "abcde" if find(cache, name) is not None] == ["a", "d", "e"]
    assert cache.used == sum(path.stat().st_size for path in kept_files(cache)) == 80


def test_what_has_no_room_is_not_kept(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    assert keep(cache, "a", bytes(50))
    assert not keep(cache, "large", bytes(101))
    assert find(cache, "a") is not None
    full = open_cache(tmp_path, min_free_bytes=1 << 60)
    assert not keep(full, "b", b"x")
    assert kept_files(full) == []


def test_two_processes_keep_to_one_cap(tmp_path: Path) -> None:
    caches = open_cache(tmp_path), open_cache(tmp_path)
    for number in range(12):
        assert keep(caches[number % 2], str(number), bytes(20))
        assert sum(path.stat().st_size for path in kept_files(caches[0])) <= 200
    assert keep(caches[0], "last", bytes(20))
    assert sum(path.stat().st_size for path in kept_files(caches[0])) <= 100


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
