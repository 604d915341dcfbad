"""What the tests of saving share: programs run as people run them, and a full account of what is stored after.

`tell` looks at a directory from every side, so that a test says in one line what became of a save.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
import pytest

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.path import AssetPath
from tests.mount.mounting import Mount
from tests.pictures import make_picture

T = TypeVar("T")

SECONDS: Final = 120
COMMENT: Final = b"written before"
TAGS: Final = "user.xdg.tags"
STATE: Final = "user.konifer.state"

_ENTRIES: Final = """
SELECT n.name, n.id, a.id, a.entry_id, coalesce(a.alt, 'NULL'), a.source, n.size, n.sha256,
       v.object_store_bucket, v.object_store_key, v.original_variant AND v.uploaded_at IS NOT NULL AND a.is_ready
  FROM asset_tree a
  LEFT JOIN konifer_fs.node n ON n.asset_id = a.id
  LEFT JOIN asset_variant v ON v.asset_id = a.id
 WHERE a.path = %s::text::ltree
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database says of one entry."""

    node_id: int
    asset_id: UUID
    entry_id: int
    alt: str
    source: str


def jpeg(seed: int = 0, *, padding: int = 0) -> bytes:
    """Give a photograph with the comment `written before`, longer by a comment of `padding` bytes (up to 65,533)."""
    plain = make_picture(ImageFormat.JPEG, seed=seed)
    comments = [COMMENT, *([b"\xaa" * padding] if padding else [])]
    segments = b"".join(b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text for text in comments)
    return plain[:2] + segments + plain[2:]


def require(tool: str) -> None:
    """Skip where a tool is missing; under CI that is a failure."""
    if shutil.which(tool) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{tool} is not installed")


def run(
    *command: str | Path, cwd: Path | None = None, stdin: bytes = b"", code: int = 0
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program and give what it said; it has to end with `code`."""
    require(str(command[0]))
    done = subprocess.run(
        list(command), cwd=cwd, input=stdin, capture_output=True, timeout=SECONDS, check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == code, f"{command} ended with {done.returncode}: {done.stderr.decode()}"
    return done


def shell(script: str, cwd: Path, code: int = 0) -> str:
    """Run a script in `cwd`; gives what it said to standard error."""
    return run("bash", "-c", script, cwd=cwd, code=code).stderr.decode()


def tell(
    mount: Mount,
    place: Path,
    files: Mapping[str, bytes],
    *,
    drafts: Mapping[str, str] | None = None,
    links: Sequence[str] = (),
) -> dict[str, Stored]:
    """Hold that `files` are the entries at `place`, and `drafts` (name and state) and `links` what else is there.

    Looks at the directory, at the rows of both schemas, at the objects, and at the spool, which holds the named drafts
    of this mount and nothing else. Gives what the database says of each entry.
    """
    drafts = drafts or {}
    rows = _rows(mount, place)
    assert _named(row[0] for row in rows) == _named(files), "other entries than expected"
    for name, _, _, _, _, _, size, sha256, bucket, key, ready in rows:
        content = files[name]
        assert ready, f"{name} is not stored"
        assert (mount.objects.parent / bucket / key).read_bytes() == content, f"{name} is another object"
        assert (size, sha256) == (len(content), hashlib.sha256(content).digest())
    shown = _named(child.name for child in place.iterdir() if not child.is_dir())
    assert shown == _named({*files, *drafts, *links}), "the directory shows other names than expected"
    for name in {*files} - {*drafts}:
        assert (place / name).read_bytes() == files[name]
        assert (place / name).stat().st_size == len(files[name])
    _wait_for_spool(mount, place, drafts)
    return {row[0]: Stored(row[1], row[2], row[3], row[4], row[5]) for row in rows}


def _named(names: Iterable[object]) -> list[str]:
    return sorted(map(str, names))


def _rows(mount: Mount, place: Path) -> list[tuple[Any, ...]]:
    with psycopg.connect(mount.conninfo) as session:
        return session.execute(_ENTRIES, [asset_path(mount, place).ltree]).fetchall()


def list_objects(mount: Mount, place: Path) -> list[Path]:
    """Give the files that hold the objects of the entries at `place`, in no order."""
    return [mount.objects.parent / row[8] / row[9] for row in _rows(mount, place)]


def asset_path(mount: Mount, place: Path) -> AssetPath:
    """Give the path that a directory of the mount has in Konifer."""
    path = AssetPath()
    for name in place.relative_to(mount.path).parts:
        path = path.child_named(name)
    return path


def _wait_for_spool(mount: Mount, place: Path, drafts: Mapping[str, str]) -> None:
    """Wait until the kernel has released the files: `close` does not wait for that."""
    prefix = f"{Path('/') / place.relative_to(mount.path)}/".replace("//", "/")

    def look() -> tuple[dict[str, str], int]:
        found = {draft["name"]: state for state, all_ in mount.status()["drafts"].items() for draft in all_}
        below = {name.removeprefix(prefix): state for name, state in found.items() if name.startswith(prefix)}
        unnamed = len(spool_files(mount)) - len(found)
        return {name: state for name, state in below.items() if "/" not in name}, unnamed

    eventually(look, (dict(drafts), 0))


def spool_files(mount: Mount) -> list[Path]:
    """Give the files of drafts in a mount's spool, without those kept empty for the next."""
    drafts = Path(mount.status()["spool"]["directory"]) / "drafts"
    return sorted(path for path in drafts.glob("*.data") if path.stat().st_size or read_record(path))


def read_record(data: Path) -> dict[str, Any] | None:
    """Give the record beside a draft's bytes in the spool, None for none."""
    record = data.with_suffix(".json")
    text = record.read_bytes().partition(b"\n")[0] if record.exists() else b""
    return dict(json.loads(text)) if text else None


def eventually(look: Callable[[], T], expected: T) -> None:
    """Hold that `look()` gives `expected` before long: what another process does is not there at once."""
    until = time.monotonic() + SECONDS
    while (found := look()) != expected:
        assert time.monotonic() < until, f"still {found!r}"
        time.sleep(0.02)


def state(path: Path) -> str:
    """Give `user.konifer.state` of a file."""
    return os.getxattr(path, STATE).decode()


def annotate(path: Path) -> dict[str, str]:
    """Set a label, tags and an alt text; gives them as `annotations` does."""
    texts = {TAGS: "desert,tree", "user.phone": "Android", "user.xdg.comment": "A tree in the desert"}
    for name, text in texts.items():
        os.setxattr(path, name, text.encode())
    return texts


def annotations(path: Path) -> dict[str, str]:
    """Give the listed attributes of a file."""
    return {name: os.getxattr(path, name).decode() for name in os.listxattr(path)}


@contextmanager
def failing(number: int) -> Iterator[None]:
    """Hold that a system call fails with this errno."""
    with pytest.raises(OSError, match=r"\[Errno") as caught:
        yield
    assert caught.value.errno == number, f"{os.strerror(caught.value.errno or 0)}, not {os.strerror(number)}"


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    """Have a file open meanwhile."""
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes, offset: int = 0) -> None:
    """Write all of `content` at `offset`."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
