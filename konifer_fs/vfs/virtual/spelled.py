"""Labels, tags and paths as names of files: percent-encoded where they have to be; pure.

What is encoded are `%`, `/` and control characters, `=` in the key of a label, and a whole `.` or `..`; each of their
UTF-8 bytes becomes `%` and two hex digits.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

# What kernels before 6.13 take for a name; a longer one can be looked up on later ones.
MAX_LISTED_BYTES: Final = 1024

_ENCODED: Final = re.compile(r"[%/\x00-\x1f\x7f-\x9f]")
_ENCODED_IN_KEY: Final = re.compile(r"[%/=\x00-\x1f\x7f-\x9f]")
_MALFORMED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOTS: Final = {".": "%2E", "..": "%2E%2E"}


def encode_text(text: str) -> str:
    """Give the name that stands for a text."""
    return _DOTS.get(text) or _ENCODED.sub(_escape, text)


def decode_text(name: str) -> str | None:
    """Give the text that a name stands for; None for one that is malformed, or stands for a NUL."""
    if "%" not in name:
        return name
    if _MALFORMED.search(name):
        return None
    try:
        text = unquote_to_bytes(name).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def encode_label(key: str, value: str) -> str:
    """Give the name `<key>=<value>` that stands for a label."""
    return f"{_ENCODED_IN_KEY.sub(_escape, key)}={_ENCODED.sub(_escape, value)}"


def decode_label(name: str) -> tuple[str, str] | None:
    """Give the key and value that a name stands for; None unless it is a well-formed `<key>=<value>`."""
    spelled_key, separator, spelled_value = name.partition("=")
    key, value = decode_text(spelled_key), decode_text(spelled_value)
    return (key, value) if separator and key is not None and value is not None else None


def may_be_listed(name: str) -> bool:
    """Whether every kernel takes a name."""
    return len(name.encode()) <= MAX_LISTED_BYTES


def _escape(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())
