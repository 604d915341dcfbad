"""The probing worker: what a file is, and how its EXIF turns it.

Run by the engine as `python -m konifer_fs.adapters.pillow.worker`, see `serving`. A message is an operation,
`probe` or `orientation`, and comes with one file. Nothing here imports an image library: headers are read, pixels not.
"""

from collections.abc import Callable
from typing import Final

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.adapters.pillow.probe import read_attributes, read_orientation
from konifer_fs.adapters.pillow.serving import read_file, serve, spell_attributes, spell_error
from konifer_fs.domain.errors import ContentUnreadable, NotWhole, WrongMediumType
from konifer_fs.domain.variant import Json


def main() -> None:
    """Answer until the engine is gone."""
    serve(answer_message)


def answer_message(message: bytes, file: int) -> Json:
    """Give the attributes or the `orientation` of a file, or an error."""
    try:
        return read_file(file, _READERS[message])
    except (WrongMediumType, NotWhole) as error:
        return spell_error(type(error), error.detail)
    except (OSError, MemoryError) as error:
        return spell_error(ContentUnreadable, type(error).__name__)


_READERS: Final[dict[bytes, Callable[[Buffer], Json]]] = {
    b"probe": lambda data: spell_attributes(read_attributes(data)),
    b"orientation": lambda data: {"orientation": read_orientation(data)},
}


if __name__ == "__main__":
    main()
