"""Which part of a page is shown, and at what size. Positions are (left, top, right, bottom) in pixels.

Everything is worked out for the turned picture, and turned back for the page: so pages are cut and resized first and
turned after that, when they are small.
"""

from dataclasses import dataclass
from typing import Final

from PIL import Image

from konifer_fs.adapters.pillow.rendering.effects import on_black
from konifer_fs.adapters.pillow.rendering.gravity import find_window
from konifer_fs.adapters.pillow.rendering.reading import Source
from konifer_fs.domain.errors import ContentUnreadable
from konifer_fs.domain.geometry import Size, covering_scale, fitted_size, turned_size
from konifer_fs.domain.outcome import is_within
from konifer_fs.domain.transformation import Fit, Gravity, Rotate, Transformation

Box = tuple[float, float, float, float]

_TURNS: Final[dict[tuple[Rotate, bool], Image.Transpose]] = {
    (Rotate.ZERO, True): Image.Transpose.FLIP_LEFT_RIGHT,
    (Rotate.NINETY, False): Image.Transpose.ROTATE_270,
    (Rotate.NINETY, True): Image.Transpose.TRANSPOSE,
    (Rotate.ONE_HUNDRED_EIGHTY, False): Image.Transpose.ROTATE_180,
    (Rotate.ONE_HUNDRED_EIGHTY, True): Image.Transpose.FLIP_TOP_BOTTOM,
    (Rotate.TWO_HUNDRED_SEVENTY, False): Image.Transpose.ROTATE_90,
    (Rotate.TWO_HUNDRED_SEVENTY, True): Image.Transpose.TRANSVERSE,
}
# From how much larger a picture is averaged first, in whole steps: three times leaves the filter nothing to notice.
_REDUCING_GAP: Final = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """What becomes of each page: this part of it, at this size, and then turned; None for not at all."""

    part: Box
    size: Size
    turn: Image.Transpose | None

    def apply(self, page: Image.Image) -> Image.Image:
        """Cut, resize and turn a page; gives a new one. Transparent pixels count for nothing."""
        made = page
        if self.part != (0, 0, *page.size) or self.size != page.size:
            made = self._resized(made)
        if self.turn is not None:
            made = made.transpose(self.turn)
        return page.copy() if made is page else made

    def _resized(self, page: Image.Image) -> Image.Image:
        left, top, right, bottom = self.part
        if (right - left, bottom - top) == self.size and left == int(left) and top == int(top):
            return page.crop((int(left), int(top), int(right), int(bottom)))
        return page.resize(self.size, Image.Resampling.LANCZOS, self.part, _REDUCING_GAP)


def turn_of(wanted: Transformation) -> Image.Transpose | None:
    """Give the one step that rotation and flip are together."""
    return _TURNS.get((wanted.rotate, wanted.horizontal_flip))


def draft(source: Source, wanted: Transformation) -> None:
    """Have a source decoded no larger than its pages will be needed."""
    if wanted.fit is Fit.CROP:
        return
    size = turned_size((source.attributes.width, source.attributes.height), wanted.rotate)
    needed = fitted_size(size, wanted)
    if wanted.fit is Fit.FILL:
        scale = covering_scale(size, wanted)
        needed = (int(size[0] / scale), int(size[1] / scale))
    source.draft(turned_size(needed, wanted.rotate))


def place(source: Source, first: Image.Image, wanted: Transformation) -> Place:
    """Say what becomes of the pages of which `first` is one; raises ContentUnreadable for too large a crop."""
    own = (source.attributes.width, source.attributes.height)
    size = turned_size(own, wanted.rotate)
    target = fitted_size(size, wanted)
    part: Box = (0, 0, *size)
    if not is_within(wanted, source.attributes):
        raise ContentUnreadable(f"a crop to {target[0]}x{target[1]} is larger than the picture")
    if wanted.fit in {Fit.CROP, Fit.FILL} and target != size:
        scale = 1.0 if wanted.fit is Fit.CROP else covering_scale(size, wanted)
        part = _find_part(first, size, target, scale, wanted)
    across, down = source.extent[0] / own[0], source.extent[1] / own[1]
    left, top, right, bottom = _turned_back(part, size, wanted)
    return Place(
        part=(left * across, top * down, right * across, bottom * down),
        size=turned_size(target, wanted.rotate),
        turn=turn_of(wanted),
    )


def _find_part(first: Image.Image, size: Size, target: Size, scale: float, wanted: Transformation) -> Box:
    """Give the part of a turned picture of `size` that, shrunk by `scale`, is `target`."""
    cover = (round(size[0] / scale), round(size[1] / scale))
    if wanted.gravity is Gravity.CENTER:
        left, top = (cover[0] - target[0]) // 2, (cover[1] - target[1]) // 2
    else:
        seen = on_black(first).convert("RGB")
        turn = turn_of(wanted)
        seen = seen if turn is None else seen.transpose(turn)
        left, top = find_window(seen, cover, target, wanted.gravity)
    right, bottom = min(size[0], (left + target[0]) * scale), min(size[1], (top + target[1]) * scale)
    return right - target[0] * scale, bottom - target[1] * scale, right, bottom


def _turned_back(part: Box, size: Size, wanted: Transformation) -> Box:
    """Give where `part` of a turned picture of `size` lies in the picture before its turn."""
    left, top, right, bottom = part
    if wanted.horizontal_flip:
        left, right = size[0] - right, size[0] - left
    match wanted.rotate:
        case Rotate.NINETY:
            return top, size[0] - right, bottom, size[0] - left
        case Rotate.ONE_HUNDRED_EIGHTY:
            return size[0] - right, size[1] - bottom, size[0] - left, size[1] - top
        case Rotate.TWO_HUNDRED_SEVENTY:
            return size[1] - bottom, left, size[1] - top, right
        case _:
            return left, top, right, bottom
