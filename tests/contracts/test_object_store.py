"""What every object store does: one suite over all of them, S3 against two servers."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from konifer_fs.domain.errors import ContentUnreadable, ObjectMissing
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import ObjectStore, Part
from tests.contracts.conftest import Bench

MULTIPART_BYTES = 20 << 20


def fetched(store: ObjectStore, ref: ObjectRef) -> bytes:
    target = BytesIO()
    store.fetch(ref, target)
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 1, 140_000, MULTIPART_BYTES])
def test_what_is_put_comes_back(bench: Bench, size: int) -> None:
    ref, content = bench.new_ref(), os.urandom(size)
    bench.store.put(ref, bench.source(content), "image/jpeg")
    assert fetched(bench.store, ref) == content
    assert bench.store.size(ref) == size


def test_a_fetch_fills_a_real_file(bench: Bench, tmp_path: Path) -> None:
    ref, content = bench.new_ref(), os.urandom(3_000_000)
    bench.store.put(ref, bench.source(content), "image/png")
    with (tmp_path / "target").open("wb") as target:
        bench.store.fetch(ref, target)
    assert (tmp_path / "target").read_bytes() == content


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 10), (1, 2), (1 << 20, 2_500_000), (2_999_999, 3_000_000), (0, 3_000_000)]
)
def test_a_part_is_those_bytes(bench: Bench, start: int, stop: int) -> None:
    ref, content, target = bench.new_ref(), os.urandom(3_000_000), BytesIO()
    bench.store.put(ref, bench.source(content), "image/png")
    bench.store.fetch(ref, target, Part(start, stop, len(content)))
    assert target.getvalue() == content[start:stop]


@pytest.mark.parametrize("size", [4, 6, 10])
def test_a_part_of_an_object_of_another_size_is_unreadable(bench: Bench, size: int) -> None:
    ref, target = bench.new_ref(), BytesIO()
    bench.store.put(ref, bench.source(b"bytes"), "image/png")
    for start, stop in {(0, size), (0, 3), (size - 1, size)}:
        with pytest.raises(ContentUnreadable):
            bench.store.fetch(ref, target, Part(start, stop, size))
    assert target.getvalue() == b""


def test_an_object_outlives_its_source(bench: Bench) -> None:
    ref, source = bench.new_ref(), bench.source(b"the first draft")
    bench.store.put(ref, source, "image/png")
    assert source.read_bytes() == b"the first draft"
    source.unlink()
    source.write_bytes(b"and what was drawn instead")
    assert fetched(bench.store, ref) == b"the first draft"


def test_a_local_path_is_a_file_with_the_objects_bytes(bench: Bench) -> None:
    ref = bench.new_ref()
    bench.store.put(ref, bench.source(b"bytes"), "image/gif")
    path = bench.store.local_path(ref)
    assert path is None or path.read_bytes() == b"bytes"


def test_an_object_that_was_never_put_is_missing(bench: Bench) -> None:
    with pytest.raises(ObjectMissing):
        bench.store.fetch(bench.new_ref(), BytesIO())
    with pytest.raises(ObjectMissing):
        bench.store.size(bench.new_ref())


def test_a_deleted_object_is_missing(bench: Bench) -> None:
    ref = bench.new_ref()
    bench.store.put(ref, bench.source(b"bytes"), "image/gif")
    bench.store.delete(ref)
    with pytest.raises(ObjectMissing):
        bench.store.fetch(ref, BytesIO())


def test_deleting_what_is_not_there_is_no_error(bench: Bench) -> None:
    ref = bench.new_ref()
    bench.store.put(ref, bench.source(b"bytes"), "image/gif")
    bench.store.delete(ref)
    bench.store.delete(ref)
    bench.store.delete(bench.new_ref())


def test_a_put_of_unknown_outcome_can_be_repeated(bench: Bench) -> None:
    ref, source = bench.new_ref(), bench.source(b"bytes")
    bench.store.put(ref, source, "image/gif")
    bench.store.put(ref, source, "image/gif")
    assert fetched(bench.store, ref) == b"bytes"


def test_buckets_are_told_apart(bench: Bench) -> None:
    here = bench.new_ref()
    there = ObjectRef(bench.other_bucket, here.key)
    bench.store.put(here, bench.source(b"here"), "image/gif")
    bench.store.put(there, bench.source(b"there"), "image/gif")
    bench.store.delete(here)
    assert fetched(bench.store, there) == b"there"


@pytest.mark.parametrize("key", ["a b&c=%41+~.jpeg", "gr\u00fc\u00dfe \u65e5\u672c.avif", "k" * 255, "no-extension"])
def test_keys_are_opaque(bench: Bench, key: str) -> None:
    ref = ObjectRef(bench.bucket, key)
    bench.store.put(ref, bench.source(key.encode()), "image/gif")
    assert fetched(bench.store, ref) == key.encode()


def test_eight_threads_put_and_get_at_once(bench: Bench) -> None:
    def round_trip(number: int) -> bool:
        ref, content = bench.new_ref(), os.urandom(100_000 + number)
        bench.store.put(ref, bench.source(content), "image/jpeg")
        return fetched(bench.store, ref) == content and bench.store.size(ref) == len(content)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(round_trip, range(64)))


def test_four_large_objects_go_at_once(bench: Bench) -> None:
    def round_trip(_: int) -> bool:
        ref, content = bench.new_ref(), os.urandom(MULTIPART_BYTES)
        bench.store.put(ref, bench.source(content), "image/jpeg")
        return fetched(bench.store, ref) == content

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(round_trip, range(4)))


def test_nobody_sees_a_part(bench: Bench) -> None:
    ref, source = bench.new_ref(), bench.source(os.urandom(MULTIPART_BYTES))
    seen: set[int | None] = {seen_size(bench.store, ref)}
    with ThreadPoolExecutor(1) as threads:
        upload = threads.submit(bench.store.put, ref, source, "image/jpeg")
        while not upload.done():
            seen.add(seen_size(bench.store, ref))
        upload.result()
    assert seen | {seen_size(bench.store, ref)} == {None, MULTIPART_BYTES}


def seen_size(store: ObjectStore, ref: ObjectRef) -> int | None:
    try:
        return store.size(ref)
    except ObjectMissing:
        return None


def test_a_source_that_is_not_there_stores_nothing(bench: Bench) -> None:
    ref = bench.new_ref()
    with pytest.raises(ContentUnreadable):
        bench.store.put(ref, bench.directory / "nothing", "image/jpeg")
    with pytest.raises(ObjectMissing):
        bench.store.size(ref)


class FullTarget:
    """A file on a disk that is full."""

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def writelines(self, _: object) -> None:
        self.write(b"")


def test_a_target_that_fails_says_so_itself(bench: Bench) -> None:
    ref = bench.new_ref()
    bench.store.put(ref, bench.source(b"bytes"), "image/gif")
    with pytest.raises(OSError, match="No space left"):
        bench.store.fetch(ref, cast("BinaryIO", FullTarget()))
    assert fetched(bench.store, ref) == b"bytes"


def test_a_check_passes_and_leaves_the_bucket_usable(bench: Bench) -> None:
    bench.store.check(bench.bucket)
    ref = bench.new_ref()
    bench.store.put(ref, bench.source(b"bytes"), "image/gif")
    bench.store.check(bench.bucket)
    assert fetched(bench.store, ref) == b"bytes"


def test_free_space_is_within_the_total_where_it_is_known(bench: Bench) -> None:
    space = bench.store.free_space()
    assert space is None or 0 < space.available <= space.free <= space.total


def test_a_store_can_be_closed_twice(own_bench: Bench) -> None:
    own_bench.store.put(own_bench.new_ref(), own_bench.source(b"bytes"), "image/gif")
    own_bench.store.close()
    own_bench.store.close()
