"""What the kernel is told to forget, where it knows how and where it does not."""

import errno
import struct
from types import SimpleNamespace

import pytest

from konifer_fs.fuse import kernel_caches
from konifer_fs.fuse.kernel_caches import KernelCaches, Unneeded

HEADER = struct.Struct("=IiQ")
INVALIDATE_ENTRY, PRUNE = 3, 9


def told(monkeypatch: pytest.MonkeyPatch, *unknown: int) -> list[tuple[int, bytes]]:
    """Let go of two inodes, one of them a file; gives the messages that a kernel takes which knows all but some."""
    taken: list[tuple[int, bytes]] = []

    def write(_device: int, message: bytes) -> None:
        size, code, _ = HEADER.unpack_from(message)
        assert size == len(message)
        if code in unknown:
            raise OSError(errno.EINVAL, "")
        taken.append((code, message[HEADER.size :]))

    monkeypatch.setattr(kernel_caches, "os", SimpleNamespace(write=write))
    monkeypatch.setattr(kernel_caches, "_find_device", lambda: 0)
    caches = KernelCaches()
    caches.start()
    caches.let_go(Unneeded(numbers=[5, 7], names=[(5, "é.jpg")]))
    caches.close()
    return taken


def test_a_kernel_that_prunes_is_told_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch) == [(PRUNE, struct.pack("=IIQQQ", 2, 0, 0, 5, 7))]


def test_an_older_one_is_told_the_names_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, PRUNE) == [(INVALIDATE_ENTRY, struct.pack("=QII", 5, 6, 0) + "é.jpg\0".encode())]
