"""What a transformation makes of a picture, told without rendering it: its size, and what need not be made anew."""

from konifer_fs.domain.geometry import Size, fitted_size, turned_size
from konifer_fs.domain.transformation import Filter, Fit, Limits, Rotate, Transformation
from konifer_fs.domain.variant import Attributes


def output_size(wanted: Transformation, source: Attributes) -> Size:
    """Give width and height of the result, padding included."""
    width, height = fitted_size(_turned(wanted, source), wanted)
    return (width + 2 * wanted.padding, height + 2 * wanted.padding)


def check_limits(wanted: Transformation, source: Attributes, limits: Limits) -> None:
    """Raise ContentTooLarge when the result would be over a limit; a target without pages takes the first one."""
    limits.check(*output_size(wanted, source), source.page_count if wanted.format.is_paged else 1)


def is_within(wanted: Transformation, source: Attributes) -> bool:
    """Whether a crop is no larger than the picture that it is cut out of; other fits always have what they need."""
    turned = _turned(wanted, source)
    width, height = fitted_size(turned, wanted)
    return wanted.fit is not Fit.CROP or (width <= turned[0] and height <= turned[1])


def is_verbatim(wanted: Transformation, source: Attributes) -> bool:
    """Whether the result of preprocessing is the source, byte for byte: no step has work, and the format stays.

    As for Konifer, a quality alone is no work: nothing is encoded again for it.
    """
    return (
        wanted.format is source.format
        and not _is_turned(wanted)
        and not _is_resized(wanted, source)
        and wanted.color_space == source.color_space
        and wanted.filter is Filter.NONE
        and wanted.blur == 0
        and wanted.padding == 0
        and not wanted.strip
    )


def renews_placeholder(wanted: Transformation, source: Attributes) -> bool:
    """Whether the result needs placeholders of its own, by Konifer's rule; else it takes over the original's."""
    return (
        _is_turned(wanted)
        or wanted.filter is not Filter.NONE
        or wanted.padding > 0
        or (wanted.fit in {Fit.STRETCH, Fit.FILL} and _is_resized(wanted, source))
    )


def _is_turned(wanted: Transformation) -> bool:
    return wanted.rotate is not Rotate.ZERO or wanted.horizontal_flip


def _is_resized(wanted: Transformation, source: Attributes) -> bool:
    turned = _turned(wanted, source)
    return fitted_size(turned, wanted) != turned


def _turned(wanted: Transformation, source: Attributes) -> Size:
    return turned_size((source.width, source.height), wanted.rotate)
