"""What only the store behind S3 does: what the server is told, and what becomes of a bad network."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from konifer_fs.adapters.outage import IN_HASTE
from konifer_fs.adapters.s3 import S3ObjectStore
from konifer_fs.domain.errors import (
    ContentUnreadable,
    KoniferFsError,
    ObjectMissing,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)
from konifer_fs.domain.variant import ObjectRef
from tests.contracts.relay import BUSY, Relay, answering, relaying
from tests.servers import ACCESS_KEY, SECRET_KEY, S3Server

REF = ObjectRef("assets", "key.jpeg")
MULTIPART_BYTES = 20 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(140_000))
    return path


@pytest.fixture
def large_source(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(MULTIPART_BYTES))
    return path


@pytest.fixture
def store(server: S3Server) -> Iterator[S3ObjectStore]:
    with closing(server.make_store()) as made:
        yield made


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.make_bucket()


@pytest.fixture
def no_ambient_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    return monkeypatch


def store_at(endpoint_url: str, *, deadline: float = 30) -> S3ObjectStore:
    return S3ObjectStore(
        endpoint_url=endpoint_url, access_key=ACCESS_KEY, secret_key=SECRET_KEY, path_style=True, deadline=deadline
    )


# What the server is told.
@pytest.mark.parametrize("size", [140_000, MULTIPART_BYTES])
def test_the_server_knows_the_content_type(
    store: S3ObjectStore, server: S3Server, bucket: str, tmp_path: Path, size: int
) -> None:
    (tmp_path / "source").write_bytes(bytes(size))
    store.put(ObjectRef(bucket, "key"), tmp_path / "source", "image/avif")
    with server.client() as client:
        assert client.head_object(Bucket=bucket, Key="key")["ContentType"] == "image/avif"


def test_the_server_is_given_a_checksum(store: S3ObjectStore, server: S3Server, bucket: str, source: Path) -> None:
    store.put(ObjectRef(bucket, "key"), source, "image/jpeg")
    with server.client() as client:
        assert client.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")["ChecksumCRC32"]


def test_a_check_leaves_nothing_in_the_bucket(store: S3ObjectStore, server: S3Server, bucket: str) -> None:
    store.check(bucket)
    assert server.list_keys(bucket) == []


def test_a_bucket_that_is_not_there_is_refused(store: S3ObjectStore, source: Path) -> None:
    with pytest.raises(StoreRefused, match="no-such-bucket"):
        store.check("no-such-bucket")
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        store.put(ObjectRef("no-such-bucket", "key"), source, "image/jpeg")


# Credentials. Only rclone looks at signatures.
def test_a_wrong_secret_is_refused_and_never_told(rclone: S3Server) -> None:
    bucket = rclone.make_bucket()
    wrong = "a-secret-that-is-wrong"
    with closing(rclone.make_store(secret_key=wrong)) as store, pytest.raises(StoreRefused) as refusal:
        store.check(bucket)
    assert wrong not in str(refusal.value)


def test_half_a_pair_of_keys_does_not_count(rclone: S3Server, no_ambient_credentials: pytest.MonkeyPatch) -> None:
    bucket = rclone.make_bucket()
    no_ambient_credentials.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    no_ambient_credentials.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    with closing(rclone.make_store(access_key="half-a-pair", secret_key=None)) as store:
        store.check(bucket)


@pytest.mark.usefixtures("no_ambient_credentials")
def test_no_credentials_at_all_are_refused(rclone: S3Server) -> None:
    with (
        closing(rclone.make_store(access_key=None, secret_key=None)) as store,
        pytest.raises(StoreRefused, match="no credentials"),
    ):
        store.check("assets")


def test_a_password_in_the_endpoint_is_never_told() -> None:
    with (
        closing(store_at(f"http://user:{SECRET_KEY}@127.0.0.1:{closed_port()}", deadline=1)) as store,
        pytest.raises(StoreUnreachable) as failure,
    ):
        store.size(REF)
    assert SECRET_KEY not in str(failure.value)


def test_an_endpoint_that_is_no_address_is_refused() -> None:
    with pytest.raises(StoreRefused):
        store_at("no address at all")


# Servers that fail.
def attempts_on(store: S3ObjectStore, source: Path) -> dict[str, Callable[[], object]]:
    return {
        "put": lambda: store.put(REF, source, "image/jpeg"),
        "fetch": lambda: store.fetch(REF, BytesIO()),
        "size": lambda: store.size(REF),
        "find": lambda: store.find_object(REF),
        "list": lambda: list(store.list_objects("assets")),
        "delete": lambda: store.delete(REF),
        "check": lambda: store.check("assets"),
    }


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attempt", ["put", "fetch", "size", "find", "list", "delete", "check"])
def test_a_closed_port_is_unreachable(source: Path, attempt: str) -> None:
    place = f"http://127.0.0.1:{closed_port()}"
    with closing(store_at(place, deadline=0.5)) as store, pytest.raises(StoreUnreachable, match="no connection"):
        attempts_on(store, source)[attempt]()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attempt", ["put", "fetch", "size", "find", "list", "delete", "check"])
def test_a_server_that_never_answers_is_waited_for_once(source: Path, attempt: str) -> None:
    with (
        answering(b"") as silent,
        closing(store_at(silent.endpoint_url, deadline=0.5)) as store,
        pytest.raises(StoreUnreachable),
    ):
        attempts_on(store, source)[attempt]()
    assert silent.connections == 1


@pytest.mark.timeout(60)
def test_while_it_is_silent_who_answers_the_kernel_is_told_at_once(source: Path) -> None:
    before = IN_HASTE.set(True)
    try:
        with answering(b"") as silent, closing(store_at(silent.endpoint_url, deadline=0.5)) as store:
            for attempt in attempts_on(store, source).values():
                with pytest.raises(StoreUnreachable):
                    attempt()
    finally:
        IN_HASTE.reset(before)
    assert silent.connections == 1


@pytest.mark.timeout(60)
def test_a_busy_server_is_asked_again_until_it_is_well(server: S3Server, bucket: str, source: Path) -> None:
    ref, target = ObjectRef(bucket, "key"), BytesIO()
    with relaying(Relay(busy=5), server.endpoint_url) as relay:
        with closing(server.make_store(through=relay.endpoint_url)) as store:
            store.put(ref, source, "image/jpeg")
        assert relay.busy < 0
        relay.busy = 5
        with closing(server.make_store(through=relay.endpoint_url)) as store:
            store.fetch(ref, target)
        assert relay.busy < 0
    assert target.getvalue() == source.read_bytes()


@pytest.mark.timeout(60)
def test_a_server_that_stays_busy_is_asked_until_the_deadline_and_once_by_each_who_comes_next() -> None:
    before = IN_HASTE.set(True)
    try:
        with answering(BUSY) as busy, closing(store_at(busy.endpoint_url, deadline=1)) as store:
            with pytest.raises(StoreUnreachable):
                store.size(REF)
            asked = busy.connections
            with pytest.raises(StoreUnreachable):
                store.size(REF)
    finally:
        IN_HASTE.reset(before)
    assert asked > 1
    assert busy.connections == asked + 1


@pytest.mark.timeout(60)
def test_a_check_is_not_waited_for() -> None:
    with answering(BUSY) as busy, closing(store_at(busy.endpoint_url)) as store, pytest.raises(StoreUnreachable):
        store.check("assets")
    assert busy.connections == 4


@pytest.mark.timeout(60)
def test_a_large_put_to_a_server_that_never_answers_ends(large_source: Path) -> None:
    with (
        answering(b"") as silent,
        closing(store_at(silent.endpoint_url, deadline=0.5)) as store,
        pytest.raises(StoreUnreachable),
    ):
        store.put(REF, large_source, "image/jpeg")


@pytest.mark.timeout(60)
def test_a_server_that_falls_silent_in_the_middle_is_unreachable() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000) as silent,
        closing(store_at(silent.endpoint_url, deadline=0.5)) as store,
        pytest.raises(StoreUnreachable),
    ):
        store.fetch(REF, BytesIO())


@pytest.mark.parametrize(
    ("status", "code", "fact"),
    [
        ("403 Forbidden", "AccessDenied", StoreRefused),
        ("400 Bad Request", "InvalidArgument", StoreRefused),
        ("404 Not Found", "NoSuchKey", ObjectMissing),
        ("404 Not Found", "NoSuchBucket", StoreRefused),
        ("500 Internal Server Error", "InternalError", StoreUnreachable),
        ("503 Service Unavailable", "ServiceUnavailable", StoreUnreachable),
        ("507 Insufficient Storage", "XMinioStorageFull", StoreFull),
    ],
)
def test_what_a_server_says_becomes_a_fact(status: str, code: str, fact: type[KoniferFsError]) -> None:
    body = f"<Error><Code>{code}</Code><Message>{SECRET_KEY}</Message></Error>"
    answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    with (
        answering(answer.encode()) as server,
        closing(store_at(server.endpoint_url, deadline=0.5)) as store,
        pytest.raises(fact, match=code) as failure,
    ):
        store.fetch(REF, BytesIO())
    assert SECRET_KEY not in str(failure.value)


def test_bytes_that_do_not_match_their_checksum_are_unreadable() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\nbytes"
    with (
        answering(answer) as server,
        closing(store_at(server.endpoint_url)) as store,
        pytest.raises(ContentUnreadable),
    ):
        store.fetch(REF, BytesIO())


def test_a_page_that_is_no_answer_of_s3_is_unreachable(large_source: Path) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 13\r\n\r\n<html></html>"
    with (
        answering(page) as portal,
        closing(store_at(portal.endpoint_url)) as store,
        pytest.raises(StoreUnreachable, match="does not speak S3"),
    ):
        store.put(REF, large_source, "image/jpeg")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("attempt", ["put", "fetch", "size", "find", "list", "delete", "check"])
def test_a_network_that_redirects_to_its_own_page_is_unreachable(source: Path, attempt: str) -> None:
    page = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with (
        answering(page) as portal,
        closing(store_at(portal.endpoint_url)) as store,
        pytest.raises(StoreUnreachable, match="302"),
    ):
        attempts_on(store, source)[attempt]()


def test_an_object_of_untold_length_is_not_taken_for_whole() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbytes") as portal,
        closing(store_at(portal.endpoint_url)) as store,
        pytest.raises(StoreUnreachable, match="does not speak S3"),
    ):
        store.fetch(REF, BytesIO())


# Networks that fail.
def test_a_fetch_goes_on_where_the_connection_broke(
    store: S3ObjectStore, server: S3Server, bucket: str, large_source: Path
) -> None:
    ref = ObjectRef(bucket, "key")
    store.put(ref, large_source, "image/jpeg")
    target = BytesIO()
    with (
        relaying(Relay(cut_after=5 << 20, cuts=3), server.endpoint_url) as relay,
        closing(server.make_store(through=relay.endpoint_url)) as store_behind,
    ):
        store_behind.fetch(ref, target)
    assert relay.connections == 4
    assert target.getvalue() == large_source.read_bytes()


def test_a_connection_that_keeps_breaking_is_never_a_short_object(moto: S3Server, large_source: Path) -> None:
    """It breaks after the header, which moto sends by itself."""
    ref = ObjectRef(moto.make_bucket(), "key")
    with closing(moto.make_store()) as store:
        store.put(ref, large_source, "image/jpeg")
    with (
        relaying(Relay(cut_after=100, cuts=1_000), moto.endpoint_url) as relay,
        closing(moto.make_store(through=relay.endpoint_url, deadline=1)) as store_behind,
        pytest.raises(StoreUnreachable, match=r"kept breaking|no answer in time"),
    ):
        store_behind.fetch(ref, BytesIO())


def test_a_connection_that_is_cut_and_cut_again_is_no_failure_while_it_progresses(
    store: S3ObjectStore, server: S3Server, bucket: str, large_source: Path
) -> None:
    ref, target = ObjectRef(bucket, "key"), BytesIO()
    store.put(ref, large_source, "image/jpeg")
    with (
        relaying(Relay(cut_after=1 << 20, cuts=1_000), server.endpoint_url) as relay,
        closing(server.make_store(through=relay.endpoint_url, deadline=1)) as store_behind,
    ):
        store_behind.fetch(ref, target)
    assert target.getvalue() == large_source.read_bytes()


def test_a_server_without_ranges_is_not_resumed(moto: S3Server, large_source: Path) -> None:
    ref = ObjectRef(moto.make_bucket(), "key")
    forgetful = Relay(cut_after=5 << 20, cuts=1, edit_request=lambda piece: piece.replace(b"\r\nRange:", b"\r\nX-No:"))
    with (
        relaying(forgetful, moto.endpoint_url) as relay,
        closing(moto.make_store(through=relay.endpoint_url)) as store,
    ):
        store.put(ref, large_source, "image/jpeg")
        with pytest.raises(StoreUnreachable, match="gives no parts"):
            store.fetch(ref, BytesIO())


def test_an_upload_whose_part_is_refused_leaves_nothing(server: S3Server, bucket: str, large_source: Path) -> None:
    spoiling = Relay(edit_request=lambda piece: piece.replace(b"partNumber=2", b"partNumber=20001"))
    with (
        relaying(spoiling, server.endpoint_url) as relay,
        closing(server.make_store(through=relay.endpoint_url, deadline=2)) as store,
        # A server may hang up on what it refuses before its word is heard.
        pytest.raises((StoreRefused, StoreUnreachable)),
    ):
        store.put(ObjectRef(bucket, "key"), large_source, "image/jpeg")
    assert server.list_keys(bucket) == []
    with server.client() as client:
        assert client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("size", [15 << 20, MULTIPART_BYTES])
def test_an_upload_may_take_longer_than_the_deadline_while_it_progresses(
    rclone: S3Server, tmp_path: Path, size: int
) -> None:
    (tmp_path / "source").write_bytes(bytes(size))
    bucket = rclone.make_bucket()
    with (
        relaying(Relay(pause=0.05), rclone.endpoint_url) as relay,
        closing(rclone.make_store(through=relay.endpoint_url, deadline=2)) as store,
    ):
        store.put(ObjectRef(bucket, "key"), tmp_path / "source", "image/jpeg")
        assert store.size(ObjectRef(bucket, "key")) == size
