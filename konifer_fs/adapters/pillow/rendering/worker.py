"""The rendering worker. Run by the engine as `python -m konifer_fs.adapters.pillow.rendering.worker`, see `serving`.

A message is a pickled tuple, which the engine alone can send: an operation and what its function takes after the files.
"""

import errno
import pickle
import warnings
from collections.abc import Callable
from typing import Final

from PIL import Image

from konifer_fs.adapters.pillow.rendering.pipeline import find_placeholders, render
from konifer_fs.adapters.pillow.rendering.placeholders import draw_placeholder
from konifer_fs.adapters.pillow.serving import serve, spell_error
from konifer_fs.domain.errors import ContentTooLarge, ContentUnreadable, KoniferFsError, NotWhole, SpoolFull
from konifer_fs.domain.variant import Json

_OPERATIONS: Final[dict[str, Callable[..., Json]]] = {
    "render": render,
    "find_placeholders": find_placeholders,
    "draw_placeholder": draw_placeholder,
}


def main() -> None:
    """Answer until the engine is gone."""
    # Pillow warns of damage that it can read over; what it cannot is an error.
    warnings.simplefilter("ignore")
    serve(answer_message)


def answer_message(message: bytes, *files: int) -> Json:
    """Do what is asked and give what came of it, or an error."""
    operation, *arguments = pickle.loads(message)  # noqa: S301 - our engine's
    try:
        return _OPERATIONS[operation](*files, *arguments)
    except Exception as error:  # noqa: BLE001 - codecs raise anything
        return _explain(error)


def _explain(error: Exception) -> Json:
    if isinstance(error, NotWhole):
        return spell_error(ContentUnreadable, error.detail)
    if isinstance(error, KoniferFsError):
        return spell_error(type(error), error.detail)
    if isinstance(error, Image.DecompressionBombError):
        return spell_error(ContentTooLarge, str(error))
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return spell_error(SpoolFull, "the result does not fit")
    return spell_error(ContentUnreadable, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
