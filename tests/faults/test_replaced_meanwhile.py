"""A file that is replaced elsewhere while somebody here reads its end from a store that takes its time."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.faults.proxy import Proxy, proxying
from tests.mount.elsewhere import wait_until
from tests.mount.mounting import MountFactory
from tests.pictures import make_picture
from tests.servers import S3Server

# Much longer than the kernel takes to be told.
_LONG = 1.0
_END = 10


@pytest.fixture
def network(s3_server: dict[str, S3Server]) -> Iterator[tuple[Proxy, str]]:
    """What lies before rclone's server, and the address to use then; set up first, it is there as long as a mount."""
    port = urlsplit(s3_server["rclone"].endpoint_url).port or 0
    listener = socket.create_server(("127.0.0.1", 0))
    with proxying(listener, lambda: socket.create_connection(("127.0.0.1", port))) as proxy:
        yield proxy, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.semantics("A file that was replaced elsewhere is opened as what it is now")
def test_a_reader_gets_what_the_file_was_and_no_more(network: tuple[Proxy, str], mounted: MountFactory) -> None:
    """The kernel lengthens what it gives a reader by zeros when it hears of another size just then."""
    proxy, url = network
    contents = [make_picture(ImageFormat.PNG, (1400, 1400 + 10 * more), seed=more) for more in range(3)]
    here = mounted("rclone", config=f'object-store.s3.endpoint-url = "{url}"').path / "file"
    there = mounted("rclone").path / "file"
    there.write_bytes(contents[0])
    wait_until(here.exists)
    with closing(here.open("rb", buffering=0)) as old, ThreadPoolExecutor(1) as pool:
        assert old.read(_END) == contents[0][:_END]
        there.write_bytes(contents[1])
        wait_until(lambda: here.stat().st_size == len(contents[1]))
        proxy.is_silent.set()
        reading = pool.submit(os.pread, old.fileno(), 1 << 20, len(contents[0]) - _END)
        there.write_bytes(contents[2])
        time.sleep(_LONG)
        assert not reading.done()
        proxy.heal()
        assert reading.result(30) == contents[0][-_END:]
    assert here.read_bytes() == contents[2]
