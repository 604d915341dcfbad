"""An engine with real workers, files to probe, and what renders them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from konifer_fs.adapters.pillow.engine import PillowEngine
from tests.images.rendering import Renderer

MEMORY_BYTES = 256 << 20


@pytest.fixture(scope="module")
def engine() -> Iterator[PillowEngine]:
    engine = PillowEngine(workers=2, timeout=60, memory_bytes=MEMORY_BYTES)
    yield engine
    engine.close()


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes to a file of that test's own."""
    numbers = iter(range(1_000_000))

    def store(content: bytes) -> Path:
        path = tmp_path / f"draft {next(numbers)}"
        path.write_bytes(content)
        return path

    return store


@pytest.fixture
def render(engine: PillowEngine, tmp_path: Path) -> Renderer:
    """Render with that engine."""
    return Renderer(engine, tmp_path)
