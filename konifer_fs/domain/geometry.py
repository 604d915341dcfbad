"""How large a picture becomes: rotation, boxes and fits, rounded as libvips 8.18 rounds for Konifer."""

import math

from konifer_fs.domain.transformation import Fit, Rotate, Transformation

Size = tuple[int, int]


def turned_size(size: Size, rotate: Rotate) -> Size:
    """Give the size of a picture after a rotation."""
    return size[::-1] if rotate in {Rotate.NINETY, Rotate.TWO_HUNDRED_SEVENTY} else size


def fitted_size(size: Size, wanted: Transformation) -> Size:
    """Give the size that a turned picture of `size` gets by `wanted`, without padding.

    A crop larger than the picture, which cannot be made, gives its box.
    """
    box = (wanted.width, wanted.height)
    if wanted.fit is not Fit.FIT:
        return box if wanted.can_upscale else (min(box[0], size[0]), min(box[1], size[1]))
    if not wanted.can_upscale and box[0] >= size[0] and box[1] >= size[1]:
        return size
    return shrunk_into(size, box)


def shrunk_into(size: Size, box: Size) -> Size:
    """Scale `size`, up or down, into `box`, keeping the proportions.

    Twice, as Konifer does: it computes a box of the picture's proportions, into which libvips fits the picture.
    """
    if size == box:
        return size
    scale = min(box[0] / size[0], box[1] / size[1])
    inner = [max(1, _round(side * scale)) for side in size]
    shrink = max(size[0] / inner[0], size[1] / inner[1])
    width, height = (_round(side / min(shrink, side)) for side in size)
    return width, height


def covering_scale(size: Size, wanted: Transformation) -> float:
    """Give by how much a turned picture of `size` is shrunk to fill the box of `wanted`; under 1 it is enlarged."""
    shrink = min(size[0] / wanted.width, size[1] / wanted.height)
    return shrink if wanted.can_upscale else max(1.0, shrink)


def _round(value: float) -> int:
    return math.floor(value + 0.5)
