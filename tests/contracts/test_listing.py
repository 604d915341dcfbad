"""What every object store tells of its objects without opening them: one suite over all of them."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest

from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.domain.errors import StoreRefused, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import StoredObject
from tests.contracts.conftest import Bench
from tests.servers import S3Server

KEYS = [
    "B.jpeg",
    "a",
    "a b&c=%41+~.jpeg",
    "a-b",
    "a.b",
    "a0",
    "ab",
    "gr\u00fc\u00dfe \u65e5\u672c.avif",
    "z.png",
    "\U0001f600",
]


def listed(bench: Bench) -> list[StoredObject]:
    return list(chain.from_iterable(bench.store.list_objects(bench.bucket)))


def test_objects_are_listed_by_the_bytes_of_their_keys(own_bench: Bench) -> None:
    for key in reversed(KEYS):
        own_bench.store.put(ObjectRef(own_bench.bucket, key), own_bench.source(key.encode()), "image/jpeg")
    own_bench.store.put(ObjectRef(own_bench.other_bucket, "elsewhere"), own_bench.source(b""), "image/jpeg")
    found = listed(own_bench)
    assert [it.key for it in found] == sorted(KEYS, key=str.encode)
    assert [it.size for it in found] == [len(it.key.encode()) for it in found]
    now = datetime.now(UTC)
    assert all(abs(now - it.modified) < timedelta(minutes=5) for it in found)


@pytest.mark.parametrize("after", ["", "A", "a", "ab", "h", "z.png", "\U0001f600"])
def test_a_listing_begins_after_a_key(own_bench: Bench, after: str) -> None:
    for key in KEYS:
        own_bench.store.put(ObjectRef(own_bench.bucket, key), own_bench.source(b"bytes"), "image/jpeg")
    found = [it.key for it in chain.from_iterable(own_bench.store.list_objects(own_bench.bucket, after))]
    assert found == sorted((key for key in KEYS if key > after), key=str.encode)


def test_sizes_of_many_are_told_at_once(own_bench: Bench) -> None:
    refs = [ObjectRef(own_bench.bucket, key) for key in KEYS]
    for number, ref in enumerate(refs):
        own_bench.store.put(ref, own_bench.source(bytes(number)), "image/jpeg")
    missing = ObjectRef(own_bench.bucket, "missing")
    sizes = {ref: number for number, ref in enumerate(refs)}
    assert own_bench.store.sizes([missing, *refs]) == sizes
    assert own_bench.store.sizes([]) == {}


def test_a_bucket_without_objects_lists_none(own_bench: Bench) -> None:
    assert listed(own_bench) == []


def test_a_listing_comes_in_pages_of_a_thousand(own_bench: Bench) -> None:
    source = own_bench.source(b"bytes")
    refs = [ObjectRef(own_bench.bucket, f"{number:04}") for number in range(1003)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda ref: own_bench.store.put(ref, source, "image/gif"), refs))
    pages = list(own_bench.store.list_objects(own_bench.bucket))
    assert [len(page) for page in pages] == [1000, 3]
    assert [it.key for it in chain.from_iterable(pages)] == [ref.key for ref in refs]


def test_an_object_is_told_of_as_the_listing_tells(own_bench: Bench) -> None:
    ref = own_bench.new_ref()
    own_bench.store.put(ref, own_bench.source(b"bytes"), "image/gif")
    found = own_bench.store.find_object(ref)
    assert found is not None
    assert (found.key, found.size) == (ref.key, 5)
    assert abs(found.modified - listed(own_bench)[0].modified) < timedelta(seconds=2)
    own_bench.store.delete(ref)
    assert own_bench.store.find_object(ref) is None
    assert listed(own_bench) == []


def test_a_put_that_is_repeated_makes_the_object_young_again(tmp_path: Path) -> None:
    store = DirectoryObjectStore(tmp_path)
    ref, source = ObjectRef("assets", "key.png"), tmp_path / "source"
    source.write_bytes(b"bytes")
    store.put(ref, source, "image/png")
    os.utime(tmp_path / "assets" / "key.png", (0, 0))
    (old,) = chain.from_iterable(store.list_objects("assets"))
    assert old.modified == datetime.fromtimestamp(0, UTC)
    store.put(ref, source, "image/png")
    young = store.find_object(ref)
    assert young is not None
    assert young.modified > datetime.now(UTC) - timedelta(minutes=5)


def test_what_is_no_object_is_not_listed(tmp_path: Path) -> None:
    bucket = tmp_path / "assets"
    (bucket / "directory").mkdir(parents=True)
    (bucket / ".konifer-fs-half").touch()
    (bucket / "link").symlink_to("object")
    (bucket / "object").touch()
    Path(os.fsdecode(os.fsencode(bucket) + b"/\xff")).touch()
    store = DirectoryObjectStore(tmp_path)
    assert [it.key for page in store.list_objects("assets") for it in page] == ["object"]
    for key in ("directory", ".konifer-fs-half", "link", "a/b", ""):
        assert store.find_object(ObjectRef("assets", key)) is None


def test_a_directory_that_no_put_has_made_yet_lists_nothing(tmp_path: Path) -> None:
    assert list(DirectoryObjectStore(tmp_path).list_objects("assets")) == []
    assert DirectoryObjectStore(tmp_path).find_object(ObjectRef("assets", "key")) is None
    with pytest.raises(StoreUnreachable):
        list(DirectoryObjectStore(tmp_path / "nothing").list_objects("assets"))


def test_a_bucket_that_is_not_there_is_refused(server: S3Server) -> None:
    store = server.make_store()
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        list(store.list_objects("no-such-bucket"))
    store.close()
