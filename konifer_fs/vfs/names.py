"""Names as the mount shows them; pure."""

import re
from datetime import datetime
from pathlib import PurePath
from typing import Final

from konifer_fs.domain.path import MAX_NAME_BYTES, AssetPath, decode_label, is_reserved

_DEFAULT_NAME: Final = re.compile(r"\d+\.")
_CONFLICT_NAME: Final = re.compile(r" \(conflict .+ \d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\dZ\)(\.[^.]*)?\Z")
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+")


def may_appear(name: str) -> bool:
    """Whether this mount can show `name` without being asked to make it: virtual, default and conflict names."""
    return is_reserved(name) or bool(_DEFAULT_NAME.match(name) or _CONFLICT_NAME.search(name))


def may_be_local(name: str, directory: AssetPath) -> bool:
    """Whether a file called `name` in `directory` may hold any bytes: hidden files, backups, hidden directories."""
    hidden = any(label.startswith("__2e") and decode_label(label) for label in directory.labels)
    return hidden or name.startswith(".") or name.endswith("~")


def conflict_name(name: str, host: str, now: datetime) -> str:
    """Give `<stem> (conflict <host> <UTC time>).<ext>`, of up to 255 bytes: for a file that finds its name taken."""
    path = PurePath(name)
    addition = f" (conflict {host} {now:%Y-%m-%dT%H.%M.%SZ}){path.suffix}"
    room = MAX_NAME_BYTES - len(addition.encode())
    return path.stem.encode()[:room].decode(errors="ignore") + addition


def spelling_in_the_way(label: str) -> str | None:
    """Give the one sibling label that, if it exists, keeps `label` from being shown decoded."""
    name = decode_label(label)
    return name if name is not None and name != label and _ALPHABET.fullmatch(name) else None


def spellings_of(label: str) -> set[str]:
    """Give all names under which a directory may show."""
    return {label, decode_label(label) or label}


def shown_label(label: str, *, spelling_taken: bool = False) -> str:
    """Give the name of a directory: decoded where it encodes a name and nothing beside it is spelled so."""
    name = decode_label(label)
    return label if name is None or spelling_taken else name
