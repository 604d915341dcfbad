"""A konifer.conf of a test's own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from konifer_fs.config import Config, load

Loads = Callable[..., Config]


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    """Load a text as `konifer.conf` under an environment that holds only what is given."""

    def run(text: str, environ: Mapping[str, str] | None = None, **overrides: object) -> Config:
        file = tmp_path / "konifer.conf"
        file.write_text(text, encoding="utf-8")
        return load(file, {"HOME": "/home/ada", **(environ or {})}, **overrides)  # type: ignore[arg-type]

    return run
