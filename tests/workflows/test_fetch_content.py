"""Contents that are open: what is known of them while another thread still puts them away."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.spool import Spool
from konifer_fs.spool.cache import Cache
from konifer_fs.workflows.fetch_content import Contents

REF = ObjectRef("bucket", "key")
CONTENT = b"some bytes"
SECONDS = 20


def make_objects(tmp_path: Path) -> MemoryObjectStore:
    objects = MemoryObjectStore(1000)
    (tmp_path / "source").write_bytes(CONTENT)
    objects.put(REF, tmp_path / "source", "image/png")
    return objects


def test_reads_that_fail_for_want_of_a_descriptor_are_charged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Spool) -> NoReturn:
        raise OSError(errno.EMFILE, "too many open files")

    spool = Spool(tmp_path / "spool", owner="x", max_bytes=2 * len(CONTENT), local_max_bytes=0)
    contents = Contents(make_objects(tmp_path), spool)
    opened = contents.acquire(REF, len(CONTENT))
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "scratch", refuse)
        for _ in range(3):
            with pytest.raises(OSError, match="too many"):
                contents.pread(opened, 4, 0)
    assert contents.pread(opened, 4, 0) == CONTENT[:4]
    contents.release(opened)
    assert spool.drafts.used == 0
    contents.close()
    spool.close()


def test_what_is_here_has_its_size_before_it_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, content = make_objects(tmp_path), CONTENT
    spool = Spool(tmp_path / "spool", owner="x", max_bytes=1000, local_max_bytes=0)
    contents = Contents(objects, spool, Cache(tmp_path / "cache", max_bytes=1 << 20, min_free_bytes=0))
    may_end, keep = threading.Event(), Cache._keep

    def keep_late(*arguments: object) -> None:
        may_end.wait(SECONDS)
        keep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Cache, "_keep", keep_late)
    opened = contents.acquire(REF, len(content))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(contents.fetch, opened)
        try:
            while opened.arrival is None or not opened.arrival.has(1, 0):
                assert not first.done()
            file = contents.fetch(opened)
            assert (opened.size, file.read()) == (len(content), content)
            assert contents.pread(opened, 4, 5) == b"byte"
        finally:
            may_end.set()
        first.result(SECONDS)
    contents.release(opened)
    contents.close()
    spool.close()
    assert [path.read_bytes() for path in (tmp_path / "cache").glob("[!.]*")] == [content]
