"""From one image file to another. In Konifer's order: decode, turn, resize, colour space, filter, blur, pad, encode.

Every step is done to every page by itself. A page's turn comes after its resizing, which is the same and cheaper.
"""

from dataclasses import replace
from typing import Final

from PIL import Image

from konifer_fs.adapters.pillow.probe import read_attributes
from konifer_fs.adapters.pillow.rendering.color import as_srgb, into_space, settle
from konifer_fs.adapters.pillow.rendering.effects import apply_filter, blur, pad
from konifer_fs.adapters.pillow.rendering.placeholders import BOX, compute_placeholders
from konifer_fs.adapters.pillow.rendering.placing import Place, draft, place
from konifer_fs.adapters.pillow.rendering.reading import Carried, Page, Source, opened
from konifer_fs.adapters.pillow.rendering.writing import write
from konifer_fs.adapters.pillow.serving import read_file, spell_attributes
from konifer_fs.domain.transformation import Filter, Limits, Placeholder, Transformation
from konifer_fs.domain.variant import Json

_SIGMA_PER_BLUR: Final = 0.5


def render(
    source: int, target: int, wanted: Transformation, limits: Limits, placeholders: frozenset[Placeholder]
) -> Json:
    """Write the empty file `target`; gives its `attributes` and `lqip`.

    Raises as the engine's `render`, and what codecs do.
    """
    attributes = read_file(source, read_attributes)
    limits.check(attributes.width, attributes.height, attributes.page_count)
    with opened(source, attributes, limits.max_pixels) as file:
        pages, carried = _make_pages(file, wanted)
    lqip = compute_placeholders(pages[0].image, placeholders)
    write(target, pages, carried, wanted.format, wanted.quality, attributes.loop or 0)
    return {"attributes": spell_attributes(read_file(target, read_attributes)), "lqip": lqip}


def find_placeholders(source: int, kinds: frozenset[Placeholder]) -> Json:
    """Give the placeholders of an image."""
    attributes = read_file(source, read_attributes)
    with opened(source, attributes, None) as file:
        file.draft(BOX)
        (page,) = file.pages(1)
        return compute_placeholders(page.image, kinds)


def _make_pages(source: Source, wanted: Transformation) -> tuple[list[Page], Carried]:
    """Decode and change the pages; gives them, and what goes with them into the result."""
    draft(source, wanted)
    made: list[Page] = []
    where: Place | None = None
    profile: bytes | None = None
    for page in source.pages(source.attributes.page_count if wanted.format.is_paged else 1):
        where = where or place(source, page.image, wanted)
        image, profile = _change(where.apply(page.image), source, wanted)
        # Encoders take from here what they are not told to leave out.
        image.info = {}
        made.append(replace(page, image=image))
    carried = source.carried()
    if where and where.turn is not None:
        carried = carried.upright()
    return made, replace(carried, profile=profile).without(wanted.strip)


def _change(image: Image.Image, source: Source, wanted: Transformation) -> tuple[Image.Image, bytes | None]:
    """Do to a placed page what changes its colours, and its frame; gives it and its profile."""
    profile = source.carried().profile
    if image.mode == "CMYK" and (wanted.filter is not Filter.NONE or wanted.padding):
        image, profile = as_srgb(image, profile), None
    image, profile = into_space(
        image, profile, has=source.attributes.color_space, wanted=wanted.color_space, target=wanted.format
    )
    image = apply_filter(image, wanted.filter)
    if wanted.blur:
        image = blur(image, wanted.blur * _SIGMA_PER_BLUR)
    if wanted.padding and wanted.padding_color:
        opaque = (*wanted.padding_color[:3], 255)
        color = wanted.padding_color if wanted.format.is_translucent else opaque
        image = pad(image, wanted.padding, color)
    return settle(image, profile, wanted.color_space), profile
