"""freedesktop's thumbnails: their sizes, what they are called, and what they tell of their picture; pure.

The source is the Thumbnail Managing Standard, 0.7 to 0.9, whose readers disagree on how a thumbnail in the shared
repository of a directory is called. It is a PNG that says by two texts which file it is of, and of what time.
"""

import struct
import zlib
from collections.abc import Iterator
from hashlib import md5
from typing import Final
from urllib.parse import quote

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import Request, Rotate
from konifer_fs.domain.variant import Attributes

SHARED: Final = ".sh_thumbnails"
# The longest side of each kind, in pixels.
SIZES: Final = {"normal": 128, "large": 256, "x-large": 512, "xx-large": 1024}

# What GLib leaves as it is in the path of a URI.
_UNESCAPED: Final = "!$&'()*+,=:@/~"
# A PNG begins with its signature and the chunk IHDR; our texts come right behind.
PNG_HEAD_BYTES: Final = 33


def file_uri(path: str) -> str:
    """Give the URI of an absolute path, as GLib spells it."""
    return f"file://{quote(path, safe=_UNESCAPED)}"


def relative_uri(name: str) -> str:
    """Give the URI of a file as seen from its own directory."""
    return f"./{quote(name, safe=_UNESCAPED)}"


def thumbnail_name(spelled: str) -> str:
    """Give what a thumbnail is called of what is known to its readers by this URI or name."""
    return f"{_digest(spelled)}.png"


def shared_digests(name: str) -> Iterator[str]:
    """Give what may be asked for of a file in the shared repository of its directory: MD5 sums in hex.

    Of its name (0.7, pqiv), of its name in a URI (Thunar), and of the relative URI (0.8 and later).
    """
    uri = relative_uri(name)
    yield from dict.fromkeys(map(_digest, (name, uri.removeprefix("./"), uri)))


def thumbnail_request(size: int, original: Attributes) -> Request:
    """Give the variant that is the thumbnail of an original: upright, as it is where that is small enough."""
    box = None if max(original.width, original.height) <= size else size
    return Request(width=box, height=box, format=ImageFormat.PNG, rotate=Rotate.AUTO)


def shared_texts(name: str, mtime_ns: int) -> bytes:
    """Give the chunks of a PNG that tell which file a shared thumbnail is of.

    The time has microseconds, as tumbler compares it since 4.17; whoever reads a whole number finds one.
    """
    seconds, microseconds = divmod(abs(mtime_ns // 1000), 10**6)
    return _texts(relative_uri(name), f"{'-' if mtime_ns < 0 else ''}{seconds}.{microseconds:06}")


def personal_texts(uri: str, mtime_ns: int) -> bytes:
    """Give the chunks that tell which file a thumbnail in a user's cache is of: in seconds, as GLib reads it."""
    return _texts(uri, str(mtime_ns // 10**9))


def retold(png: bytes, texts: bytes) -> bytes:
    """Give a thumbnail from a shared repository with other texts."""
    rest = png[PNG_HEAD_BYTES:]
    for _ in range(2):
        (length,) = struct.unpack_from(">I", rest)
        rest = rest[length + 12 :]
    return png[:PNG_HEAD_BYTES] + texts + rest


def _texts(uri: str, mtime: str) -> bytes:
    return _chunk("Thumb::URI", uri) + _chunk("Thumb::MTime", mtime)


def _chunk(keyword: str, text: str) -> bytes:
    typed = b"tEXt" + keyword.encode() + b"\0" + text.encode()
    return struct.pack(">I", len(typed) - 4) + typed + struct.pack(">I", zlib.crc32(typed))


def _digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
