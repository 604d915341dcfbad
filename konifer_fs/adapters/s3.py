"""The object store behind S3's protocol: AWS, and whatever else speaks it.

`wiring` makes it for the `s3` provider. boto3 stays in here; buckets are made by whoever runs the store.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Final, ParamSpec, TypeVar
from uuid import uuid4

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, ReadTimeoutError
from s3transfer.manager import TransferConfig, TransferManager

from konifer_fs.adapters.outage import Outage
from konifer_fs.adapters.s3_failures import CUT, SILENCE, KnownSilent, back_off, fact_of, may_pass, words_for
from konifer_fs.domain.address import spell_server
from konifer_fs.domain.errors import ContentUnreadable, ObjectMissing, StoreRefused, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import Part, StoredObject

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest, AWSResponse
    from botocore.exceptions import _ClientErrorResponseTypeDef
    from botocore.model import OperationModel
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)

_PART_BYTES: Final = 16 << 20
_PART_THREADS: Final = 4
_UPLOADS: Final = 2
_READ_PIECE: Final = 1 << 20
# What another cut loses at most, so that a connection that is cut again and again makes progress.
_PIECE_AFTER_CUT: Final = 1 << 16
_ASKED_AT_ONCE: Final = 16
_DEFAULT_REGION: Final = "us-east-1"
_GIVE_UP_AT: Final = "konifer_fs_give_up_at"
_SHORTEST_SECONDS: Final = 1.0
# A name may have several addresses, which are tried one after the other: AWS tells eight.
_ADDRESSES: Final = 8
# A person waits for what a check tells, which asks for the bucket first.
_CHECK: Final = "HeadBucket"
_CHECK_ATTEMPTS: Final = 4
_CREATING_CLIENT: Final = Lock()

P = ParamSpec("P")
T = TypeVar("T")


class S3ObjectStore:
    """Objects of any bucket that one set of credentials reaches. Thread-safe, with up to `max_connections` callers."""

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        path_style: bool = False,
        deadline: float = 30.0,
        max_connections: int = 128,
    ) -> None:
        """Make a client; nothing is sent yet.

        The keys count only when both are given; else the SDK looks for credentials (environment, profile, role).
        `deadline` is in seconds without any progress, with all attempts: a large upload may take longer.

        Raises:
            StoreRefused: what is configured, here or in the SDK's own files, makes no client.
        """
        self._place = spell_server(endpoint_url) if endpoint_url else "AWS S3"
        self._deadline = deadline
        self._outage = Outage(deadline)
        self._is_closed = False
        config = Config(
            connect_timeout=min(deadline, max(_SHORTEST_SECONDS, deadline / _ADDRESSES)),
            read_timeout=deadline,
            # `_judge` is who tries again: until a time, and the SDK counts.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=max_connections + _PART_THREADS,
            tcp_keepalive=True,
            s3={"addressing_style": "path" if path_style else "auto"},
        )
        static = bool(access_key and secret_key)
        try:
            # Sessions and the making of clients are not thread-safe, clients are.
            with _CREATING_CLIENT:
                session = Session(
                    aws_access_key_id=access_key if static else None,
                    aws_secret_access_key=secret_key if static else None,
                )
                self._client: S3Client = session.client(
                    "s3",
                    endpoint_url=endpoint_url or None,
                    region_name=region or session.region_name or _DEFAULT_REGION,
                    config=config,
                )
        except (BotoCoreError, ValueError) as error:
            raise StoreRefused(f"{self._place}: {type(error).__name__}") from error
        self._client.meta.events.register_last("before-call.s3", _expect_nothing)
        self._client.meta.events.register_last("before-call.s3", _sum_first)
        self._client.meta.events.register_last("before-call.s3.GetObject", _compare_wholes_only)
        self._client.meta.events.register_first("request-created.s3", self._bound)
        self._client.meta.events.register_first("needs-retry.s3", self._judge)  # type: ignore[arg-type]
        self._transfers = TransferManager(
            self._client,
            TransferConfig(
                multipart_threshold=_PART_BYTES,
                multipart_chunksize=_PART_BYTES,
                max_request_concurrency=_PART_THREADS,
            ),
            executor_cls=_ContextExecutor,
        )

    def put(self, ref: ObjectRef, source: Path, content_type: str) -> None:
        """Upload `source`: up to 16 MiB in one request, else in parts, which are aborted when one fails.

        An abort that fails too leaves its parts in the bucket, unseen, to the bucket's life-cycle rule. A key is put
        again with the same bytes only, so that an object of that size is taken for what an upload has left.

        Raises:
            StoreUnreachable, StoreRefused, StoreFull: nothing was stored, as far as can be told.
            ContentUnreadable: `source` cannot be read.
        """
        with _readable(source) as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(_UPLOADS):
                with suppress(ObjectMissing), self._reported(ref):
                    if size <= _PART_BYTES:
                        file.seek(0)
                        self._client.put_object(Bucket=ref.bucket, Key=ref.key, Body=file, ContentType=content_type)
                    else:
                        arguments = {"ContentType": content_type}
                        self._transfers.upload(str(source), ref.bucket, ref.key, extra_args=arguments).result()
                    return
                # The server was started anew and has lost the parts, or the answer that they are whole was cut off.
                found = self.find_object(ref)
                if found and found.size == size:
                    return
        raise StoreUnreachable(f"{self._place}: it forgets what is uploaded to {ref.bucket}/{ref.key}")

    def fetch(self, ref: ObjectRef, target: BinaryIO, part: Part | None = None) -> None:
        """Write the object, or a part of it, to `target` in pieces of 1 MiB at most; a broken connection is resumed.

        Raises:
            ObjectMissing, StoreUnreachable, StoreRefused: `target` may have got some of it.
            ContentUnreadable: what came is not what was stored, by its checksum, or has not the size of `part`.
        """
        at, stop = (part.start, None if part.is_all else part.stop) if part else (0, None)
        patience = self._deadline if self._outage.may_ask_again() else 0
        give_up_at, cuts, length = time.monotonic() + patience, 0, _READ_PIECE
        while True:
            body, end, size = self._open(ref, at, stop)
            with closing(body):
                if part:
                    part.check_size(ref, size)
                for piece in self._read_until_cut(ref, body, length):
                    target.write(piece)
                    at += len(piece)
                    give_up_at, cuts = time.monotonic() + patience, 0
            if at == end:
                self._outage.note_answer()
                return
            cuts, length = cuts + 1, _PIECE_AFTER_CUT
            pause = self._pause(cuts, give_up_at)
            if pause is None:
                self._outage.note_failure()
                raise StoreUnreachable(f"{self._place}: the connection kept breaking for {ref.bucket}/{ref.key}")
            time.sleep(pause)

    def local_path(self, ref: ObjectRef) -> None:
        """Give None: there is no file."""

    def size(self, ref: ObjectRef) -> int:
        """Give the object's size in bytes; raises ObjectMissing, StoreUnreachable, StoreRefused."""
        with self._reported(ref):
            return self._client.head_object(Bucket=ref.bucket, Key=ref.key)["ContentLength"]

    def sizes(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, int]:
        """Give the sizes of those that it tells of, asking for several at once; raises StoreUnreachable."""
        with _ContextExecutor(min(_ASKED_AT_ONCE, len(refs) or 1)) as pool:
            found = zip(refs, pool.map(self._find_told, refs), strict=True)
            return {ref: stored.size for ref, stored in found if stored is not None}

    def _find_told(self, ref: ObjectRef) -> StoredObject | None:
        try:
            return self.find_object(ref)
        except StoreRefused as error:
            log.warning("the size of %s/%s is not told: %s", ref.bucket, ref.key, error)
            return None

    def find_object(self, ref: ObjectRef) -> StoredObject | None:
        """Tell of an object; raises StoreUnreachable, StoreRefused."""
        with suppress(ObjectMissing), self._reported(ref):
            found = self._client.head_object(Bucket=ref.bucket, Key=ref.key)
            return StoredObject(ref.key, found["ContentLength"], found["LastModified"])
        return None

    def list_objects(self, bucket: str, after: str = "") -> Iterator[Sequence[StoredObject]]:
        """Tell of all objects in `bucket`, by key, a request for each page; raises StoreUnreachable, StoreRefused."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, StartAfter=after))
        while True:
            with self._reported(ObjectRef(bucket, "")):
                page = next(pages, None)
                if page is None:
                    return
                found = [StoredObject(it["Key"], it["Size"], it["LastModified"]) for it in page.get("Contents", ())]
            yield found

    def delete(self, ref: ObjectRef) -> None:
        """Remove the object; it is no error when it is not there."""
        with self._reported(ref):
            self._client.delete_object(Bucket=ref.bucket, Key=ref.key)

    def check(self, bucket: str) -> None:
        """Ask for the bucket, then store and delete a probe; raises StoreUnreachable, StoreRefused."""
        probe = ObjectRef(bucket, f".konifer-fs-{uuid4().hex}")
        try:
            with self._reported(probe):
                self._client.head_bucket(Bucket=bucket)
        except ObjectMissing as error:
            raise StoreRefused(f"{self._place} has no bucket {bucket}") from error
        with self._reported(probe):
            self._client.put_object(Bucket=bucket, Key=probe.key, Body=b"probe")
        self.delete(probe)

    def free_space(self) -> None:
        """Give None: a bucket has no bounds that can be known."""

    def close(self) -> None:
        """Try nothing again, wait for what is being uploaded, and close the connections."""
        self._is_closed = True
        self._transfers.shutdown()
        self._client.close()

    def _open(self, ref: ObjectRef, start: int, stop: int | None) -> "tuple[StreamingBody, int, int]":
        """Open the object from byte `start` to before `stop`; gives where it does end, and the whole object's size."""
        with self._reported(ref):
            if not start and stop is None:
                whole = self._client.get_object(Bucket=ref.bucket, Key=ref.key)
                return whole["Body"], whole["ContentLength"], whole["ContentLength"]
            wanted = f"bytes={start}-{'' if stop is None else stop - 1}"
            part = self._client.get_object(Bucket=ref.bucket, Key=ref.key, Range=wanted)
            body, end = part["Body"], start + part["ContentLength"]
        told, _, size = part.get("ContentRange", "").rpartition("/")
        if told != f"bytes {start}-{end - 1}" or not size.isdecimal():
            body.close()
            raise StoreUnreachable(f"{self._place}: it gives no parts of {ref.bucket}/{ref.key}")
        return body, end, int(size)

    def _read_until_cut(self, ref: ObjectRef, body: "StreamingBody", length: int) -> Iterator[bytes]:
        progressed_at = time.monotonic()
        with self._reported(ref):
            try:
                while piece := body.read(length):
                    yield piece
                    progressed_at = time.monotonic()
            except CUT:
                return
            except ReadTimeoutError:
                # What was asked for again waits no longer for a piece than it had left to wait for an answer.
                if time.monotonic() - progressed_at >= self._deadline:
                    raise

    def _bound(self, request: "AWSRequest", **_: object) -> None:
        """Give an attempt what its request has left of the deadline; none while the store is known to be silent.

        The last begins at the deadline, and has a second.
        """
        if not self._outage.may_ask():
            raise KnownSilent
        now = time.monotonic()
        give_up_at = request.context.setdefault(_GIVE_UP_AT, now + self._deadline)
        request.context["read_timeout"] = max(min(_SHORTEST_SECONDS, self._deadline), give_up_at - now)

    def _judge(
        self,
        operation: "OperationModel",
        attempts: int,
        request_dict: Mapping[str, Any],
        response: "tuple[AWSResponse, _ClientErrorResponseTypeDef] | None" = None,
        caught_exception: Exception | None = None,
        **_: object,
    ) -> float | None:
        """Give the seconds to wait before another attempt; None for no other, but to follow a redirection.

        Where an answer redirects HeadBucket and names no region, the SDK asks that for it, and where this is
        redirected, too (a hotel's network), until the stack overflows: it is stopped by raising.
        """
        failure = caught_exception
        if response:
            failure = ClientError(response[1], operation.name)
            if operation.name == _CHECK and response[0].status_code in {301, 302, 307}:
                raise failure
        if failure is None or not may_pass(failure):
            if response:
                self._outage.note_answer(is_whole=not operation.has_streaming_output)
            return None
        context = request_dict["context"]
        if attempts == 1 and operation.has_streaming_input and not isinstance(failure, SILENCE):
            # What was sent until now was progress.
            context[_GIVE_UP_AT] = time.monotonic() + self._deadline
        is_checked = operation.name == _CHECK and attempts == _CHECK_ATTEMPTS
        may_wait = self._outage.may_ask_again() and not is_checked
        pause = self._pause(attempts, context[_GIVE_UP_AT]) if may_wait else None
        if pause is None and not isinstance(failure, SILENCE):
            self._outage.note_failure()
        return pause

    def _pause(self, failures: int, give_up_at: float) -> float | None:
        """Give the seconds to wait after so many failures in a row, the last of them up to the end; None after that."""
        left = give_up_at - time.monotonic()
        return None if self._is_closed or left <= 0 else min(back_off(failures), left)

    @contextmanager
    def _reported(self, ref: ObjectRef) -> Iterator[None]:
        """Turn the SDK's errors into facts."""
        try:
            yield
        except FlexibleChecksumError as error:
            raise ContentUnreadable(f"{ref.bucket}/{ref.key} is not what was stored") from error
        except KeyError as error:
            # Such as the page of a proxy or of a hotel's network.
            raise StoreUnreachable(f"{self._place}: what answers does not speak S3") from error
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, SILENCE):
                self._outage.note_silence()
            raise fact_of(error)(f"{self._place}: {words_for(error)} for {ref.bucket}/{ref.key}") from error


def _expect_nothing(params: Mapping[str, Any], **_: object) -> None:
    """Send contents at once: to be told first that they are welcome takes a round trip, or a second of silence."""
    params["headers"].pop("Expect", None)


def _sum_first(params: Mapping[str, Any], **_: object) -> None:
    """Send a checksum before the content: over TLS the SDK would send it after, which many servers do not know."""
    algorithm = params["context"].get("checksum", {}).get("request_algorithm")
    if isinstance(algorithm, dict) and algorithm["in"] == "trailer":
        algorithm["in"] = "header"


def _compare_wholes_only(params: Mapping[str, Any], **_: object) -> None:
    """Compare no part with a checksum: some servers tell that of the whole object with it."""
    if "Range" in params["headers"]:
        params["headers"].pop("x-amz-checksum-mode", None)
        params["context"].pop("checksum", None)


class _ContextExecutor(ThreadPoolExecutor):
    """Threads that know what the one knows who gives them work."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `function` in a copy of this thread's context."""
        context = copy_context()
        return super().submit(lambda: context.run(function, *args, **kwargs))


@contextmanager
def _readable(source: Path) -> Iterator[BinaryIO]:
    try:
        file = source.open("rb")
    except OSError as error:
        raise ContentUnreadable(f"{source.name}: {error.strerror}") from error
    with file:
        yield file
