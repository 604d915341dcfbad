"""What the failures of S3 and of its SDK mean: the fact, the words for people, and whether another attempt may help.

Used by `s3`. Only codes and words of our own are told: texts of servers and of the SDK may quote what is secret.
"""

import random
import ssl
from typing import Final, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

from konifer_fs.domain import backing_off
from konifer_fs.domain.errors import (
    ContentUnreadable,
    KoniferFsError,
    ObjectMissing,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)

E = TypeVar("E", bound=ssl.SSLError)

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_REDIRECTIONS: Final = frozenset({302, 307})


class KnownSilent(BotoCoreError):
    """The store was not asked, for it did not answer a moment ago."""

    fmt = "The store did not answer a moment ago."


SILENCE: Final = (ReadTimeoutError, ConnectTimeoutError)
CUT: Final = (ResponseStreamingError, IncompleteReadError)
_BROKEN: Final = (NoConnectionError, ConnectionClosedError, *CUT)
_UNREACHABLE: Final = (*_BROKEN, HTTPClientError, CredentialRetrievalError, KnownSilent)
_WORDS: Final[dict[type[BotoCoreError], str]] = {
    EndpointConnectionError: "no connection is accepted there",
    ProxyConnectionError: "its proxy cannot be reached",
    ConnectionClosedError: "the connection was closed",
    ResponseStreamingError: "the connection was closed",
    IncompleteReadError: "the connection was closed",
    ConnectTimeoutError: "no connection in time",
    ReadTimeoutError: "no answer in time",
    KnownSilent: "no answer a moment ago",
    NoCredentialsError: "no credentials are configured or found",
    SSLError: "TLS failed, or its certificate is for another name",
}


def fact_of(error: BotoCoreError | ClientError) -> type[KoniferFsError]:
    """Tell what a failure is to whoever wanted something of the store."""
    if isinstance(error, BotoCoreError):
        return StoreUnreachable if isinstance(error, _UNREACHABLE) else StoreRefused
    status, code = _status(error), _code(error)
    if code == "NoSuchKey" or (status == 404 and code != "NoSuchBucket"):
        return ObjectMissing
    if status == 507:
        return StoreFull
    if status == 416:
        return ContentUnreadable
    if status >= 500 or status in {*_REDIRECTIONS, 408, 429} or code == "RequestTimeout":
        return StoreUnreachable
    return StoreRefused


def words_for(error: BotoCoreError | ClientError) -> str:
    """Give the reason for people: a server's code, or what became of the connection."""
    if isinstance(error, ClientError):
        return _code(error)
    if mistrust := _below(error, ssl.SSLCertVerificationError):
        told = f"its certificate is not trusted ({mistrust.verify_message})"
        return f"{told}: unless it has expired, set AWS_CA_BUNDLE to its authority's"
    return _WORDS.get(type(error), type(error).__name__)


def may_pass(error: Exception) -> bool:
    """Whether the same request may soon have another outcome: a server that starts anew or is busy, a broken line.

    After silence instead of an answer the time to try again in is over; a certificate and a redirection stay as they
    are. TLS, too, is cut where a server ends.
    """
    if isinstance(error, ClientError):
        return fact_of(error) is StoreUnreachable and _status(error) not in _REDIRECTIONS
    if isinstance(error, SSLError):
        return _below(error, ssl.SSLEOFError) is not None
    return isinstance(error, _BROKEN) and not isinstance(error, ReadTimeoutError)


def back_off(failures: int) -> float:
    """Give the seconds to wait after so many failures in a row, up to 2; chance keeps callers from coming together."""
    return backing_off.back_off(failures, _FIRST_PAUSE, _LONGEST_PAUSE, random.random())  # noqa: S311 (jitter)


def _below(error: Exception, kind: type[E]) -> E | None:
    """Give what the TLS library has said, which lies below what the SDK makes of it."""
    below: BaseException | None = error
    while below:
        if isinstance(below, kind):
            return below
        below = below.__cause__ or below.__context__
    return None


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code") or "an unnamed error"
