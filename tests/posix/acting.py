"""Calls as another user, and what they came to."""

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mount.saving import jpeg

PICTURE: Final = jpeg()
# Whom root acts as: nobody has these ids, so nothing is theirs but what the test gives them.
ALICE: Final = 64001
BOB: Final = 64002
GROUP: Final = 64100
as_root: Final = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as other users")


def call(work: Callable[[], Any]) -> str:
    """Do `work`; gives `OK`, or the name of the errno that it fails with."""
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "OK"


def call_as(user: int, work: Callable[[], Any], groups: tuple[int, ...] = ()) -> str:
    """Do `work` as an ordinary user, in a process of its own; gives what `call` does."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(list(groups))
            os.setgid(groups[0] if groups else user)
            os.setuid(user)
            os.write(writing, pickle.dumps(call(work)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return str(pickle.loads(told))


def make_file(path: Path, mode: int = 0o644, *, owner: int | None = None, group: int | None = None) -> Path:
    """Make a picture with these permissions and owner."""
    path.write_bytes(PICTURE)
    os.chown(path, -1 if owner is None else owner, -1 if group is None else group)
    path.chmod(mode)
    return path


def make_directory(path: Path, mode: int = 0o755, *, owner: int | None = None, group: int | None = None) -> Path:
    """Make a directory with these permissions and owner."""
    path.mkdir()
    os.chown(path, -1 if owner is None else owner, -1 if group is None else group)
    path.chmod(mode)
    return path
