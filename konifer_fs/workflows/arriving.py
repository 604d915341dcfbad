"""An object's bytes as they arrive in a file on local disk: who reads is served as soon as they are there.

The file is taken in pieces of 1 MiB; adjacent ones are fetched by one request, and none twice. Who reads somewhere gets
the pieces there. Who reads on has more fetched ahead by other threads: four times as much each time, up to 16 pieces.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import BinaryIO, Final, cast

from konifer_fs.domain.errors import ContentUnreadable, KoniferFsError, MovedOn
from konifer_fs.ports import Part
from konifer_fs.spool import telling_full

log = logging.getLogger(__name__)

PIECE: Final = 1 << 20
AHEAD: Final = "fetching ahead"
_GROWTH: Final = 4
_MOST_AHEAD: Final = 16
_ABSENT, _COMING, _HERE = range(3)

Fetch = Callable[[BinaryIO, Part], None]


class Arrival:
    """The `size` bytes of an object, arriving in `file`, which is its own to close. Thread-safe.

    `fetch` writes a part of the object to what it is given. When all of it is here, `check` is called before what came
    last is shown, and `on_complete` after. Once `fetch` or `check` has raised ContentUnreadable, nothing can be read of
    it any more.
    """

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        fetch: Fetch,
        check: Callable[[], None],
        on_complete: Callable[[], None],
    ) -> None:
        self.file: Final = file
        self._size = size
        self._fetch = fetch
        self._check = check
        self._on_complete = on_complete
        self._pieces = bytearray(max(1, -(-size // PIECE)))
        self._ahead = 1
        self._running = 0
        self._is_complete = False
        self._is_closed = False
        self._damage: str | None = None
        self._changed = threading.Condition()

    @property
    def is_damaged(self) -> bool:
        """Whether something else has come than was stored."""
        return self._damage is not None

    def has(self, length: int, offset: int) -> bool:
        """Whether a read of `length` bytes at `offset` need not wait."""
        return not self.is_damaged and self._are_here(self._pieces_of(length, offset))

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset` once they are here; fewer only at the end. Raises what `fetch` does."""
        wanted = self._pieces_of(length, offset)
        with self._changed:
            self._raise_damage()
            ahead = self._claim(self._ahead_of(wanted))
        if ahead:
            self._start(ahead)
        self._wait_for(wanted)
        return os.pread(self.file.fileno(), length, offset)

    def finish(self) -> None:
        """Have all of it here. Raises what `fetch` does."""
        self._wait_for(range(len(self._pieces)))

    def close(self) -> bool:
        """Fetch no more, and close the file, once no other thread uses it; gives whether all of it was here."""
        with self._changed:
            self._is_closed = True
            if not self._running:
                self.file.close()
            return self._is_complete

    # Which pieces; the last three with the lock.
    def _pieces_of(self, length: int, offset: int) -> range:
        stop = min(offset + length, self._size)
        return range(offset // PIECE, -(-stop // PIECE)) if offset < stop else range(0)

    def _are_here(self, pieces: range) -> bool:
        return all(self._pieces[piece] == _HERE for piece in pieces)

    def _ahead_of(self, wanted: range) -> range:
        """Give the pieces that are likely to be read next: of a reader who goes on, and has come near their edge."""
        if not wanted or not wanted.start:
            return range(0)
        if self._pieces[wanted.start - 1] == _ABSENT:
            self._ahead = 1
            return range(0)
        edge = self._pieces.find(_ABSENT, wanted.stop)
        if edge < 0 or edge - wanted.stop > self._ahead // 2:
            return range(0)
        self._ahead = min(self._ahead * _GROWTH, _MOST_AHEAD)
        return range(edge, min(edge + self._ahead, len(self._pieces)))

    def _claim(self, pieces: range) -> range:
        """Give the first run of absent pieces among these, if there is any: it is the caller's to fetch."""
        absent = self._pieces.find(_ABSENT, pieces.start, pieces.stop)
        if absent < 0:
            return range(0)
        stop = absent
        while stop < pieces.stop and self._pieces[stop] == _ABSENT:
            self._pieces[stop] = _COMING
            stop += 1
        return range(absent, stop)

    def _raise_damage(self) -> None:
        if self._damage is not None:
            raise ContentUnreadable(self._damage)

    # Fetching them; without it.
    def _wait_for(self, wanted: range) -> None:
        while True:
            with self._changed:
                self._raise_damage()
                mine = self._claim(wanted)
                if not mine:
                    if self._are_here(wanted):
                        return
                    self._changed.wait()
            if mine:
                self._run(mine)

    def _start(self, run: range) -> None:
        """Fetch a run in a thread of its own, which knows what the caller's knows: whether the kernel waits."""
        try:
            work = partial(copy_context().run, self._try_run, run)
            threading.Thread(target=work, name=AHEAD, daemon=True).start()
        except RuntimeError:
            self._give_back(run)

    def _try_run(self, run: range) -> None:
        try:
            self._run(run)
        except (KoniferFsError, OSError) as error:
            log.debug("what was fetched ahead did not come: %s", error)

    def _run(self, run: range) -> None:
        with self._changed:
            self._running += 1
        part = Part(run.start * PIECE, min(run.stop * PIECE, self._size), self._size)
        try:
            self._fetch(cast(BinaryIO, _Target(partial(self._take, run), part.start)), part)
            if self._is_last(run):
                self._check()
                if self._is_completed_by(run):
                    self._on_complete()
        except ContentUnreadable as error:
            log.warning("%s", error)
            self._damage = error.detail
            self._give_back(run)
            raise
        except BaseException:
            self._give_back(run)
            raise
        finally:
            with self._changed:
                self._running -= 1
                if self._is_closed and not self._running:
                    self.file.close()

    def _take(self, run: range, content: bytes, at: int) -> None:
        """Write what has come, and show it but for the run's last piece.

        Raises SpoolFull; MovedOn once nobody wants it.
        """
        if self._is_closed:
            raise MovedOn
        end = at + len(content)
        view = memoryview(content)
        with telling_full():
            while view:
                view = view[os.pwrite(self.file.fileno(), view, end - len(view)) :]
        self._note_here(range(at // PIECE, min(end // PIECE, run.stop - 1)))

    def _note_here(self, pieces: range) -> None:
        with self._changed:
            for piece in pieces:
                self._pieces[piece] = _HERE
            self._changed.notify_all()

    def _is_last(self, run: range) -> bool:
        """Whether all else is here; otherwise this is shown."""
        with self._changed:
            here = self._pieces.count(_HERE, 0, run.start) + self._pieces.count(_HERE, run.stop)
            if here + len(run) < len(self._pieces):
                self._note_here(run)
                return False
            return True

    def _is_completed_by(self, run: range) -> bool:
        with self._changed:
            self._note_here(run)
            self._is_complete = not self._is_closed
            return self._is_complete

    def _give_back(self, run: range) -> None:
        with self._changed:
            for piece in run:
                if self._pieces[piece] == _COMING:
                    self._pieces[piece] = _ABSENT
            self._changed.notify_all()


class _Target:
    """The writing end that `ObjectStore.fetch` needs."""

    def __init__(self, take: Callable[[bytes, int], object], at: int) -> None:
        self._take = take
        self._at = at

    def write(self, content: bytes) -> int:
        self._take(content, self._at)
        self._at += len(content)
        return len(content)
