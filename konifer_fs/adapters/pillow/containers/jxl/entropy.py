"""The entropy decoder of JPEG XL: clustered ANS or prefix codes, with LZ77 (ISO/IEC 18181-1, annex C).

Used for what precedes pixels: the ICC profile and permutations of tables of contents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from konifer_fs.adapters.pillow.containers.jxl.bits import U32, Bits
from konifer_fs.adapters.pillow.containers.jxl.codes import Code, read_ans_code, read_prefix_code, read_prefix_sizes
from konifer_fs.domain.errors import NotWhole

_MIN_SYMBOL: Final[U32] = ((0, 224), (0, 512), (0, 4096), (15, 8))
_MIN_LENGTH: Final[U32] = ((0, 3), (0, 4), (2, 5), (8, 9))
_WINDOW: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Numbers:
    """How a token and the bits after it make a number."""

    split_exponent: int
    high: int
    low: int

    def read(self, bits: Bits, token: int) -> int:
        """Give the number that begins with `token`."""
        split = 1 << self.split_exponent
        if token < split:
            return token
        count = self.split_exponent - self.high - self.low + (token - split >> self.high + self.low)
        if count > 32:
            raise NotWhole("a number of the JPEG XL codestream makes no sense")
        low = token & (1 << self.low) - 1
        top = token >> self.low & (1 << self.high) - 1 | 1 << self.high
        return (top << count | bits.take(count)) << self.low | low


@dataclass(frozen=True, slots=True)
class _Copies:
    """LZ77: tokens from `min_symbol` on are lengths of copies."""

    min_symbol: int
    min_length: int
    lengths: _Numbers


class EntropyDecoder:
    """Reads numbers, each in one of `contexts` contexts; raises NotWhole."""

    def __init__(self, bits: Bits, contexts: int) -> None:
        self._bits = bits
        self._copies = _read_copies(bits)
        self._clusters = _read_clusters(bits, contexts + (self._copies is not None))
        count = max(self._clusters) + 1
        is_prefix = bits.flag()
        log_alphabet = 15 if is_prefix else 5 + bits.take(2)
        self._numbers = [_read_numbers(bits, log_alphabet) for _ in range(count)]
        self._codes: list[Code] = (
            [read_prefix_code(bits, size) for size in read_prefix_sizes(bits, count)]
            if is_prefix
            else [read_ans_code(bits, log_alphabet) for _ in range(count)]
        )
        self._state = 0 if is_prefix else bits.take(32)
        self._decoded: list[int] = []
        self._to_copy: tuple[int, int] = (0, 0)

    def read(self, context: int) -> int:
        """Read the next number."""
        count, source = self._to_copy
        if not count:
            value, copied = self._read_or_copy(context)
            if copied is None:
                self._decoded.append(value)
                return value
            count, source = value, copied
        value = self._decoded[source]
        self._to_copy = count - 1, source + 1
        self._decoded.append(value)
        return value

    def _read_or_copy(self, context: int) -> tuple[int, int | None]:
        """Give a number and None, or the length of a copy and where it begins."""
        cluster = self._clusters[context]
        token = self._token(cluster)
        copies = self._copies
        if copies is None or token < copies.min_symbol:
            return self._numbers[cluster].read(self._bits, token), None
        length = copies.lengths.read(self._bits, token - copies.min_symbol) + copies.min_length
        cluster = self._clusters[-1]
        distance = 1 + self._numbers[cluster].read(self._bits, self._token(cluster))
        return length, len(self._decoded) - min(distance, len(self._decoded), _WINDOW)

    def _token(self, cluster: int) -> int:
        token, self._state = self._codes[cluster].read(self._bits, self._state)
        return token


def _read_copies(bits: Bits) -> _Copies | None:
    if not bits.flag():
        return None
    return _Copies(bits.u32(_MIN_SYMBOL), bits.u32(_MIN_LENGTH), _read_numbers(bits, 8))


def _read_numbers(bits: Bits, log_alphabet: int) -> _Numbers:
    split = bits.take(log_alphabet.bit_length())
    if split == log_alphabet:
        return _Numbers(split, 0, 0)
    high = bits.take(split.bit_length())
    if split > log_alphabet or high > split:
        raise NotWhole("the JPEG XL codestream makes no sense")
    low = bits.take((split - high).bit_length())
    if high + low > split:
        raise NotWhole("the JPEG XL codestream makes no sense")
    return _Numbers(split, high, low)


def _read_clusters(bits: Bits, contexts: int) -> Sequence[int]:
    """Give the cluster of each context; those of a cluster share their code."""
    if contexts == 1:
        return [0]
    if bits.flag():
        size = bits.take(2)
        return [bits.take(size) if size else 0 for _ in range(contexts)]
    is_moved_to_front = bits.flag()
    decoder = EntropyDecoder(bits, 1)
    clusters = [decoder.read(0) for _ in range(contexts)]
    if max(clusters) > 255:
        raise NotWhole("the JPEG XL codestream makes no sense")
    return _moved_back(clusters) if is_moved_to_front else clusters


def _moved_back(indexes: Sequence[int]) -> list[int]:
    """Undo move-to-front."""
    order = list(range(256))
    values: list[int] = []
    for index in indexes:
        values.append(order.pop(index))
        order.insert(0, values[-1])
    return values
