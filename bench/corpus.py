"""The pictures that are copied: 1,000 files of 141 MB in ten directories, the same in every run.

Each is a whole picture with random bytes behind its end, which a reader ignores: so sizes are as wanted, and no two
files are alike.
"""

import io
import random
from pathlib import Path
from typing import Final

from PIL import Image

DIRECTORIES: Final = 10
FILES: Final = 100
MEAN_BYTES: Final = 141_000
_SEED: Final = 20
_FORMATS: Final = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF"}


def make_corpus(directory: Path) -> int:
    """Write the corpus into a new `directory`; gives its size in bytes."""
    chance = random.Random(_SEED)
    pictures = {extension: make_picture(name, chance) for extension, name in _FORMATS.items()}
    total = 0
    for place in range(DIRECTORIES):
        below = directory / f"{place:02}"
        below.mkdir(parents=True)
        for number in range(FILES):
            extension = chance.choice(list(pictures))
            size = chance.randrange(MEAN_BYTES // 3, MEAN_BYTES * 5 // 3)
            picture = pictures[extension]
            content = picture + chance.randbytes(size - len(picture))
            (below / f"picture-{number:03}.{extension}").write_bytes(content)
            total += len(content)
    return total


def make_picture(name: str, chance: random.Random) -> bytes:
    """Make a small whole picture of one of Pillow's formats."""
    picture = Image.frombytes("RGB", (96, 64), chance.randbytes(96 * 64 * 3))
    stream = io.BytesIO()
    picture.save(stream, name)
    return stream.getvalue()
