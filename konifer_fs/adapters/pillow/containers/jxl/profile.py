"""The ICC profile within a JPEG XL codestream: entropy-coded, and predicted (ISO/IEC 18181-1, annex E.4)."""

from typing import Final

from konifer_fs.adapters.pillow.colors import MAX_PROFILE_BYTES
from konifer_fs.adapters.pillow.containers.jxl.bits import Bits
from konifer_fs.adapters.pillow.containers.jxl.entropy import EntropyDecoder
from konifer_fs.domain.errors import NotWhole

_CONTEXTS: Final = 41
_HEADER_BYTES: Final = 128
_TAGS: Final = (
    b"cprt", b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC",
    b"chad", b"desc", b"chrm", b"dmnd", b"dmdd", b"lumi",
)  # fmt: skip
_XYZ_TAGS: Final = frozenset({b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"wtpt", b"bkpt", b"lumi"})
_TYPES: Final = (b"XYZ ", b"desc", b"text", b"mluc", b"para", b"curv", b"sf32", b"gbd ")
_PLATFORMS: Final = {b"A": b"APPL", b"M": b"MSFT", b"SG": b"SGI ", b"SU": b"SUNW"}


def read_profile(bits: Bits) -> bytes:
    """Read the profile; raises NotWhole, also for one over MAX_PROFILE_BYTES."""
    size = bits.u64()
    if size > MAX_PROFILE_BYTES:
        raise NotWhole("the colour profile is too large")
    decoder = EntropyDecoder(bits, _CONTEXTS)
    coded = bytearray(2)
    for number in range(size):
        context = 0 if number <= _HEADER_BYTES else _context(coded[-1], coded[-2])
        coded.append(decoder.read(context) & 0xFF)
    return _Unpredicted(bytes(coded[2:])).profile


def _context(last: int, before: int) -> int:
    return 1 + _kind_of_last(last) + 8 * _kind_of_one_before(before)


def _is_letter(byte: int) -> bool:
    return chr(byte).isascii() and chr(byte).isalpha()


def _kind_of_last(byte: int) -> int:
    if _is_letter(byte):
        return 0
    if byte in b"0123456789.,":
        return 1
    if byte < 16:
        return 2 + min(byte, 2)
    return 7 if byte <= 240 else 5 + (byte == 255)


def _kind_of_one_before(byte: int) -> int:
    if _is_letter(byte):
        return 0
    if byte in b"0123456789.,":
        return 1
    if byte < 16:
        return 2
    return 3 if byte > 240 else 4


class _Unpredicted:
    """A profile made from its coded form: numbers and commands, then the bytes that they work on."""

    def __init__(self, coded: bytes) -> None:
        self._coded = coded
        self._at = 0
        self._size = self._number()
        commands = self._number()
        self._end = self._at + commands
        self._data = self._end
        if self._size > MAX_PROFILE_BYTES or self._end > len(coded):
            raise NotWhole("the colour profile makes no sense")
        self._out = bytearray()
        self._make_header()
        if len(self._out) < self._size:
            self._make_tags()
        while self._at < self._end and len(self._out) <= self._size:
            self._make_content()
        self.profile = bytes(self._out)

    def _byte(self) -> int:
        self._at += 1
        return self._coded[self._at - 1]

    def _number(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 63:
                return value

    def _take(self, count: int) -> bytes:
        self._data += count
        if self._data > len(self._coded):
            raise NotWhole("the colour profile makes no sense")
        return self._coded[self._data - count : self._data]

    def _make_header(self) -> None:
        expected = bytearray(_HEADER_BYTES)
        expected[:4] = self._size.to_bytes(4, "big")
        expected[8] = 4
        expected[12:24] = b"mntrRGB XYZ "
        expected[36:40] = b"acsp"
        expected[68:80] = bytes.fromhex("0000f6d6 00010000 0000d32d")
        for number, byte in enumerate(self._take(min(_HEADER_BYTES, self._size))):
            if number == 8:
                expected[80:84] = self._out[4:8]
            elif number in {41, 42}:
                platform = _PLATFORMS.get(bytes(self._out[40:number]), b"")
                expected[number:44] = (platform or expected[40:44])[number - 40 :]
            self._out.append(byte + expected[number] & 0xFF)

    def _make_tags(self) -> None:
        count = self._number() - 1
        if count < 0:
            return
        self._out += count.to_bytes(4, "big")
        start, size = _HEADER_BYTES + 12 * count, 0
        while self._at < self._end and (command := self._byte()) & 63:
            code = command & 63
            name = self._tag_name(code)
            start = self._number() if command & 64 else start + size
            size = 20 if name in _XYZ_TAGS else size
            size = self._number() if command & 128 else size
            self._add_tag(name, start, size)
            if code == 2:
                self._add_tag(b"gTRC", start, size)
                self._add_tag(b"bTRC", start, size)
            elif code == 3:
                self._add_tag(b"gXYZ", start + size, size)
                self._add_tag(b"bXYZ", start + 2 * size, size)

    def _tag_name(self, code: int) -> bytes:
        if code == 1:
            return self._take(4)
        return {2: b"rTRC", 3: b"rXYZ"}.get(code) or _TAGS[code - 4]

    def _add_tag(self, name: bytes, start: int, size: int) -> None:
        self._out += name + (start & 0xFFFFFFFF).to_bytes(4, "big") + (size & 0xFFFFFFFF).to_bytes(4, "big")

    def _make_content(self) -> None:
        command = self._byte()
        if command == 1:
            self._out += self._take(self._number())
        elif command in {2, 3}:
            self._out += _unshuffled(self._take(self._number()), 2 * command - 2)
        elif command == 4:
            self._make_predicted()
        elif command == 10:
            self._out += b"XYZ \0\0\0\0" + self._take(12)
        elif 16 <= command < 16 + len(_TYPES):
            self._out += _TYPES[command - 16] + b"\0\0\0\0"
        else:
            raise NotWhole("the colour profile makes no sense")

    def _make_predicted(self) -> None:
        flags = self._byte()
        width, order = (flags & 3) + 1, flags >> 2 & 3
        stride = self._number() if flags & 16 else width
        residuals = _unshuffled(self._take(self._number()), width)
        if width == 3 or order == 3 or not width <= stride <= len(self._out) // 4:
            raise NotWhole("the colour profile makes no sense")
        begin = len(self._out)
        for number, residual in enumerate(residuals):
            offset = number % width
            at = begin + number - offset
            last, before, first = (
                int.from_bytes(self._out[at - stride * back : at - stride * back + width], "big") for back in (1, 2, 3)
            )
            value = (last, 2 * last - before, 3 * last - 3 * before + first)[order]
            self._out.append((value >> 8 * (width - 1 - offset)) + residual & 0xFF)


def _unshuffled(data: bytes, width: int) -> bytes:
    """Put the bytes of numbers of `width` bytes together again, which were stored as first bytes, second bytes, ..."""
    height = -(-len(data) // width)
    return bytes(data[at] for row in range(height) for at in range(row, len(data), height)) if data else data
