"""Contents that are open: what is known of them while another thread still puts them away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.spool import Spool
from konifer_fs.spool.cache import Cache
from konifer_fs.workflows.fetch_content import Contents

REF = ObjectRef("bucket", "key")
SECONDS = 20


def test_what_is_here_has_its_size_before_it_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, content = MemoryObjectStore(1000), b"some bytes"
    (tmp_path / "source").write_bytes(content)
    objects.put(REF, tmp_path / "source", "image/png")
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
