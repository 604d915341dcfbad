"""The header of a JPEG XL codestream: size, channels and colours (ISO/IEC 18181-1, annexes D and E)."""

from dataclasses import dataclass
from typing import Final

from konifer_fs.adapters.pillow.colors import color_space_of
from konifer_fs.adapters.pillow.containers.jxl.bits import ENUM, U32, Bits
from konifer_fs.adapters.pillow.containers.jxl.colors import read_color_encoding
from konifer_fs.adapters.pillow.containers.jxl.profile import read_profile

_SIZE: Final[U32] = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW_BLOCKS: Final[U32] = ((0, 16), (0, 32), (5, 1), (9, 33))
_PREVIEW_SIZE: Final[U32] = ((6, 1), (8, 65), (10, 321), (12, 1345))
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_INTEGER_DEPTH: Final[U32] = ((0, 8), (0, 10), (0, 12), (6, 1))
_FLOAT_DEPTH: Final[U32] = ((0, 32), (0, 16), (0, 24), (6, 1))
_CHANNELS: Final[U32] = ((0, 0), (0, 1), (4, 2), (12, 1))
_CHANNEL_SHIFT: Final[U32] = ((0, 0), (0, 3), (0, 4), (3, 1))
_MOSAIC: Final[U32] = ((0, 1), (2, 0), (4, 3), (8, 19))
_TICKS: Final[U32] = ((0, 100), (0, 1000), (10, 1), (30, 1))
_PER_TICK: Final[U32] = ((0, 1), (0, 1001), (8, 1), (10, 1))
_LOOPS: Final[U32] = ((0, 0), (3, 0), (16, 0), (32, 0))
_ALPHA, _SPOT, _FILTER = 0, 2, 5
_UPSAMPLING_WEIGHTS: Final = (15, 55, 210)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeader:
    """What holds for all frames; width and height are of the coded picture, before its orientation."""

    width: int
    height: int
    color_space: str
    orientation: int = 1
    preview: tuple[int, int] | None = None
    is_animated: bool = False
    has_timecodes: bool = False
    extra_channels: int = 0
    is_xyb: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extras:
    orientation: int = 1
    preview: tuple[int, int] | None = None
    is_animated: bool = False
    has_timecodes: bool = False


def read_stream_header(bits: Bits) -> StreamHeader:
    """Read all up to the first frame; raises NotWhole."""
    bits.skip(16)
    width, height = _read_size(bits)
    extras, channels, is_xyb, color_space = _Extras(), 0, True, "srgb"
    has_profile = False
    if not bits.flag():
        has_extras = bits.flag()
        if has_extras:
            extras = _read_extras(bits)
        _skip_depth(bits)
        bits.skip(1)
        channels = bits.u32(_CHANNELS)
        for _ in range(channels):
            _skip_channel(bits)
        is_xyb = bits.flag()
        color_space, has_profile = read_color_encoding(bits)
        if has_extras and not bits.flag():
            bits.skip(16 + 16 + 1 + 16)
        bits.skip_extensions()
    _skip_transform(bits, is_xyb=is_xyb)
    if has_profile:
        profile = read_profile(bits)
        color_space = color_space if is_xyb else color_space_of(profile)
    bits.align()
    return StreamHeader(
        width=width, height=height, color_space=color_space, orientation=extras.orientation, preview=extras.preview,
        is_animated=extras.is_animated, has_timecodes=extras.has_timecodes, extra_channels=channels, is_xyb=is_xyb,
    )  # fmt: skip


def _read_size(bits: Bits) -> tuple[int, int]:
    is_small = bits.flag()
    height = (bits.take(5) + 1) * 8 if is_small else bits.u32(_SIZE)
    if ratio := bits.take(3):
        return _by_ratio(height, ratio), height
    return (bits.take(5) + 1) * 8 if is_small else bits.u32(_SIZE), height


def _by_ratio(height: int, ratio: int) -> int:
    across, down = _RATIOS[ratio - 1]
    return height * across // down


def _read_extras(bits: Bits) -> _Extras:
    orientation = 1 + bits.take(3)
    if bits.flag():
        _read_size(bits)
    preview = _read_preview(bits) if bits.flag() else None
    is_animated, has_timecodes = bits.flag(), False
    if is_animated:
        for ways in (_TICKS, _PER_TICK, _LOOPS):
            bits.u32(ways)
        has_timecodes = bits.flag()
    return _Extras(orientation=orientation, preview=preview, is_animated=is_animated, has_timecodes=has_timecodes)


def _read_preview(bits: Bits) -> tuple[int, int]:
    unit, ways = (8, _PREVIEW_BLOCKS) if bits.flag() else (1, _PREVIEW_SIZE)
    height = bits.u32(ways) * unit
    if ratio := bits.take(3):
        return _by_ratio(height, ratio), height
    return bits.u32(ways) * unit, height


def _skip_depth(bits: Bits) -> None:
    if bits.flag():
        bits.u32(_FLOAT_DEPTH)
        bits.skip(4)
    else:
        bits.u32(_INTEGER_DEPTH)


def _skip_channel(bits: Bits) -> None:
    if bits.flag():
        return
    kind = bits.u32(ENUM)
    _skip_depth(bits)
    bits.u32(_CHANNEL_SHIFT)
    bits.skip_name()
    if kind == _ALPHA:
        bits.skip(1)
    elif kind == _SPOT:
        bits.skip(4 * 16)
    elif kind == _FILTER:
        bits.u32(_MOSAIC)


def _skip_transform(bits: Bits, *, is_xyb: bool) -> None:
    """Pass over the transform to RGB and the weights of upsampling, numbers of 16 bits."""
    if bits.flag():
        return
    if is_xyb and not bits.flag():
        bits.skip(16 * 16)
    present = bits.take(3)
    for number, weights in enumerate(_UPSAMPLING_WEIGHTS):
        if present >> number & 1:
            bits.skip(16 * weights)
