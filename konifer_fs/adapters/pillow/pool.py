"""A pool of worker processes of one kind, started when first needed and kept. Used by the engine, from any thread."""

import json
import threading
from collections.abc import Sequence
from queue import LifoQueue
from typing import Final

from konifer_fs.adapters.pillow.process import WorkerProcess
from konifer_fs.domain.errors import (
    ContentTooLarge,
    ContentUnreadable,
    KoniferFsError,
    NotWhole,
    SpoolFull,
    WrongMediumType,
)
from konifer_fs.domain.variant import Json

_ERRORS: Final[dict[str, type[KoniferFsError]]] = {
    leaf.__name__: leaf for leaf in (WrongMediumType, NotWhole, ContentTooLarge, ContentUnreadable, SpoolFull)
}


class WorkerPool:
    """Up to `workers` processes of `command`; one that takes longer than `timeout` seconds is killed."""

    def __init__(self, command: Sequence[str], *, workers: int, timeout: float) -> None:
        self._command = command
        self._timeout = timeout
        self._workers = workers
        self._lock = threading.Lock()
        self._running: set[WorkerProcess] = set()
        self._is_closed = False
        # Last in, first out: under a light load one worker stays warm and the others are never started.
        self._slots: LifoQueue[WorkerProcess | None] = LifoQueue()
        for _ in range(workers):
            self._slots.put(None)

    def ask(self, request: bytes, *files: int) -> Json:
        """Have a worker answer, waiting while all are busy; raises the error in its answer, or ContentUnreadable.

        It is given `files`, descriptors that stay the caller's.
        """
        worker = self._slots.get()
        try:
            if worker is None or not worker.is_alive:
                self._end(worker)
                worker = self._start()
            answer = worker.ask(request, files, self._timeout)
        except BaseException:
            self._end(worker)
            worker = None
            raise
        finally:
            self._slots.put(worker)
        said: Json = json.loads(answer)
        if "error" in said:
            raise _ERRORS[str(said["error"])](str(said["detail"]))
        return said

    def close(self) -> None:
        """End the processes, busy ones too; a request under way or later raises ContentUnreadable."""
        with self._lock:
            self._is_closed = True
            for worker in self._running:
                worker.kill()
        for slot in [self._slots.get() for _ in range(self._workers)]:
            self._end(slot)
            self._slots.put(None)

    def _start(self) -> WorkerProcess:
        with self._lock:
            if self._is_closed:
                raise ContentUnreadable("the image engine is closed")
            worker = WorkerProcess(self._command)
            self._running.add(worker)
            return worker

    def _end(self, worker: WorkerProcess | None) -> None:
        if worker is not None:
            worker.end()
            with self._lock:
                self._running.discard(worker)
