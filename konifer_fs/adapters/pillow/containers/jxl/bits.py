"""Bits and the variable-length numbers of a JPEG XL codestream (ISO/IEC 18181-1, annex B). Used by its readers."""

from collections.abc import Sequence
from typing import Final

from konifer_fs.adapters.pillow.containers import Buffer
from konifer_fs.domain.errors import NotWhole

# One of four ways to write a number: (bits, offset).
U32 = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]

ENUM: Final[U32] = ((0, 0), (0, 1), (4, 2), (6, 18))
_NAME_LENGTH: Final[U32] = ((0, 0), (4, 0), (5, 16), (10, 48))


def signed(value: int) -> int:
    """Give the signed number that is written as `value`: 0, -1, 1, -2, ... by turns."""
    return value >> 1 ^ -(value & 1)


class Bits:
    """A codestream, least significant bit first; it may lie in several spans `(start, end)` of the file."""

    def __init__(self, data: Buffer, spans: Sequence[tuple[int, int]]) -> None:
        self._data = data
        self._spans = spans
        self._at = 0
        self.byte_length = sum(end - start for start, end in spans)

    def take(self, count: int) -> int:
        """Read a number of `count` bits; raises NotWhole at the end."""
        first, shift = self._at >> 3, self._at & 7
        size = (count + shift + 7) >> 3
        chunk = self._bytes(first, size)
        if len(chunk) < size:
            raise NotWhole("the JPEG XL codestream is cut short")
        self._at += count
        return (int.from_bytes(chunk, "little") >> shift) & ((1 << count) - 1)

    def peek(self, count: int) -> int:
        """Give the next `count` bits, zeros beyond the end, and stay."""
        first, shift = self._at >> 3, self._at & 7
        chunk = self._bytes(first, (count + shift + 7) >> 3)
        return (int.from_bytes(chunk, "little") >> shift) & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        """Pass over `count` bits; raises NotWhole at the end."""
        self._at += count
        if self._at > self.byte_length << 3:
            raise NotWhole("the JPEG XL codestream is cut short")

    def align(self) -> None:
        """Go on to the next whole byte."""
        self._at = (self._at + 7) & ~7

    def flag(self) -> bool:
        """Read one bit."""
        return bool(self.take(1))

    def u32(self, ways: U32) -> int:
        """Read a number in one of four ways."""
        bits, offset = ways[self.take(2)]
        return offset + (self.take(bits) if bits else 0)

    def u64(self) -> int:
        """Read a number of up to 64 bits."""
        way = self.take(2)
        if way < 3:
            return (0, 1, 17)[way] + (self.take(4 * way) if way else 0)
        value, shift = self.take(12), 12
        while self.flag():
            if shift == 60:
                return value | self.take(4) << shift
            value |= self.take(8) << shift
            shift += 8
        return value

    def skip_name(self) -> None:
        """Pass over a name of a channel or frame."""
        self.skip(8 * self.u32(_NAME_LENGTH))

    def skip_extensions(self) -> None:
        """Pass over what later versions may have added to a header."""
        present = self.u64()
        self.skip(sum(self.u64() for _ in range(present.bit_count())))

    def _bytes(self, first: int, size: int) -> bytes:
        chunk = b""
        for start, end in self._spans:
            if first < end - start:
                chunk += self._data[start + first : min(start + first + size - len(chunk), end)]
                if len(chunk) == size:
                    break
                first = 0
            else:
                first -= end - start
        return chunk
