"""The image engine: hands open files to worker processes, which can be killed where code that reads images cannot be.

Used by wiring, behind `ports.ImageEngine`. There are two kinds of worker: one that reads headers, which is light and
answers in a millisecond (`worker`), and one that decodes and encodes pixels (`rendering.worker`).
"""

import errno
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from konifer_fs.adapters.pillow.pool import WorkerPool
from konifer_fs.domain.errors import ContentUnreadable, SpoolFull
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Limits, Placeholder, Transformation
from konifer_fs.domain.variant import Attributes, Json
from konifer_fs.ports import Rendered

# -P: the directory that we run in may be full of strangers' modules.
WORKER_COMMAND: Final = (sys.executable, "-P", "-m", "konifer_fs.adapters.pillow.worker")
RENDERER_COMMAND: Final = (sys.executable, "-P", "-m", "konifer_fs.adapters.pillow.rendering.worker")
CONFINING_COMMAND: Final = (sys.executable, "-P", "-m", "konifer_fs.adapters.pillow.confining")


class PillowEngine:
    """An ImageEngine of up to `workers` processes that probe and `renderers` that render, started when needed and kept.

    `timeout` is in seconds: a worker that takes longer is killed. `memory_bytes` is what a worker may allocate;
    a file that is probed is mapped and does not count. The commands are what is run, with these two as last arguments.
    """

    def __init__(
        self,
        *,
        workers: int,
        timeout: float,
        memory_bytes: int,
        renderers: int = 1,
        command: Sequence[str] = WORKER_COMMAND,
        renderer_command: Sequence[str] = RENDERER_COMMAND,
    ) -> None:
        limits = (str(memory_bytes), str(timeout))
        self._probing = WorkerPool((*command, *limits), workers=workers, timeout=timeout)
        self._rendering = WorkerPool((*renderer_command, *limits), workers=renderers, timeout=timeout)

    def probe(self, source: Path) -> Attributes:
        """Read the header of a whole image, as `ports.ImageEngine.probe` says; waits while all workers are busy."""
        with _opened(source) as file:
            return _read_attributes(self._probing.ask(b"probe", file))

    def orientation(self, source: Path) -> int:
        """Read the EXIF orientation of an image, as `ports.ImageEngine.orientation` says."""
        with _opened(source) as file:
            return int(str(self._probing.ask(b"orientation", file)["orientation"]))

    def render(
        self, source: Path, target: Path, wanted: Transformation, limits: Limits, placeholders: frozenset[Placeholder]
    ) -> Rendered:
        """Make `target` of `source`, as `ports.ImageEngine.render` says; waits while all renderers are busy."""
        with _opened(source) as read, _made(target) as written:
            said: dict[str, Any] = self._rendering.ask(
                pickle.dumps(("render", wanted, limits, placeholders)), read, written
            )
        return Rendered(attributes=_read_attributes(said["attributes"]), lqip=dict(said["lqip"]))

    def find_placeholders(self, source: Path, kinds: frozenset[Placeholder]) -> Json:
        """Compute placeholders of an image, as `ports.ImageEngine.find_placeholders` says."""
        with _opened(source) as file:
            return self._rendering.ask(pickle.dumps(("find_placeholders", kinds)), file)

    def draw_placeholder(self, kind: Placeholder, text: str, target: Path) -> None:
        """Make a small PNG of a placeholder, as `ports.ImageEngine.draw_placeholder` says."""
        with _made(target) as file:
            self._rendering.ask(pickle.dumps(("draw_placeholder", kind, text)), file)

    def close(self) -> None:
        """End the worker processes, busy ones too; a request under way or later raises ContentUnreadable."""
        self._probing.close()
        self._rendering.close()


@contextmanager
def _opened(source: Path) -> Iterator[int]:
    """Open a file for a worker to read."""
    try:
        file = os.open(source, os.O_RDONLY)
    except OSError as error:
        raise ContentUnreadable(type(error).__name__) from error
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _made(target: Path) -> Iterator[int]:
    """Make an empty file for a worker to write, and remove it if that fails."""
    try:
        file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        kind = SpoolFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else ContentUnreadable
        raise kind(f"the result cannot be written: {error.strerror}") from error
    try:
        yield file
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)


def _read_attributes(said: Any) -> Attributes:  # noqa: ANN401 - JSON
    return Attributes(**{**said, "format": ImageFormat(said["format"])})
