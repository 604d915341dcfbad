"""What is known of a store that fell silent, for those who come next: they need not wait for the deadline as well.

Used by the adapters of stores behind a network. Without it one system call, which may be several requests, and each of
several statements, would take several deadlines.
"""

import threading
import time
from contextvars import ContextVar
from typing import Final

# Whether the caller answers the kernel. Others, in the background, had rather wait.
IN_HASTE: Final = ContextVar("in_haste", default=False)

_PAUSE_SECONDS: Final = 1.0


class Outage:
    """Whether a store is silent, as far as its callers have found out. Thread-safe.

    While it is, one caller in haste at a time asks again, a second after the last; one that tells nothing of it is
    given up after `deadline` seconds.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._is_silent = False
        self._ask_again_at = 0.0
        self._lock = threading.Lock()

    def may_ask(self) -> bool:
        """Whether the caller should ask the store; else it should be told that the store is silent."""
        if not self._is_silent or not IN_HASTE.get():
            return True
        with self._lock:
            now = time.monotonic()
            if self._is_silent and now < self._ask_again_at:
                return False
            self._ask_again_at = now + self._deadline
            return True

    def note_silence(self) -> None:
        """Tell that the store was waited for in vain."""
        with self._lock:
            self._is_silent = True
            self._ask_again_at = time.monotonic() + _PAUSE_SECONDS

    def note_answer(self) -> None:
        """Tell that the store answers, whatever it says."""
        self._is_silent = False
