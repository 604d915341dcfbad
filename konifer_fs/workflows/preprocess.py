"""What is stored of a file that was written: the file itself, or what its path's configuration makes of it.

Pixels are decoded only where the configuration asks for something that needs them.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from konifer_fs.config import PathSettings, Preprocessing
from konifer_fs.domain.errors import KoniferFsError
from konifer_fs.domain.normalise import preprocessed
from konifer_fs.domain.outcome import check_limits, is_verbatim
from konifer_fs.domain.transformation import DECODABLE, Placeholder, Rotate, Transformation
from konifer_fs.domain.variant import Attributes, Fingerprint, Json
from konifer_fs.ports import ImageEngine
from konifer_fs.spool import Spool, SpoolFile, fingerprint_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is to be stored: the file `path`, which holds `content`, of a file that held `received`."""

    path: Path
    attributes: Attributes
    lqip: Json
    content: Fingerprint
    received: Fingerprint

    @property
    def is_faithful(self) -> bool:
        """Whether it is, byte for byte, what was written."""
        return self.content == self.received


@contextmanager
def preprocess(
    engine: ImageEngine, spool: Spool, file: SpoolFile, attributes: Attributes, settings: PathSettings
) -> Iterator[Upload]:
    """Give what is to be stored of a whole image with these attributes; its file is there meanwhile.

    Raises:
        ContentTooLarge: the result would be over a limit.
        ContentUnreadable: the image cannot be decoded, or not be made what it should be.
        SpoolFull: the result does not fit.
    """
    with file.opened():
        received = file.fingerprint()
    wanted = _find_work(engine, file.path, attributes, settings.preprocessing)
    if wanted is None:
        lqip = _find_placeholders(engine, file.path, settings.placeholders)
        yield Upload(path=file.path, attributes=attributes, lqip=lqip, content=received, received=received)
        return
    check_limits(wanted, attributes, settings.transform_limits)
    with spool.made_elsewhere() as target:
        made = engine.render(file.path, target, wanted, settings.limits.and_also(DECODABLE), settings.placeholders)
        content = fingerprint_of(target)
        yield Upload(path=target, attributes=made.attributes, lqip=made.lqip, content=content, received=received)


def _find_work(
    engine: ImageEngine, source: Path, attributes: Attributes, settings: Preprocessing
) -> Transformation | None:
    """Give what has to be made of an image, None where it stays as it is."""
    if not settings.enabled:
        return None
    orientation = engine.orientation(source) if settings.request.rotate is Rotate.AUTO else 1
    wanted = preprocessed(settings.request, settings.max_width, settings.max_height, attributes, orientation)
    return None if is_verbatim(wanted, attributes) else wanted


def _find_placeholders(engine: ImageEngine, source: Path, kinds: frozenset[Placeholder]) -> Json:
    """Compute placeholders; an image is stored without, where its pixels cannot be read."""
    if not kinds:
        return {}
    try:
        return engine.find_placeholders(source, kinds)
    except KoniferFsError as error:
        log.warning("an image is stored without placeholders: %s", error)
        return {}
