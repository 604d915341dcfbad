"""Every failure is an errno, and every handler says so."""

import errno
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pyfuse3
import pytest
import trio

from konifer_fs.domain import errors
from konifer_fs.fuse.errnos import ERRNOS, replies
from konifer_fs.fuse.observing import Observer
from konifer_fs.fuse.operations import Operations


def leaves(kind: type[errors.KoniferFsError]) -> Iterator[type[errors.KoniferFsError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


class Told(Observer):
    """Hears what became of operations, and nothing else."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, int]] = []
        self.explained: list[tuple[str, int, str]] = []

    def failed(self, operation: str, number: int, seconds: float) -> None:
        assert seconds >= 0
        self.outcomes.append((operation, number))

    def explain(self, operation: str, number: int, reason: str, arguments: Mapping[str, Any]) -> str:
        assert list(arguments) == ["self"]
        self.explained.append((operation, number, reason))
        return "/x.jpg"


def test_every_error_has_an_errno() -> None:
    raised = {*leaves(errors.KoniferFsError), errors.StoreUnreachable}
    assert raised == set(ERRNOS)


def test_no_error_switches_an_operation_off_for_good() -> None:
    assert errno.ENOSYS not in ERRNOS.values()


def test_every_handler_is_wrapped() -> None:
    handlers = {
        name: handler
        for name, handler in vars(Operations).items()
        if inspect.iscoroutinefunction(inspect.unwrap(handler)) and not name.startswith("_")
    }
    # forget has no reply, and changes a table only.
    unwrapped = {name for name, handler in handlers.items() if not hasattr(handler, "__wrapped__")}
    assert unwrapped == {"forget"}


def test_every_operation_that_pyfuse3_knows_is_answered() -> None:
    known = {name for name, value in vars(pyfuse3.Operations).items() if inspect.iscoroutinefunction(value)}
    assert known - set(vars(Operations)) == {"poll"}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.NotWhole("x"), errno.EBADMSG),
        (errors.WrongMediumType(), errno.EMEDIUMTYPE),
        (ValueError("a bug"), errno.EIO),
        (OSError(errno.ENOENT, "of our own disk"), errno.EIO),
        (pyfuse3.FUSEError(errno.ENOTTY), errno.ENOTTY),
    ],
)
def test_whatever_is_raised_becomes_an_errno(raised: Exception, expected: int) -> None:
    told = Told()

    class Handlers:
        observer = told

        @replies
        async def handler(self) -> None:
            raise raised

    with pytest.raises(pyfuse3.FUSEError) as caught:
        trio.run(Handlers().handler)
    assert caught.value.errno == expected
    assert told.outcomes == [("handler", expected)]
    assert [(operation, number) for operation, number, reason in told.explained if reason] == (
        [] if isinstance(raised, pyfuse3.FUSEError) else told.outcomes
    )
