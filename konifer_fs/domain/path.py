"""Asset paths, their ltree spelling, and how directory names become ltree labels.

An ltree label (PostgreSQL >= 16) is 1 to 1000 characters of `[A-Za-z0-9_-]`. A directory name outside that
alphabet is encoded into it, reversibly and injectively (docs/SEMANTICS.md, Names).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from konifer_fs.domain.errors import NameNotText, NameReserved, NameTooLong

MAX_LABEL: Final = 1000
MAX_NAME_BYTES: Final = 255
# Longer paths break Konifer's GiST index for every writer (PostgreSQL error XX000, only REINDEX repairs it).
MAX_STORED_BYTES: Final = 1900

_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,1000}")
_ESCAPE: Final = re.compile(rb"__([0-9a-f]{2})")
_TO_ESCAPE: Final = re.compile(rb"[^A-Za-z0-9_-]|_(?=_)|-\Z")


def is_reserved(name: str) -> bool:
    """Whether `name` is one of the mount's virtual names: `-`, or any that ends in `@`."""
    return name == "-" or name.endswith("@")


def check_name(name: str) -> None:
    """Raise unless a file or directory may be created as `name`.

    Raises:
        NameReserved: `-` and names ending in `@`.
        NameTooLong: over 255 bytes of UTF-8.
        NameNotText: it holds lone surrogates, that is, it was not UTF-8.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise NameNotText(ascii(name)) from error
    if is_reserved(name):
        raise NameReserved(name)
    if size > MAX_NAME_BYTES:
        raise NameTooLong(name)


def encode_name(name: str) -> str:
    """Give the ltree label of a directory called `name`; raises NameTooLong over 1000 characters."""
    label = _TO_ESCAPE.sub(lambda found: b"__%02x" % found[0][0], name.encode()).decode("ascii")
    if len(label) > MAX_LABEL:
        raise NameTooLong(name)
    return label


def decode_label(label: str) -> str | None:
    """Give the name that `label` encodes, or None when it is no name's encoding."""
    try:
        name = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), label.encode("ascii")).decode()
        check_name(name)
    except (UnicodeDecodeError, NameReserved, NameTooLong):
        return None
    if name in {".", ".."} or "/" in name or "\0" in name or encode_name(name) != label:
        return None
    return name


def candidate_labels(name: str) -> tuple[str, ...]:
    """Give the labels a directory shown as `name` may have, the one that wins first."""
    try:
        encoded = encode_name(name)
    except NameTooLong:
        encoded = ""
    literal = name if _LABEL.fullmatch(name) else ""
    return tuple(dict.fromkeys(label for label in (literal, encoded) if label))


@dataclass(frozen=True, slots=True)
class AssetPath:
    """Where assets are stored: ltree labels below `root`, none for the root itself."""

    labels: tuple[str, ...] = ()

    @classmethod
    def from_ltree(cls, text: str) -> Self:
        """Read PostgreSQL's spelling, `root.users.123`."""
        return cls(tuple(text.split(".")[1:]))

    @classmethod
    def from_konifer(cls, text: str) -> Self:
        """Read Konifer's spelling, `/users/123`; raises ValueError for what has no ltree form."""
        labels = tuple(label for label in text.strip("/").split("/") if label)
        if not all(_LABEL.fullmatch(label) for label in labels):
            raise ValueError(text)
        return cls(labels)

    @property
    def ltree(self) -> str:
        """PostgreSQL's spelling: `root`, `root.users.123`."""
        return ".".join(("root", *self.labels))

    @property
    def konifer(self) -> str:
        """Konifer's spelling: `/`, `/users/123`."""
        return "/" + "/".join(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """What the labels are shown as, but for those that have another beside them that is spelled so."""
        return tuple(decode_label(label) or label for label in self.labels)

    @property
    def shown(self) -> str:
        """How a mount of the root shows it: `/`, `/users/Summer 2026`."""
        return "/" + "/".join(self.names)

    @property
    def label(self) -> str:
        """The last label; the root's is `root`."""
        return self.labels[-1] if self.labels else "root"

    @property
    def stored_bytes(self) -> int:
        """Size of the value as PostgreSQL stores it: 8, and per label its length + 2, rounded up to 8."""
        return 8 + sum((len(label) + 2 + 7) // 8 * 8 for label in ("root", *self.labels))

    def child(self, label: str) -> "AssetPath":
        """Give the path of the sub-directory `label`."""
        return AssetPath((*self.labels, label))

    def child_named(self, name: str) -> "AssetPath":
        """Give the path a new directory `name` gets; raises NameTooLong over the limit of 1,900 bytes."""
        check_name(name)
        path = self.child(encode_name(name))
        if path.stored_bytes > MAX_STORED_BYTES:
            raise NameTooLong(name)
        return path

    @property
    def parent(self) -> "AssetPath":
        """Give the path above; the root is its own."""
        return AssetPath(self.labels[:-1])

    def ancestors(self) -> Iterator["AssetPath"]:
        """Give every path from the root down to and including this one."""
        for depth in range(len(self.labels) + 1):
            yield AssetPath(self.labels[:depth])

    def is_within(self, other: "AssetPath") -> bool:
        """Whether this is `other` or lies below it."""
        return self.labels[: len(other.labels)] == other.labels

    def rebased(self, old: "AssetPath", new: "AssetPath") -> "AssetPath":
        """Give where this path, which is within `old`, lies once `old` is called `new`."""
        return AssetPath(new.labels + self.labels[len(old.labels) :])
