"""Threads that send messages which may have to wait: those of one directory wait for each other, and for no others.

A directory takes a thread only while it has something to tell; one that is stuck keeps the others from nothing.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final

# Beyond so many stuck directories, the others wait for the first of them.
_MOST_THREADS: Final = 128
_LINGER_SECONDS: Final = 10.0


class Tellers:
    """Sends messages by `send`, which may block; `tell` does not. What is not sent yet is not taken twice."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._changed = threading.Condition()
        # Of each directory that has something to tell, and of these the ones that no thread has taken. A plain
        # dict goes over all that was taken of it to find its first.
        self._untold: dict[int, OrderedDict[bytes, None]] = {}
        self._waiting: deque[int] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._is_closed = False

    def tell(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Have messages sent, each with the number of its directory: those of one in order, one at a time."""
        with self._changed:
            if self._is_closed:
                return
            for directory, message in messages:
                if directory not in self._untold:
                    self._untold[directory] = OrderedDict()
                    self._waiting.append(directory)
                self._untold[directory][message] = None
            self._changed.notify(len(self._waiting))
            wanted = min(len(self._waiting) - self._idle, _MOST_THREADS - len(self._threads))
            is_helped = all(self._start_thread() for _ in range(wanted))
        if not is_helped:
            self._tell_waiting(0.0)

    def close(self, until: float) -> None:
        """Send what can be sent until then, on the monotonic clock, and no more; threads that are stuck stay behind."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self._waiting.clear()
            for messages in self._untold.values():
                messages.clear()

    def _start_thread(self) -> bool:
        """Start a thread; gives whether the system lets us."""
        thread = threading.Thread(
            target=self._tell_waiting, args=(_LINGER_SECONDS,), name="kernel-cache-names", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads.add(thread)
        return True

    def _tell_waiting(self, linger: float) -> None:
        """Tell for one directory after the other, until none has waited for `linger` seconds."""
        while (directory := self._take(linger)) is not None:
            while (message := self._next(directory)) is not None:
                self._send(message)

    def _take(self, linger: float) -> int | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._is_closed, linger)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads.discard(threading.current_thread())
            return None

    def _next(self, directory: int) -> bytes | None:
        with self._changed:
            messages = self._untold[directory]
            if messages:
                return messages.popitem(last=False)[0]
            del self._untold[directory]
            return None
