"""What the kernel is told to forget, where it knows how and where it does not."""

import errno
import struct
import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from konifer_fs.fuse import kernel_caches
from konifer_fs.fuse.kernel_caches import Doubts, KernelCaches, Unneeded

HEADER = struct.Struct("=IiQ")
INVALIDATE_INODE, INVALIDATE_ENTRY, NEW_EPOCH, PRUNE = 2, 3, 8, 9


def told(
    monkeypatch: pytest.MonkeyPatch,
    *unknown: int,
    doubts: Sequence[Doubts] = (),
) -> list[tuple[int, bytes]]:
    """Let go of two inodes, one of them a file, unless there are doubts; gives what a kernel takes, but for some."""
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
    for doubt in doubts:
        caches.doubt(doubt)
    if not doubts:
        caches.let_go(Unneeded(numbers=[5, 7], names=[(5, "é.jpg")]))
    caches.close()
    return taken


def test_a_kernel_that_prunes_is_told_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch) == [(PRUNE, struct.pack("=IIQQQ", 2, 0, 0, 5, 7))]


def test_an_older_one_is_told_the_names_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, PRUNE) == [(INVALIDATE_ENTRY, struct.pack("=QII", 5, 6, 0) + "é.jpg\0".encode())]


def test_a_name_in_a_directory_that_is_stuck_holds_up_names_there_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[tuple[int, str | None]] = []
    freed, stuck = threading.Event(), range(40)

    def write(_device: int, message: bytes) -> None:
        _, code, _ = HEADER.unpack_from(message)
        (number,) = struct.unpack_from("=Q", message, HEADER.size)
        if code == INVALIDATE_ENTRY and number in stuck:
            assert freed.wait(60)
        taken.append((number, message[HEADER.size + 16 : -1].decode() if code == INVALIDATE_ENTRY else None))

    monkeypatch.setattr(kernel_caches, "os", SimpleNamespace(write=write))
    monkeypatch.setattr(kernel_caches, "_find_device", lambda: 0)
    caches = KernelCaches()
    caches.start()
    try:
        for name in ("first", "second", "first"):
            caches.doubt(Doubts(names=[(number, name) for number in stuck], attributes=[0]))
        caches.doubt(Doubts(names=[(100, "one"), (100, "other")], attributes=[100]))
        wanted = [(0, None)] * 3 + [(100, None), (100, "one"), (100, "other")]
        wait_for(lambda: len(taken) == len(wanted))
        assert sorted(taken, key=str) == sorted(wanted, key=str)
        assert taken.index((100, "one")) < taken.index((100, "other"))
    finally:
        freed.set()
        caches.close()
    for number in stuck:
        names = [name for directory, name in taken if directory == number and name]
        assert names in (["first", "second"], ["first", "second", "first"])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kernel-cache")]


def test_what_is_stuck_when_it_is_closed_is_left_behind_and_tells_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, freed, taken = threading.Event(), threading.Event(), []

    def write(_device: int, message: bytes) -> None:
        begun.set()
        assert freed.wait(60)
        taken.append(message)

    monkeypatch.setattr(kernel_caches, "os", SimpleNamespace(write=write))
    monkeypatch.setattr(kernel_caches, "_find_device", lambda: 0)
    monkeypatch.setattr(kernel_caches, "_JOIN_SECONDS", 0.1)
    caches = KernelCaches()
    caches.start()
    caches.doubt(Doubts(names=[(5, "one"), (5, "other")]))
    assert begun.wait(60)
    caches.close()
    assert taken == []
    freed.set()
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("kernel-cache")])
    assert len(taken) == 1


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fails when it never is."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
