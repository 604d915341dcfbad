"""What a store behind S3 that was away for less than the deadline makes of calls: they wait, and succeed."""

import os
import re
import time
from contextlib import closing
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
