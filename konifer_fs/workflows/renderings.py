"""Renderings that wait or run: each once at a time, and what somebody waits for before what is made in advance.

As Konifer does it: while both wait, `priority` of 100 turns are the demanded ones', and what is made in advance waits
in a queue of bounded length. Nobody needs a thread to wait: a demand gives a future.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from konifer_fs.domain.errors import ContentUnreadable, KoniferFsError

log = logging.getLogger(__name__)

_TURNS: Final = 100


@dataclass(slots=True, eq=False)
class _Job:
    key: Hashable
    work: Callable[[], object]
    future: Future[object] = field(default_factory=Future)


class Renderings:
    """Runs work under a key in up to `workers` threads, which are started when first needed. Thread-safe.

    `priority` is 1 to 100; `queue_size` bounds what waits to be made in advance.
    """

    def __init__(self, *, workers: int, priority: int, queue_size: int) -> None:
        self._priority = priority
        self._queue_size = queue_size
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="rendering")
        self._jobs: dict[Hashable, _Job] = {}
        self._demanded: deque[_Job] = deque()
        self._in_advance: deque[_Job] = deque()
        self._owed = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def demand(self, key: Hashable, work: Callable[[], object]) -> Future[object]:
        """Have `work` done for somebody who waits; joins what waits or runs under this key.

        Raises ContentUnreadable when closed; so does the future of what `close` finds waiting.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._add(_Job(key, work), self._demanded)
            elif job in self._in_advance:
                self._in_advance.remove(job)
                self._demanded.append(job)
            return job.future

    def prepare(self, key: Hashable, work: Callable[[], object]) -> bool:
        """Have `work` done some time, its failure logged; gives whether it will be: not when too much waits."""
        with self._lock:
            if key in self._jobs:
                return True
            if self._is_closed or len(self._in_advance) >= self._queue_size:
                return False
            self._add(_Job(key, work), self._in_advance).future.add_done_callback(_log_failure)
            return True

    def close(self) -> None:
        """Do nothing more: whoever waits is told so, what runs is waited for."""
        with self._lock:
            self._is_closed = True
            waiting = list(self._demanded)
            self._demanded.clear()
            self._in_advance.clear()
        for job in waiting:
            job.future.set_exception(_closed())
        self._threads.shutdown()

    def _add(self, job: _Job, queue: deque[_Job]) -> _Job:
        if self._is_closed:
            raise _closed()
        self._jobs[job.key] = job
        queue.append(job)
        self._threads.submit(self._run_next)
        return job

    def _run_next(self) -> None:
        with self._lock:
            job = self._take()
        if job is None:
            return
        try:
            result = job.work()
        except BaseException as error:  # noqa: BLE001 (whoever waits is told)
            self._forget(job)
            job.future.set_exception(error)
        else:
            self._forget(job)
            job.future.set_result(result)

    def _take(self) -> _Job | None:
        """Give the job whose turn it is; None once closed."""
        if self._demanded and self._in_advance:
            self._owed += _TURNS - self._priority
            if self._owed >= _TURNS:
                self._owed -= _TURNS
                return self._in_advance.popleft()
        queue = self._demanded or self._in_advance
        return queue.popleft() if queue else None

    def _forget(self, job: _Job) -> None:
        with self._lock:
            del self._jobs[job.key]


def _closed() -> ContentUnreadable:
    return ContentUnreadable("the mount ends")


def _log_failure(future: Future[object]) -> None:
    error = future.exception()
    if isinstance(error, KoniferFsError):
        log.warning("a variant was not made in advance: %s", error)
    elif error is not None:
        log.error("making a variant in advance failed", exc_info=error)
