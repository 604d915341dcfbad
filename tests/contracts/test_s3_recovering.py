"""What a store behind S3 that was away for less than the deadline makes of calls: they wait, and succeed."""

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest

from konifer_fs.domain.errors import StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from tests.contracts.relay import BUSY, Relay, answering, relaying
from tests.servers import S3Server

MULTIPART_BYTES = 20 << 20
ENDING = re.compile(rb"POST \S+uploadId=")


@pytest.fixture
def large_source(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(MULTIPART_BYTES))
    return path


@pytest.mark.timeout(60)
@pytest.mark.semantics("An object store that is away for less than the deadline")
def test_an_upload_whose_last_answer_is_cut_off_is_done(server: S3Server, large_source: Path) -> None:
    ref, completing = ObjectRef(server.make_bucket(), "key"), []

    def note(piece: bytes) -> bytes:
        completing.extend(ENDING.findall(piece))
        return piece

    def cut_first(piece: bytes) -> bytes:
        if len(completing) == 1:
            raise ConnectionResetError
        return piece

    with (
        relaying(Relay(edit_request=note, edit_response=cut_first), server.endpoint_url) as relay,
        closing(server.make_store(through=relay.endpoint_url)) as store,
    ):
        store.put(ref, large_source, "image/jpeg")
        assert store.size(ref) == MULTIPART_BYTES
    assert len(completing) == 2


def losing(uploads: int, server: S3Server, bucket: str) -> Relay:
    """Have the server lose the first so many uploads, each before its end."""
    left = [uploads]

    def lose(piece: bytes) -> bytes:
        if left[0] > 0 and ENDING.search(piece):
            left[0] -= 1
            with server.client() as client:
                for upload in client.list_multipart_uploads(Bucket=bucket)["Uploads"]:
                    client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return piece

    return Relay(edit_request=lose)


@pytest.mark.timeout(60)
def test_an_upload_that_the_server_has_lost_begins_anew(rclone: S3Server, large_source: Path) -> None:
    ref = ObjectRef(rclone.make_bucket(), "key")
    with (
        relaying(losing(1, rclone, ref.bucket), rclone.endpoint_url) as relay,
        closing(rclone.make_store(through=relay.endpoint_url)) as store,
    ):
        store.put(ref, large_source, "image/jpeg")
        assert store.size(ref) == MULTIPART_BYTES


@pytest.mark.timeout(60)
def test_a_server_that_loses_each_upload_is_unreachable(rclone: S3Server, large_source: Path) -> None:
    ref = ObjectRef(rclone.make_bucket(), "key")
    with (
        relaying(losing(2, rclone, ref.bucket), rclone.endpoint_url) as relay,
        closing(rclone.make_store(through=relay.endpoint_url)) as store,
        pytest.raises(StoreUnreachable, match="forgets"),
    ):
        store.put(ref, large_source, "image/jpeg")
    assert rclone.list_keys(ref.bucket) == []


@pytest.mark.timeout(60)
@pytest.mark.semantics("A store that cannot be reached")
def test_a_busy_server_is_given_the_whole_deadline() -> None:
    with (
        answering(BUSY) as busy,
        closing(S3Server(name="busy", endpoint_url=busy.endpoint_url).make_store(deadline=2)) as store,
    ):
        began_at = time.monotonic()
        with pytest.raises(StoreUnreachable):
            store.size(ObjectRef("assets", "key"))
        assert time.monotonic() - began_at >= 2


@pytest.mark.timeout(60)
def test_what_answers_at_last_may_pause_for_longer_than_was_left(server: S3Server, large_source: Path) -> None:
    ref, target, pieces = ObjectRef(server.make_bucket(), "key"), BytesIO(), count(1)
    with closing(server.make_store()) as store:
        store.put(ref, large_source, "image/jpeg")

    def stall(piece: bytes) -> bytes:
        if next(pieces) == 100:
            time.sleep(1.5)
        return piece

    with (
        relaying(Relay(busy=5, edit_response=stall), server.endpoint_url) as relay,
        closing(server.make_store(through=relay.endpoint_url, deadline=2)) as store,
    ):
        store.fetch(ref, target)
    assert target.getvalue() == large_source.read_bytes()


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """The address of a server that takes no connection, and refuses none: its queue is full."""
    with ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = open_sockets.enter_context(socket.socket())
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(listener.getsockname())
        yield listener.getsockname()


def give_addresses(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.timeout(60)
@pytest.mark.semantics("A store that cannot be reached")
def test_a_name_with_several_silent_addresses_takes_no_deadline_for_each(
    deaf: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = S3Server(name="silent", endpoint_url="http://silent.example")
    with closing(server.make_store(deadline=4)) as store:
        give_addresses(monkeypatch, deaf, deaf, deaf, deaf)
        began = time.monotonic()
        with pytest.raises(StoreUnreachable, match="no connection in time"):
            store.size(ObjectRef("bucket", "key"))
        assert 3.9 < time.monotonic() - began < 8


@pytest.mark.timeout(60)
@pytest.mark.semantics("A store that cannot be reached")
def test_a_silent_address_beside_one_that_answers_takes_a_part_of_the_deadline(
    rclone: S3Server, deaf: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = ObjectRef(rclone.make_bucket(), "key")
    with closing(rclone.make_store(deadline=20)) as store:
        give_addresses(monkeypatch, deaf, ("127.0.0.1", int(rclone.endpoint_url.rpartition(":")[2])))
        began = time.monotonic()
        assert store.find_object(ref) is None
        assert time.monotonic() - began < 10
