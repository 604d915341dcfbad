"""Writers on a mount that may die at any moment, and what they were told: their manifest.

Each writer has a directory of its own and does one thing at a time, so at any moment its directory is as it was told
last, or as the one call that was not answered makes it.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from tests.mount.saving import jpeg

Shown = Mapping[str, str]

_PICTURES: Final = [jpeg(seed, padding=seed * 900) for seed in range(24)]
_NAMES: Final = [f"{number}.jpg" for number in range(12)]


@dataclass(slots=True)
class Writer:
    """Saves, replaces, renames and removes files, at random; `acknowledged` is what it was told, checksums by name.

    `attempted` is how the directory is instead if the call that failed was done all the same. `longest` is how many
    seconds the longest call took, also one that failed.
    """

    name: str
    random: random.Random
    manifest: TextIO
    acknowledged: Shown = field(default_factory=dict)
    attempted: Shown = field(default_factory=dict)
    calls: int = 0
    longest: float = 0.0
    failure: OSError | None = None

    def run(self, mountpoint: Path, stop: threading.Event) -> None:
        """Work until told to stop, or until the mount is gone."""
        self.failure = None
        steps = [self._save, self._save, self._save, self._replace, self._rename, self._remove]
        try:
            while not stop.is_set():
                self.random.choice(steps)(mountpoint / self.name)
        except OSError as error:
            self.failure = error

    def _save(self, place: Path) -> None:
        name, content = self.random.choice(_NAMES), self.random.choice(_PICTURES)
        self._do(lambda: (place / name).write_bytes(content), {**self.acknowledged, name: checksum(content)})

    def _replace(self, place: Path) -> None:
        name, content = self.random.choice(_NAMES), self.random.choice(_PICTURES)
        beside = f"new-{name}"
        with_both = {**self.acknowledged, beside: checksum(content)}
        self._do(lambda: (place / beside).write_bytes(content), with_both)
        self._do(lambda: (place / beside).replace(place / name), _renamed(self.acknowledged, beside, name))

    def _rename(self, place: Path) -> None:
        if self.acknowledged:
            old, new = self.random.choice(sorted(self.acknowledged)), self.random.choice(_NAMES)
            self._do(lambda: (place / old).replace(place / new), _renamed(self.acknowledged, old, new))

    def _remove(self, place: Path) -> None:
        if self.acknowledged:
            name = self.random.choice(sorted(self.acknowledged))
            left = {other: content for other, content in self.acknowledged.items() if other != name}
            self._do((place / name).unlink, left)

    def _do(self, call: Callable[[], object], after: Shown) -> None:
        self.attempted = after
        began = time.monotonic()
        try:
            call()
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        self.acknowledged = after
        self.calls += 1
        self.manifest.write(json.dumps({"writer": self.name, "files": after}) + "\n")
        self.manifest.flush()
        os.fsync(self.manifest.fileno())

    def hold(self, mountpoint: Path) -> None:
        """Hold that the directory is as it was told last, or as the unanswered call made it; goes on from there."""
        place = mountpoint / self.name
        found = {path.name: checksum(path.read_bytes()) for path in place.iterdir()}
        assert found in (self.acknowledged, self.attempted), (self.name, _told(self, found))
        self.acknowledged = self.attempted = found


def _told(writer: Writer, found: Shown) -> str:
    names = {*found, *writer.acknowledged}
    wrong = {name: (found.get(name), writer.acknowledged.get(name), writer.attempted.get(name)) for name in names}
    return str({name: states for name, states in wrong.items() if len(set(states)) > 1})


def _renamed(files: Shown, old: str, new: str) -> Shown:
    left = {name: content for name, content in files.items() if name != old}
    return {**left, new: files[old]}


def checksum(content: bytes) -> str:
    """Give a short name for these bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


@contextmanager
def writing(writers: list[Writer], mountpoint: Path) -> Iterator[None]:
    """Let all writers work meanwhile; at the end they have stopped, of themselves or because the mount is gone."""
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(mountpoint, stop)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads), "a writer hangs"
