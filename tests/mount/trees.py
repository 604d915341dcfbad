"""A tree of pictures as people have them, and an account of any tree that says all that a copy has to keep."""

import errno
import hashlib
import os
import random
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from konifer_fs.domain.formats import ImageFormat
from tests.pictures import make_picture

_EXTENSIONS: Final = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".jxl", ".heic", ".gif")
_NAMES: Final = (
    "picture {}{}", "{}{}", "Señor – 写真 {} 📷{}", "a.b..c.{}.tar.gz{}", "under__score__20__5f_{}{}",
    "no extension {}", "UPPER{}.JPG", "upper{}.jpg", ".hidden {}{}", "--dashes{}{}", "tab\t newline\n back\\slash {}{}",
    "-{}-{}", "'quotes' \"{}\" $HOME `{}`", "original of {}{}~", "{}@2x{}", "#{}%20&?*[{}]",
)  # fmt: skip
_DIRECTORIES: Final = (
    "2026", "Summer 2026", "Summer 2026/day 1", "Summer 2026/day 1/one/two/three/four", "Été – 夏", "a__b", "a__b/-b",
    "dots.in.names", "UPPER", "upper", "ends-", ".hidden", "7.jpeg", "n" * 255, "empty", "empty/er", "sticky", "setgid",
)  # fmt: skip
_EMPTY: Final = ("empty", "empty/er")
_FILE_MODES: Final = (0o644, 0o600, 0o400, 0o755, 0o664, 0o444, 0o4755, 0o2755)
_DIRECTORY_MODES: Final = {"sticky": 0o1777, "setgid": 0o2755, "2026": 0o700, "empty": 0o711}
_SYMLINKS: Final = {
    "relative": "Summer 2026/day 1", "absolute": "/etc/hostname", "dangling": "not there", "2026/up": "../a__b",
    "empty/to itself": "to itself", "Été – 夏/写真": "写真 " * 200,
}  # fmt: skip
_TIMES_NS: Final = (
    1_234_567_890_123_456_789, -1, -86_400_000_000_001, 0, 4_102_444_800_999_999_999, 1_700_000_000_000_000_001,
)  # fmt: skip
_ATTRIBUTES: Final[Sequence[Mapping[str, bytes]]] = (
    {},
    {"user.phone": b"Android", "user.team": "Équipe 写真".encode()},
    {"user.xdg.tags": rb"desert,joshua\, the tree,back\\slash", "user.xdg.comment": "Ein Baum – 樹".encode()},
    {"user.DOSATTRIB": b"\0\x01\xff\xfe" * 8, "user.nothing": b"", "user.not text": b"\xff\xfe"},
    {"user.xdg.origin.url": b"https://example.org/p?a=1&b=2", "user.xdg.referrer.url": b"https://example.org/"},
)
_OF_DIRECTORIES: Final[Mapping[str, bytes]] = {"user.xdg.tags": b"folder", "user.DOSATTRIB": b"\0\x02"}


def list_pictures(images: Path | None) -> list[bytes]:
    """Give whole pictures of all seven formats: made ones, small and large, and the real ones in `images`."""
    made = [
        make_picture(kind, size, seed=seed)
        for kind in ImageFormat
        for seed, size in enumerate([(48, 32), (320, 240), (37, 111)])
    ]
    animated = [make_picture(kind, pages=5) for kind in (ImageFormat.GIF, ImageFormat.WEBP)]
    real = [path.read_bytes() for path in sorted(images.iterdir()) if path.suffix != ".md"] if images else []
    return [*made, *animated, *sorted(real, key=len)]


def make_tree(root: Path, count: int, pictures: Sequence[bytes]) -> None:
    """Make a tree of `count` files, all different, each a picture of `pictures` with a few bytes more at its end.

    Nine of ten are one of the smaller half. Also has names, modes, times, links and attributes of many kinds.
    """
    chance = random.Random(count)
    directories = [root / name for name in _DIRECTORIES]
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
    full = [root, *(path for path in directories if str(path.relative_to(root)) not in _EMPTY)]
    for number in range(count):
        choice = pictures if number % 10 == 0 else pictures[: len(pictures) // 2 + 1]
        _make_file(full[number % len(full)], number, chance.choice(choice))
    for name, target in _SYMLINKS.items():
        (root / name).symlink_to(target)
        _set_times(root / name, len(target))
    for number, directory in enumerate(sorted([root, *directories], reverse=True)):
        directory.chmod(_DIRECTORY_MODES.get(str(directory.relative_to(root)), 0o755))
        _set_attributes(directory, _OF_DIRECTORIES if number % 2 else {})
        _set_times(directory, number)


def _make_file(directory: Path, number: int, picture: bytes) -> None:
    name = _NAMES[number % len(_NAMES)].format(number, _EXTENSIONS[number % len(_EXTENSIONS)])
    if number % 50 == 0:
        name = name.rjust(255 - len(name.encode()) + len(name), "x")
    path = directory / name
    path.write_bytes(picture + b"%d" % number)
    _set_attributes(path, _ATTRIBUTES[number % len(_ATTRIBUTES)])
    path.chmod(_FILE_MODES[number % len(_FILE_MODES)])
    _set_times(path, number)


def _set_attributes(path: Path, attributes: Mapping[str, bytes]) -> None:
    for name, value in attributes.items():
        os.setxattr(path, name, value)


def _set_times(path: Path, number: int) -> None:
    time_ns = _TIMES_NS[number % len(_TIMES_NS)]
    os.utime(path, ns=(time_ns, time_ns + number), follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What a copy has to keep of one name; `content` is a checksum, or where a link points. `inode` it cannot keep."""

    mode: str
    owner: tuple[int, int]
    mtime_ns: int
    size: int
    content: str
    attributes: Mapping[str, bytes]
    inode: int = field(compare=False)


def tell_tree(root: Path) -> dict[str, Found]:
    """Give what is at and below `root`, by path from there."""
    return {str(path.relative_to(root)): _tell(path) for path in [root, *_walk(root)]}


def _walk(root: Path) -> Iterator[Path]:
    for directory, directories, files in os.walk(root):
        yield from (Path(directory) / name for name in (*directories, *files))


def _tell(path: Path) -> Found:
    facts = path.lstat()
    content, size = "", 0
    if stat.S_ISLNK(facts.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(facts.st_mode):
        content, size = _checksum(path), facts.st_size
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in _list_attributes(path)}
    return Found(
        stat.filemode(facts.st_mode), (facts.st_uid, facts.st_gid), facts.st_mtime_ns, size, content, attributes,
        facts.st_ino,
    )  # fmt: skip


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _list_attributes(path: Path) -> list[str]:
    return [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.")]


def can_keep_attributes(directory: Path) -> bool:
    """Whether the file system that `directory` is on keeps attributes of users."""
    try:
        os.setxattr(directory, "user.probe", b"")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return False
    os.removexattr(directory, "user.probe")
    return True
