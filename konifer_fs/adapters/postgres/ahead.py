"""Pages that are asked for before they are needed, so that the database works while the ones before are made use of.

Used by the store for what comes in many pages.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def read_ahead(pages: Iterator[Sequence[T]], full: int) -> Iterator[Sequence[T]]:
    """Give the pages, each after a `full` one read while that is used; who stops early waits for none."""
    page = next(pages, None)
    reader: ThreadPoolExecutor | None = None
    while page is not None and len(page) == full:
        reader = reader or ThreadPoolExecutor(1)
        following = reader.submit(copy_context().run, lambda: next(pages, None))
        yield page
        page = following.result()
    if page is not None:
        yield page
