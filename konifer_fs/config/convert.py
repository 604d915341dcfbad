"""From what a file says to values: each function takes one value and raises ValueError with the end of a sentence.

`load` puts the name of the key before it. A value is text, a boolean, a list or a dict (hocon.py); what could be
a secret goes through `text`, whose errors do not quote it.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Placeholder

EnumT = TypeVar("EnumT", bound=Enum)

_CONTENT_TYPES: Final = tuple(image_format.content_type for image_format in ImageFormat)
_BOOLEANS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SIZE: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)")
_SPAN: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*([a-z]+)\s*")
_PIXELS: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)\s*((?:[KMG]P)?)", re.IGNORECASE)
_PIXEL_UNITS: Final = {"": 1, "KP": 10**3, "MP": 10**6, "GP": 10**9}
_DAY: Final = 86400
_LONGEST: Final = 36500 * _DAY
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?|[0-9a-f:.]+(%[a-z0-9]+)?")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_BUCKET_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_SUFFIXES: Final = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mwrap")


def _size_units() -> dict[str, int]:
    units = dict.fromkeys(("", "b", "B", "byte", "bytes"), 1)
    for power, prefix in enumerate(("kilo", "mega", "giga", "tera", "peta"), start=1):
        letter, binary = prefix[0].upper(), f"{prefix[:2]}bi"
        decimal = ("kB" if power == 1 else f"{letter}B", f"{prefix}byte", f"{prefix}bytes")
        units |= dict.fromkeys(decimal, 1000**power)
        two = (letter, letter.lower(), f"{letter}i", f"{letter}iB", f"{binary}byte", f"{binary}bytes")
        units |= dict.fromkeys(two, 1024**power)
    return units


def _second_units() -> dict[str, float]:
    spellings = {
        "ns nano nanos nanosecond nanoseconds": 1e-9,
        "us micro micros microsecond microseconds": 1e-6,
        "ms milli millis millisecond milliseconds": 1e-3,
        "s second seconds": 1,
        "m minute minutes": 60,
        "h hour hours": 3600,
        "d day days": 86400,
    }
    return {word: seconds for words, seconds in spellings.items() for word in words.split()}


_BYTES: Final = _size_units()
_SECONDS: Final = _second_units()


def shown(value: object) -> str:
    """Quote a value for people, shortened; of a list or block only what it is."""
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "a block"
    quoted = ascii(value) if isinstance(value, str) else str(value).lower()
    return quoted if len(quoted) <= 60 else f"{quoted[:57]}..."


def text(value: object) -> str:
    """Any text."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("must be text")
    return value


def filled_text(value: object) -> str:
    """Any text but the empty one."""
    if not text(value):
        raise ValueError("must not be empty")
    return text(value)


def boolean(value: object) -> bool:
    """`true` or `false`, also spelled `yes`, `on`, `no`, `off`."""
    try:
        return _BOOLEANS[text(value).lower()]
    except (KeyError, ValueError):
        raise ValueError(f"must be true or false, not {shown(value)}") from None


def whole_number(lowest: int, highest: int) -> Callable[[object], int]:
    """Make the conversion of whole numbers within bounds."""

    def convert(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value) and lowest <= int(value) <= highest:
            return int(value)
        raise ValueError(f"must be a whole number from {lowest} to {highest}, not {shown(value)}")

    return convert


def octal(value: object) -> int:
    """Permission bits as octal digits, `022`."""
    if isinstance(value, str) and re.fullmatch(r"0{0,2}[0-7]{1,3}", value):
        return int(value, 8)
    raise ValueError(f"must be octal digits such as 022, not {shown(value)}")


def size(value: object) -> int:
    """Bytes, at least 1: a whole number, or HOCON's `512 MiB`, `1.5 GB`, `64k`."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    count = _multiply(found[1], _BYTES[found[2]]) if found and found[2] in _BYTES else 0
    if not 1 <= count < 2**63:
        raise ValueError(f"must be a size such as 512 MiB, or a number of bytes, not {shown(value)}")
    return count


def size_or_none(value: object) -> int:
    """Bytes as `size` reads them, or 0."""
    return 0 if value == "0" else size(value)


def _multiply(number: str, unit: int) -> int:
    """Give how many that are; 0 for a number of bytes or pixels that is not whole."""
    exact = Decimal(number) * unit
    return 0 if unit == 1 and exact % 1 else int(exact)


def duration(value: object) -> float:
    """Seconds, for 100 years at most, from HOCON's `30 seconds` or Kotlin's `1h30m`."""
    spans = _SPAN.findall(value) if isinstance(value, str) else []
    if not spans or _SPAN.sub("", str(value)) or any(unit not in _SECONDS for _, unit in spans):
        raise ValueError(f"must be a duration with its unit such as 30s or 1h30m, not {shown(value)}")
    seconds = float(sum(float(count) * _SECONDS[unit] for count, unit in spans))
    if seconds > _LONGEST:
        raise ValueError(f"must be 100 years at most, not {shown(value)}")
    return seconds


def positive_duration(value: object) -> float:
    """Seconds, more than none."""
    seconds = duration(value)
    if not seconds > 0:
        raise ValueError(f"must be longer than nothing, not {shown(value)}")
    return seconds


def time_limit(value: object) -> float:
    """Seconds that one waits for an answer, from a millisecond to a day."""
    seconds = duration(value)
    if not 0.001 <= seconds <= _DAY:
        raise ValueError(f"must be from 1ms to 1 day, not {shown(value)}")
    return seconds


def one_of(*words: str) -> Callable[[object], str]:
    """Make the conversion of a choice, in either case."""

    def convert(value: object) -> str:
        if isinstance(value, str) and value.lower() in words:
            return value.lower()
        raise ValueError(f"must be one of {', '.join(words)}, not {shown(value)}")

    return convert


def member_of(kind: type[EnumT]) -> Callable[[object], EnumT]:
    """Make the conversion of a choice among the values of an enumeration, in either case."""
    word = one_of(*(member.value for member in kind))
    return lambda value: kind(word(value))


def web_address(value: object) -> str:
    """An address that begins with http:// or https://, of a host that DNS can name; it may carry a password."""
    if not isinstance(value, str) or not re.match("https?://", value):
        raise ValueError("must begin with http:// or https://")
    try:
        address = urlsplit(value)
        is_possible = _HOST.fullmatch(address.hostname or "") and address.port != 0
    except ValueError:
        is_possible = False
    if not is_possible:
        raise ValueError("must name a host of letters, digits, hyphens and dots, or its IP address, and perhaps a port")
    return value


def listening_address(value: object) -> tuple[str, int]:
    """Read where to listen, as `127.0.0.1:9464` or `[::1]:9464`."""
    host, separator, port = text(value).rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"must be a host and a port, as 127.0.0.1:9464, not {shown(value)}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def bucket(value: object) -> str:
    """A bucket's name, by the rules that Konifer enforces."""
    if (
        not isinstance(value, str)
        or not _BUCKET.fullmatch(value)
        or value.startswith(_BUCKET_PREFIXES)
        or value.endswith(_BUCKET_SUFFIXES)
    ):
        rules = "3 to 63 of a-z, 0-9 and inner hyphens, and none of the names that S3 reserves"
        raise ValueError(f"must be a bucket's name ({rules}), not {shown(value)}")
    return value


def list_of(things: str, element: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...]]:
    """Make the conversion of a list of `things`, each converted by `element`."""

    def convert(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list of {things}, not {shown(value)}")  # noqa: TRY004 - one kind of error
        try:
            return tuple(element(item) for item in value)
        except ValueError as error:
            raise ValueError(f"must be a list of {things}, each of which {error}") from None

    return convert


def content_types(value: object) -> frozenset[str]:
    """A list of supported content types; the empty one allows none."""
    return frozenset(list_of("content types", one_of(*_CONTENT_TYPES))(value))


def placeholders(value: object) -> frozenset[Placeholder]:
    """A list of kinds of placeholders."""
    return frozenset(list_of("placeholders", member_of(Placeholder))(value))


def profile_names(value: object) -> tuple[str, ...]:
    """A list of profiles by their names, lower-cased, each of them once."""
    return tuple(dict.fromkeys(name.lower() for name in list_of("profiles", text)(value)))


def pixels(value: object) -> int:
    """A number of pixels, at least 1: a whole number, or Konifer's `500KP`, `12MP`, `1.5GP`."""
    found = _PIXELS.fullmatch(value) if isinstance(value, str) else None
    count = _multiply(found[1], _PIXEL_UNITS[found[2].upper()]) if found else 0
    if not 1 <= count < 2**63:
        raise ValueError(f"must be a number of pixels such as 20000000 or 20MP, not {shown(value)}")
    return count
