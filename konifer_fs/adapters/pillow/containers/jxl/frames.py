"""Frames of a JPEG XL codestream, walked by their headers and tables of contents (ISO/IEC 18181-1, annex F)."""

from dataclasses import dataclass
from typing import Final

from konifer_fs.adapters.pillow.containers.jxl.bits import U32, Bits, signed
from konifer_fs.adapters.pillow.containers.jxl.entropy import EntropyDecoder
from konifer_fs.adapters.pillow.containers.jxl.headers import StreamHeader
from konifer_fs.domain.errors import NotWhole

_UPSAMPLING: Final[U32] = ((0, 1), (0, 2), (0, 4), (0, 8))
_PASSES: Final[U32] = ((0, 1), (0, 2), (0, 3), (3, 4))
_DOWNSAMPLINGS: Final[U32] = ((0, 0), (0, 1), (0, 2), (1, 3))
_LAST_PASS: Final[U32] = ((0, 0), (0, 1), (0, 2), (3, 0))
_LEVEL: Final[U32] = ((0, 1), (0, 2), (0, 3), (0, 4))
_CROP: Final[U32] = ((8, 0), (11, 256), (14, 2304), (30, 18688))
_BLEND_MODE: Final[U32] = ((0, 0), (0, 1), (0, 2), (2, 3))
_BLEND_CHANNEL: Final[U32] = ((0, 0), (0, 1), (0, 2), (3, 3))
_DURATION: Final[U32] = ((0, 0), (0, 1), (8, 0), (32, 0))
_SECTION_BYTES: Final[U32] = ((10, 0), (14, 1024), (22, 17408), (30, 4211712))
_REGULAR, _LOW_FREQUENCY, _REFERENCE, _PROGRESSIVE = range(4)
_REPLACE, _ADD, _BLEND, _WEIGHTED_ADD, _MULTIPLY = range(5)
_USES_LOW_FREQUENCY_FRAME: Final = 0x20
_MAX_SECTIONS: Final = 1 << 20
_BLOCK: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What tells how many sections a frame has; sizes are those coded, after upsampling is taken off."""

    width: int
    height: int
    group_size: int = 256
    passes: int = 1
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class _Crop:
    """The part of the picture that a frame covers."""

    width: int
    height: int
    is_partial: bool = False


def skip_frames(bits: Bits, stream: StreamHeader) -> None:
    """Pass over the preview and all frames to the end of the codestream; raises NotWhole when it is cut short."""
    if stream.preview:
        _skip_frame(bits, stream, *stream.preview)
    while not _skip_frame(bits, stream, stream.width, stream.height):
        pass


def _skip_frame(bits: Bits, stream: StreamHeader, width: int, height: int) -> bool:
    """Pass over a frame; whether it was the last."""
    bits.align()
    frame = _Frame(width=width, height=height) if bits.flag() else _read_frame(bits, stream, width, height)
    _skip_sections(bits, _count_sections(frame))
    return frame.is_last


def _count_sections(frame: _Frame) -> int:
    groups = _tiles(frame, frame.group_size)
    if groups == 1 and frame.passes == 1:
        return 1
    return 2 + _tiles(frame, frame.group_size * _BLOCK) + groups * frame.passes


def _tiles(frame: _Frame, size: int) -> int:
    return -(-frame.width // size) * -(-frame.height // size)


def _skip_sections(bits: Bits, count: int) -> None:
    if count > _MAX_SECTIONS:
        raise NotWhole("a JPEG XL frame has too many sections")
    if bits.flag():
        _skip_permutation(bits, count)
    bits.align()
    size = sum(bits.u32(_SECTION_BYTES) for _ in range(count))
    bits.align()
    bits.skip(8 * size)


def _skip_permutation(bits: Bits, count: int) -> None:
    decoder = EntropyDecoder(bits, 8)
    end = decoder.read(min(count.bit_length(), 7))
    if end > count:
        raise NotWhole("a JPEG XL frame's table of contents makes no sense")
    last = 0
    for _ in range(end):
        last = decoder.read(min(last.bit_length(), 7))


def _read_frame(bits: Bits, stream: StreamHeader, width: int, height: int) -> _Frame:
    """Read a frame header that is not all default; `width` and `height` are of the whole picture."""
    kind = bits.take(2)
    is_modular = bits.flag()
    flags = bits.u64()
    is_ycbcr = not stream.is_xyb and bits.flag()
    upsampling = 1
    if not flags & _USES_LOW_FREQUENCY_FRAME:
        if is_ycbcr:
            bits.skip(3 * 2)
        upsampling = bits.u32(_UPSAMPLING)
        for _ in range(stream.extra_channels):
            bits.u32(_UPSAMPLING)
    group_size = 128 << bits.take(2) if is_modular else 256
    if not is_modular and stream.is_xyb:
        bits.skip(3 + 3)
    passes = _read_passes(bits) if kind != _REFERENCE else 1
    scale = 8 ** bits.u32(_LEVEL) if kind == _LOW_FREQUENCY else 1
    crop = _Crop(width, height)
    if kind != _LOW_FREQUENCY and bits.flag():
        crop = _read_crop(bits, crop, has_origin=kind != _REFERENCE)
    is_last = _read_use(bits, stream, kind, is_partial=crop.is_partial)
    bits.skip_name()
    _skip_filters(bits, is_modular=is_modular)
    bits.skip_extensions()
    return _Frame(
        width=-(-crop.width // (scale * upsampling)), height=-(-crop.height // (scale * upsampling)),
        group_size=group_size, passes=passes, is_last=is_last,
    )  # fmt: skip


def _read_passes(bits: Bits) -> int:
    passes = bits.u32(_PASSES)
    if passes > 1:
        downsamplings = bits.u32(_DOWNSAMPLINGS)
        bits.skip(2 * (passes - 1))
        for ways in (_UPSAMPLING, _LAST_PASS):
            for _ in range(downsamplings):
                bits.u32(ways)
    return passes


def _read_crop(bits: Bits, whole: _Crop, *, has_origin: bool) -> _Crop:
    left, top = (signed(bits.u32(_CROP)) if has_origin else 0 for _ in range(2))
    width, height = bits.u32(_CROP), bits.u32(_CROP)
    covers = left <= 0 and top <= 0 and left + width >= whole.width and top + height >= whole.height
    return _Crop(width, height, is_partial=not covers)


def _read_use(bits: Bits, stream: StreamHeader, kind: int, *, is_partial: bool) -> bool:
    """Read how a frame is blended, shown and kept for later ones; whether it is the last."""
    is_last, duration, replaces = False, 0, False
    if kind in {_REGULAR, _PROGRESSIVE}:
        modes = [_read_blending(bits, stream, is_partial=is_partial) for _ in range(1 + stream.extra_channels)]
        replaces = modes[0] == _REPLACE and not is_partial
        duration = bits.u32(_DURATION) if stream.is_animated else 0
        bits.skip(32 if stream.has_timecodes else 0)
        is_last = bits.flag()
    kept_as = bits.take(2) if kind != _LOW_FREQUENCY and not is_last else 0
    may_be_referenced = not is_last and kind != _LOW_FREQUENCY and (not duration or kept_as)
    if kind == _REFERENCE or (replaces and may_be_referenced):
        bits.skip(1)
    return is_last


def _read_blending(bits: Bits, stream: StreamHeader, *, is_partial: bool) -> int:
    mode = bits.u32(_BLEND_MODE)
    uses_alpha = stream.extra_channels > 0 and mode in {_BLEND, _WEIGHTED_ADD}
    if uses_alpha:
        bits.u32(_BLEND_CHANNEL)
    if uses_alpha or mode == _MULTIPLY:
        bits.skip(1)
    if mode != _REPLACE or is_partial:
        bits.skip(2)
    return mode


def _skip_filters(bits: Bits, *, is_modular: bool) -> None:
    """Pass over the restoration filters, whose numbers are of 16 bits."""
    if bits.flag():
        return
    if bits.flag() and bits.flag():
        bits.skip(6 * 16)
    if bits.take(2):
        if not is_modular and bits.flag():
            bits.skip(8 * 16)
        if bits.flag():
            bits.skip(5 * 16)
        if bits.flag():
            bits.skip((3 if is_modular else 4) * 16)
        if is_modular:
            bits.skip(16)
    bits.skip_extensions()
