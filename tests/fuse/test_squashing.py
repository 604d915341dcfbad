"""Which of root's requests are asked about, where root is nobody."""

import inspect

from konifer_fs.fuse.operations import Operations
from konifer_fs.fuse.squashing import SquashingOperations


def test_every_request_of_a_user_is_asked_about_or_gives_nothing_away() -> None:
    users = {name for name, handler in vars(Operations).items() if "ctx" in _parameters(handler)}
    # What only tells attributes, which an open file tells anyway; what is always allowed, and what never is.
    assert users - set(vars(SquashingOperations)) == {"getattr", "statfs", "access", "link"}


def test_each_handler_keeps_its_name_and_arguments() -> None:
    for name, handler in vars(SquashingOperations).items():
        if not name.startswith("_"):
            assert handler.__name__ == name
            assert inspect.signature(handler) == inspect.signature(vars(Operations)[name])


def _parameters(handler: object) -> set[str]:
    return set(inspect.signature(handler).parameters) if callable(handler) else set()
