"""The two kinds of codes that JPEG XL's entropy decoder reads tokens with: ANS and prefix (annex C)."""

from collections.abc import Sequence
from typing import Final, Protocol

from konifer_fs.adapters.pillow.containers.jxl.bits import Bits
from konifer_fs.domain.errors import NotWhole

_TOTAL_BITS: Final = 12
_TOTAL: Final = 1 << _TOTAL_BITS
_RUN: Final = 13
_LENGTHS_ORDER: Final = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
# By the next 4 bits: how many of them are taken, and the value.
_LENGTH_CODE: Final = (
    (2, 0), (2, 4), (2, 3), (3, 2), (2, 0), (2, 4), (2, 3), (4, 1),
    (2, 0), (2, 4), (2, 3), (3, 2), (2, 0), (2, 4), (2, 3), (4, 5),
)  # fmt: skip


class Code(Protocol):
    """Reads tokens; `state` is the ANS decoder's, which prefix codes leave as it is."""

    def read(self, bits: Bits, state: int) -> tuple[int, int]:
        """Give the next token and the state after it."""
        ...


class _AnsCode:
    """A distribution over 4096, by the alias method."""

    def __init__(self, weights: Sequence[int], log_alphabet: int) -> None:
        self._weights = [*weights, *([0] * ((1 << log_alphabet) - len(weights)))]
        self._shift = _TOTAL_BITS - log_alphabet
        size = 1 << self._shift
        if _TOTAL in self._weights:
            symbol = self._weights.index(_TOTAL)
            self._aliases = [(0, symbol, size * n) for n in range(1 << log_alphabet)]
        else:
            self._aliases = _find_aliases(self._weights, size)

    def read(self, bits: Bits, state: int) -> tuple[int, int]:
        """Give the next token and the state after it."""
        index, position = state >> self._shift & (_TOTAL - 1) >> self._shift, state & (1 << self._shift) - 1
        cutoff, symbol, offset = self._aliases[index]
        if position < cutoff:
            symbol, offset = index, 0
        state = self._weights[symbol] * (state >> _TOTAL_BITS) + offset + position
        return symbol, state << 16 | bits.take(16) if state < 1 << 16 else state


def _find_aliases(weights: Sequence[int], size: int) -> list[tuple[int, int, int]]:
    """Give, for each bucket of `size`, where its alias begins, the alias, and what to add to the position."""
    cutoffs = list(weights)
    symbols = list(range(len(weights)))
    offsets = [0] * len(weights)
    over = [n for n, weight in enumerate(weights) if weight > size]
    under = [n for n, weight in enumerate(weights) if weight < size]
    while over:
        giver, taker = over.pop(), under.pop()
        cutoffs[giver] -= size - cutoffs[taker]
        symbols[taker], offsets[taker] = giver, cutoffs[giver] - cutoffs[taker]
        if cutoffs[giver] != size:
            (under if cutoffs[giver] < size else over).append(giver)
    return [(0, n, 0) if cutoff == size else (cutoff, symbols[n], offsets[n]) for n, cutoff in enumerate(cutoffs)]


class _PrefixCode:
    """A canonical prefix code, by (length, code)."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._symbols: dict[tuple[int, int], int] = {}
        code = 0
        for length in range(1, max(lengths, default=0) + 1):
            code <<= 1
            for symbol, its_length in enumerate(lengths):
                if its_length == length:
                    self._symbols[length, code] = symbol
                    code += 1

    def read(self, bits: Bits, state: int) -> tuple[int, int]:
        """Give the next token; raises NotWhole where the bits are no code."""
        code = 0
        for length in range(1, 16):
            code = code << 1 | bits.take(1)
            symbol = self._symbols.get((length, code))
            if symbol is not None:
                return symbol, state
        raise NotWhole("the JPEG XL codestream makes no sense")


class _OneSymbol:
    """A code of no bits."""

    def __init__(self, symbol: int) -> None:
        self._symbol = symbol

    def read(self, bits: Bits, state: int) -> tuple[int, int]:  # noqa: ARG002 - as Code has it
        """Give the symbol."""
        return self._symbol, state


def read_ans_code(bits: Bits, log_alphabet: int) -> Code:
    """Read a distribution; raises NotWhole."""
    weights = _read_weights(bits)
    if len(weights) > 1 << log_alphabet or sum(weights) != _TOTAL or min(weights) < 0:
        raise NotWhole("the JPEG XL codestream makes no sense")
    return _AnsCode(weights, log_alphabet)


def _read_weights(bits: Bits) -> list[int]:
    if bits.flag():
        symbols = [_read_u8(bits) for _ in range(1 + bits.take(1))]
        weights = [0] * (max(symbols) + 1)
        weights[symbols[0]] = _TOTAL if len(symbols) == 1 else bits.take(_TOTAL_BITS)
        weights[symbols[-1]] = _TOTAL if len(symbols) == 1 else _TOTAL - weights[symbols[0]]
        return weights
    if bits.flag():
        count = _read_u8(bits) + 1
        return [_TOTAL // count + (n < _TOTAL % count) for n in range(count)]
    return _read_weights_by_logarithm(bits)


def _read_weights_by_logarithm(bits: Bits) -> list[int]:
    size = 0
    while size < 3 and bits.flag():
        size += 1
    shift = bits.take(size) + (1 << size) - 1
    count = _read_u8(bits) + 3
    logarithms, runs = _read_logarithms(bits, count)
    largest = max(logarithms)
    omitted = logarithms.index(largest)
    weights: list[int] = []
    for n, logarithm in enumerate(logarithms):
        if n in runs:
            weights.extend([weights[-1] if weights else 0] * runs[n])
        if n < len(weights):
            continue
        if n == omitted or logarithm < 2:
            weights.append(0 if n == omitted else logarithm)
            continue
        precision = min(logarithm - 1, max(0, shift - (_TOTAL_BITS - logarithm + 1 >> 1)))
        weights.append((1 << logarithm - 1) + (bits.take(precision) << logarithm - 1 - precision))
    del weights[count:]
    weights[omitted] = _TOTAL - sum(weights)
    return weights


def _read_logarithms(bits: Bits, count: int) -> tuple[list[int], dict[int, int]]:
    """Give each weight's logarithm + 1, and at which index how many weights repeat the one before."""
    logarithms: list[int] = []
    runs: dict[int, int] = {}
    while len(logarithms) < count:
        logarithm = _read_logarithm(bits)
        if logarithm == _RUN:
            runs[len(logarithms)] = _read_u8(bits) + 4
            logarithms.extend([-1] * runs[len(logarithms)])
        else:
            logarithms.append(logarithm)
    return logarithms, runs


# By the lowest bits: how many of them are taken, and the value.
_LOGARITHM_CODE: Final = {
    (3, 0): 10, (3, 2): 7, (3, 4): 6, (3, 5): 8, (3, 6): 9, (4, 3): 3, (4, 7): 5, (4, 9): 4, (4, 11): 1, (4, 15): 2,
    (5, 17): 0, (6, 33): 11, (7, 1): 12, (7, 65): 13,
}  # fmt: skip


def _read_logarithm(bits: Bits) -> int:
    window = bits.peek(7)
    for size in range(3, 8):
        value = _LOGARITHM_CODE.get((size, window & (1 << size) - 1))
        if value is not None:
            bits.skip(size)
            return value
    raise NotWhole("the JPEG XL codestream makes no sense")


def _read_u8(bits: Bits) -> int:
    if not bits.flag():
        return 0
    size = bits.take(3)
    return (1 << size) + bits.take(size)


def read_prefix_sizes(bits: Bits, count: int) -> list[int]:
    """Read the sizes of `count` alphabets."""
    return [_read_alphabet_size(bits) for _ in range(count)]


def _read_alphabet_size(bits: Bits) -> int:
    if not bits.flag():
        return 1
    size = bits.take(4)
    return 1 + (1 << size) + bits.take(size)


def read_prefix_code(bits: Bits, alphabet: int) -> Code:
    """Read a prefix code as Brotli has them (RFC 7932, 3.4 and 3.5); raises NotWhole."""
    if alphabet == 1:
        return _OneSymbol(0)
    skipped = bits.take(2)
    if skipped == 1:
        return _read_simple_code(bits, alphabet)
    lengths = [0] * 18
    space = 32
    for number in _LENGTHS_ORDER[skipped:]:
        taken, lengths[number] = _LENGTH_CODE[bits.peek(4)]
        bits.skip(taken)
        space -= 32 >> lengths[number] if lengths[number] else 0
        if space <= 0:
            break
    used = [number for number, length in enumerate(lengths) if length]
    if not used:
        raise NotWhole("the JPEG XL codestream makes no sense")
    code: Code = _OneSymbol(used[0]) if len(used) == 1 else _PrefixCode(lengths)
    return _PrefixCode(_read_lengths(bits, code, alphabet))


def _read_simple_code(bits: Bits, alphabet: int) -> Code:
    count = bits.take(2) + 1
    symbols = [bits.take((alphabet - 1).bit_length()) for _ in range(count)]
    if max(symbols) >= alphabet or len(set(symbols)) < count:
        raise NotWhole("the JPEG XL codestream makes no sense")
    if count == 1:
        return _OneSymbol(symbols[0])
    sizes = {2: (1, 1), 3: (1, 2, 2), 4: (1, 2, 3, 3) if count == 4 and bits.flag() else (2, 2, 2, 2)}[count]
    lengths = [0] * alphabet
    for symbol, size in zip(symbols, sizes, strict=True):
        lengths[symbol] = size
    return _PrefixCode(lengths)


def _read_lengths(bits: Bits, code: Code, alphabet: int) -> list[int]:
    """Read the length of each symbol's code; 16 repeats the last one that was not 0, 17 repeats 0."""
    lengths: list[int] = []
    last, repeat, repeated, space = 8, 0, 0, 1 << 15
    while len(lengths) < alphabet and space > 0:
        length, _ = code.read(bits, 0)
        if length < 16:
            lengths.append(length)
            last, repeat = length or last, 0
            space -= 1 << 15 >> length if length else 0
            continue
        new = last if length == 16 else 0
        before = repeat if repeated == new else 0
        repeat = ((before - 2 << length - 14) if before else 0) + bits.take(length - 14) + 3
        repeated = new
        lengths.extend([new] * (repeat - before))
        space -= (repeat - before) * (1 << 15 >> new) if new else 0
    if len(lengths) > alphabet or space:
        raise NotWhole("the JPEG XL codestream makes no sense")
    return lengths
