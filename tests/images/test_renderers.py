"""Rendering workers hang, crash, eat memory and are killed; nothing is left of their results, and others go on."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from PIL import Image

from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.domain.errors import ContentUnreadable, SpoolFull
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Limits, Transformation
from konifer_fs.ports import Rendered
from tests.images.rendering import encode
from tests.images.test_engine import wait_until, worker_pids
from tests.pictures import make_picture

Store = Callable[[bytes], Path]

FAULTY_COMMAND: Final = (sys.executable, "-P", str(Path(__file__).with_name("faulty_rendering_worker.py")))
MEMORY_BYTES: Final = 256 << 20
DEADLINE: Final = 60
WANTED: Final = Transformation(width=24, height=16, format=ImageFormat.PNG)


def make_engine(*, renderers: int = 1, timeout: float = DEADLINE) -> PillowEngine:
    return PillowEngine(
        workers=1, renderers=renderers, timeout=timeout, memory_bytes=MEMORY_BYTES, renderer_command=FAULTY_COMMAND
    )


@pytest.fixture
def faulty() -> Iterator[PillowEngine]:
    engine = make_engine()
    yield engine
    engine.close()


@pytest.fixture
def picture(stored: Store) -> Path:
    return stored(make_picture(ImageFormat.JPEG))


def renderers() -> set[int]:
    return {pid for pid in worker_pids() if b"rendering" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def run(engine: PillowEngine, source: Path) -> Rendered:
    """Render beside the source; nothing may be left when that fails."""
    target = source.with_name(f"{source.name} rendered")
    try:
        rendered = engine.render(source, target, WANTED, Limits(), frozenset())
    except BaseException:
        assert not target.exists()
        raise
    target.unlink()
    return rendered


@pytest.mark.parametrize("fault", [b"abort", b"killed", b"raise", b"leave", b"eat"])
def test_a_crash_fails_that_rendering_and_no_other(
    faulty: PillowEngine, stored: Store, picture: Path, fault: bytes
) -> None:
    for _ in range(2):
        with pytest.raises(ContentUnreadable):
            run(faulty, stored(fault))
        assert run(faulty, picture).attributes.width == 24


def test_a_renderer_that_hangs_is_killed(stored: Store, picture: Path) -> None:
    engine = make_engine(timeout=3)
    try:
        with pytest.raises(ContentUnreadable, match="too long"):
            run(engine, stored(b"hang"))
        assert run(engine, picture).attributes.width == 24
    finally:
        engine.close()


def test_a_full_disk_is_told_from_a_picture_that_cannot_be_read(faulty: PillowEngine, stored: Store) -> None:
    with pytest.raises(SpoolFull):
        run(faulty, stored(b"full"))


def test_a_picture_that_needs_more_memory_than_allowed_is_unreadable(stored: Store, picture: Path) -> None:
    large = stored(encode(Image.new("RGBA", (8000, 2400)), compress_level=1))
    engine = PillowEngine(workers=1, timeout=DEADLINE, memory_bytes=64 << 20)
    try:
        with pytest.raises(ContentUnreadable, match="MemoryError"):
            run(engine, large)
        assert run(engine, picture).attributes.width == 24
    finally:
        engine.close()


def test_what_is_there_is_not_written_over(faulty: PillowEngine, picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"bytes")
    with pytest.raises(ContentUnreadable, match="exists"):
        faulty.render(picture, target, WANTED, Limits(), frozenset())
    assert target.read_bytes() == b"bytes"
    with pytest.raises(ContentUnreadable, match="No such file"):
        faulty.render(picture, tmp_path / "nowhere" / "result", WANTED, Limits(), frozenset())


def test_probing_starts_no_renderer_and_goes_on_beside_it(stored: Store, picture: Path) -> None:
    engine = make_engine()
    assert engine.probe(picture).format is ImageFormat.JPEG
    assert not renderers()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(run, engine, stored(b"hang"))
        wait_until(lambda: bool(renderers()))
        assert engine.probe(picture).format is ImageFormat.JPEG
        engine.close()
        with pytest.raises(ContentUnreadable):
            hanging.result(DEADLINE)


def test_the_same_renderer_is_used_again_and_their_number_is_bounded(stored: Store) -> None:
    engine = make_engine(renderers=2)
    sources = [stored(make_picture(ImageFormat.JPEG, (30 + number, 20))) for number in range(20)]
    try:
        with ThreadPoolExecutor(10) as pool:
            assert len(list(pool.map(lambda source: run(engine, source), sources))) == len(sources)
        assert 1 <= len(renderers()) <= 2
    finally:
        engine.close()
    assert not renderers()


def test_closing_ends_what_hangs(stored: Store, picture: Path) -> None:
    engine = make_engine(renderers=2)
    with ThreadPoolExecutor(3) as pool:
        hanging = [pool.submit(run, engine, stored(b"hang")) for _ in range(3)]
        wait_until(lambda: len(renderers()) == 2)
        engine.close()
        for future in hanging:
            with pytest.raises(ContentUnreadable):
                future.result(DEADLINE)
    assert not renderers()
    with pytest.raises(ContentUnreadable, match="closed"):
        run(engine, picture)


def test_names_of_any_bytes_are_rendered(faulty: PillowEngine, tmp_path: Path, picture: Path) -> None:
    for name in (b"line\nbreak", b"\xff\xfe", "Größe 🖼".encode()):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(picture.read_bytes())
        assert run(faulty, path).attributes.width == 24
