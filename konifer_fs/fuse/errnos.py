"""Which errno each error is: the one table, and the decorator that no handler goes without.

pyfuse3 catches FUSEError only; anything else that a handler raises would end the mount.
"""

import errno
import functools
import inspect
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import pyfuse3

from konifer_fs.domain import errors
from konifer_fs.fuse.observing import Observer

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Observed")

log = logging.getLogger(__name__)

ERRNOS: Final[dict[type[errors.KoniferFsError], int]] = {
    errors.NoSuchName: errno.ENOENT,
    errors.NameTaken: errno.EEXIST,
    errors.NameReserved: errno.EPERM,
    errors.NameTooLong: errno.ENAMETOOLONG,
    errors.NameNotText: errno.EILSEQ,
    errors.IsADirectory: errno.EISDIR,
    errors.NotADirectory: errno.ENOTDIR,
    errors.NotASymlink: errno.EINVAL,
    errors.DirectoryNotEmpty: errno.ENOTEMPTY,
    errors.MoveIntoItself: errno.EINVAL,
    errors.MoveUnsupported: errno.EINVAL,
    errors.KindUnsupported: errno.EPERM,
    errors.ReadOnly: errno.EROFS,
    errors.MovedOn: errno.ESTALE,
    errors.AccessDenied: errno.EACCES,
    errors.NotOwner: errno.EPERM,
    errors.ExpressionMalformed: errno.EINVAL,
    errors.VariantForbidden: errno.EACCES,
    errors.WrongMediumType: errno.EMEDIUMTYPE,
    errors.NotWhole: errno.EBADMSG,
    errors.ContentTooLarge: errno.EFBIG,
    errors.ContentUnreadable: errno.EIO,
    errors.ObjectMissing: errno.EIO,
    errors.NoSuchAttribute: errno.ENODATA,
    errors.AttributeExists: errno.EEXIST,
    errors.AttributeNamespaceUnsupported: errno.EOPNOTSUPP,
    errors.FactReadOnly: errno.EPERM,
    errors.AttributeMalformed: errno.EINVAL,
    errors.AttributeContradicted: errno.EINVAL,
    errors.TextTooLong: errno.ERANGE,
    errors.TooManyAttributes: errno.ENOSPC,
    errors.SpoolFull: errno.ENOSPC,
    errors.StoreFull: errno.ENOSPC,
    errors.StoreUnreachable: errno.EIO,
    errors.OutcomeUnknown: errno.EIO,
    errors.StoreRefused: errno.EIO,
    errors.SchemaMismatch: errno.EIO,
    errors.DialectUnclear: errno.EIO,
    errors.SpoolInUse: errno.EBUSY,
}

_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
_EXPECTED: Final = frozenset({errno.ENOENT, errno.ENODATA, errno.EOPNOTSUPP, errno.ESTALE, errno.EEXIST})


class Observed(Protocol):
    """Whose handlers are observed."""

    @property
    def observer(self) -> Observer:
        """Who is told what became of each operation."""
        ...


def replies(
    handler: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Let `handler` answer every failure with an errno; the reason goes to the log, and to whoever observes."""
    operation = handler.__name__
    signature = inspect.signature(handler)

    @functools.wraps(handler)
    async def replying(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        began = time.perf_counter()
        try:
            reply = await handler(self, *args, **kwargs)
        except pyfuse3.FUSEError as error:
            self.observer.failed(operation, error.errno, time.perf_counter() - began)
            raise
        except Exception as error:
            number, reason = _explain(error)
            self.observer.failed(operation, number, time.perf_counter() - began)
            place = ""
            if self.observer.is_failure(operation, number):
                arguments = signature.bind(self, *args, **kwargs).arguments
                place = f" {self.observer.explain(operation, number, reason, arguments)}"
            _log(f"{operation}{place}", number, error)
            raise pyfuse3.FUSEError(number) from error
        self.observer.answered(operation, time.perf_counter() - began)
        return reply

    return replying


def _explain(error: Exception) -> tuple[int, str]:
    """Give a failure's errno, and the reason for people."""
    if isinstance(error, OSError) and error.errno in _OUT_OF_FILES:
        return errno.ENFILE, "konifer-fs may open no more files: the log tells more"
    if not isinstance(error, errors.KoniferFsError):
        return errno.EIO, "konifer-fs itself failed: its log tells more"
    return ERRNOS.get(type(error), errno.EIO), str(error)


def _log(what: str, number: int, error: Exception) -> None:
    if isinstance(error, errors.KoniferFsError) or number == errno.ENFILE:
        log.log(logging.DEBUG if number in _EXPECTED else logging.WARNING, "%s: %s", what, error)
    else:
        log.error("%s failed", what, exc_info=error)
