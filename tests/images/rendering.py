"""Renders in tests: bytes in, an opened picture out. Used by the tests named test_render*."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Limits, Placeholder, Transformation
from konifer_fs.domain.variant import Attributes, Json
from tests.pictures import make_picture

NO_PLACEHOLDERS: frozenset[Placeholder] = frozenset()


@dataclass(frozen=True, slots=True)
class Result:
    """What a rendering made: its bytes, the same opened, and what the engine says of it."""

    content: bytes
    image: Image.Image
    attributes: Attributes
    lqip: Json

    @property
    def size(self) -> tuple[int, int]:
        return self.image.size

    def pixel(self, x: int, y: int) -> Any:  # noqa: ANN401 - Pillow's
        return self.image.getpixel((x, y))


class Renderer:
    """Renders with a real engine, in a directory of its own, and looks that nothing else is left there."""

    def __init__(self, engine: PillowEngine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory

    def __call__(
        self,
        source: bytes | Path,
        *,
        limits: Limits | None = None,
        placeholders: frozenset[Placeholder] = NO_PLACEHOLDERS,
        **wanted: Any,  # noqa: ANN401 - a Transformation's
    ) -> Result:
        """Render `source`; what is not given of the transformation is as the source is."""
        path = self.store(source)
        found = self._engine.probe(path)
        given: dict[str, Any] = {
            "width": found.width, "height": found.height, "format": found.format, "color_space": found.color_space,
        }  # fmt: skip
        return self.run(path, Transformation(**{**given, **wanted}), limits or Limits(), placeholders)

    def run(
        self,
        path: Path,
        transformation: Transformation,
        limits: Limits | None = None,
        placeholders: frozenset[Placeholder] = NO_PLACEHOLDERS,
    ) -> Result:
        """Render a file, whatever it is."""
        target = self._directory / "result"
        try:
            rendered = self._engine.render(path, target, transformation, limits or Limits(), placeholders)
            content = target.read_bytes()
        except BaseException:
            assert not target.exists()
            raise
        target.unlink()
        return Result(content, open_picture(content), rendered.attributes, rendered.lqip)

    def store(self, source: bytes | Path) -> Path:
        """Give the file that holds `source`."""
        if isinstance(source, Path):
            return source
        path = self._directory / "source"
        path.write_bytes(source)
        return path


def open_picture(content: bytes) -> Image.Image:
    """Open and load an image of any of the seven formats."""
    register_plugins()
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def register_plugins() -> None:
    """Make this process able to read all formats."""
    make_picture(ImageFormat.PNG, (1, 1))


def paint(size: tuple[int, int], color_at: Callable[[int, int], tuple[int, ...]], mode: str = "RGB") -> Image.Image:
    """Draw a picture pixel by pixel."""
    image = Image.new(mode, size)
    for y in range(size[1]):
        for x in range(size[0]):
            image.putpixel((x, y), color_at(x, y))
    return image


def encode(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    """Encode a picture with Pillow's codec `name`."""
    register_plugins()
    encoded = io.BytesIO()
    image.save(encoded, name, **options)
    return encoded.getvalue()


def quarters(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Give a picture whose corners are red, green, blue and white, from the top left clockwise."""
    colors = {(False, False): RED, (True, False): GREEN, (True, True): BLUE, (False, True): WHITE}
    return paint(size, lambda x, y: colors[2 * x >= size[0], 2 * y >= size[1]])


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(image: Image.Image) -> str:
    """Name the corners' colours, from the top left clockwise: `RGBW` for `quarters`; `-` for none of them."""
    width, height = image.size
    places = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    return "".join(_name(image.convert("RGB").getpixel(place)) for place in places)


def _name(pixel: Any) -> str:  # noqa: ANN401 - Pillow's
    for name, color in zip("RGBW", (RED, GREEN, BLUE, WHITE), strict=True):
        if max(abs(a - b) for a, b in zip(pixel, color, strict=True)) < 60:
            return name
    return "-"
