"""What is known of a store that is away, for those who come next: they need not wait for the deadline as well.

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
    """Whether a store is away, as far as its callers have found out. Thread-safe.

    While it is silent, one caller in haste at a time asks again, a second after the last; one that tells nothing of it
    is given up after `deadline` seconds. While it fails at once, callers in haste ask it once each; what is known of
    that is forgotten `deadline` seconds after the last failure.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._is_silent = False
        self._ask_again_at = 0.0
        self._fails_until = 0.0
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

    def may_ask_again(self) -> bool:
        """Whether a caller whom the store failed at once should try again: not in haste where that is known already."""
        return not IN_HASTE.get() or not (self._is_silent or time.monotonic() < self._fails_until)

    def note_failure(self) -> None:
        """Tell that the store failed at once, and that the caller has given up."""
        with self._lock:
            self._is_silent = False
            self._fails_until = time.monotonic() + self._deadline

    def note_silence(self) -> None:
        """Tell that the store was waited for in vain."""
        with self._lock:
            self._is_silent = True
            self._ask_again_at = time.monotonic() + _PAUSE_SECONDS

    def note_answer(self, *, is_whole: bool = True) -> None:
        """Tell that the store answers, whatever it says; what is not whole yet may still fail."""
        self._is_silent = False
        if is_whole:
            self._fails_until = 0.0
