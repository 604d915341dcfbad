"""The words behind `-o`, as `mount` and fstab spell them.

The command line reads them before anything is started. What they do is up to `mount` and wiring.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

# What mount(8) or systemd reads, and what holds here anyway.
_IGNORED: Final = frozenset(
    {
        *("defaults", "auto", "noauto", "nofail", "_netdev", "user", "users", "nouser", "owner", "group"),
        *("nosuid", "nodev", "exec", "async", "silent", "loud", "lazytime", "nolazytime"),
        *("atime", "relatime", "norelatime", "strictatime", "nostrictatime", "diratime", "nodiratime"),
    }
)
_FLAGS: Final = {
    "ro": "read_only",
    "allow_other": "allow_other",
    "root_squash": "root_squash",
    "show_virtual": "show_virtual",
}
KERNEL_WORDS: Final = frozenset({"noexec", "noatime"})
_NUMBERS: Final = {"uid": 10, "gid": 10, "umask": 8}
# All that can be said, but for what is ignored.
WORDS: Final = (*_FLAGS, *(f"{number}=" for number in (*_NUMBERS, "fsname")), *sorted(KERNEL_WORDS))


class OptionError(ValueError):
    """One sentence for people about a word behind `-o`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountOptions:
    """What `-o` said; None where it said nothing.

    `source` is what df and findmnt call what is mounted. `kernel` are the words that only the kernel has to know.
    """

    read_only: bool = False
    allow_other: bool = False
    root_squash: bool = False
    show_virtual: bool = False
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    source: str = "konifer-fs"
    kernel: frozenset[str] = frozenset()


def parse_options(texts: Iterable[str]) -> MountOptions:
    """Read comma-separated words; the later of two wins. Raises OptionError."""
    options = MountOptions()
    for word in split_words(texts):
        options = _with_word(options, word)
    if options.root_squash and not options.allow_other:
        raise OptionError("-o root_squash: only with allow_other, without which nobody but who mounts is let in anyway")
    return options


def split_words(texts: Iterable[str]) -> list[str]:
    """Give the words, which commas part."""
    return [word for text in texts for word in map(str.strip, text.split(",")) if word]


def _with_word(options: MountOptions, word: str) -> MountOptions:
    key, separator, value = word.partition("=")
    changes: dict[str, Any] = {}
    if separator and key in _NUMBERS:
        changes[key] = _number(key, value)
    elif separator and key == "fsname":
        changes["source"] = _source(value)
    elif word in _FLAGS:
        changes[_FLAGS[word]] = True
    elif word == "rw":
        changes["read_only"] = False
    elif word in KERNEL_WORDS:
        changes["kernel"] = options.kernel | {word}
    elif word not in _IGNORED and not word.startswith("x-"):
        raise OptionError(f"-o {word}: there is no such mount option (there are {', '.join(WORDS)})")
    return replace(options, **changes)


def _number(key: str, value: str) -> int:
    base = _NUMBERS[key]
    most = 0o777 if base == 8 else 2**32 - 2
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if not 0 <= number <= most or not value.isascii() or not value.isdigit():
        raise OptionError(f"-o {key}={value}: {'an octal' if base == 8 else 'a'} number up to {_shown(most, base)}")
    return number


def _source(value: str) -> str:
    if not value.isascii() or not value.isprintable() or "\\" in value or not value:
        raise OptionError(f"-o fsname={value}: printable ASCII without a backslash")
    return value


def _shown(number: int, base: int) -> str:
    return f"{number:o}" if base == 8 else str(number)
