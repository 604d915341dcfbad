"""When the kernel is asked to forget: beyond so many, and then as often as it is of use."""

import pytest

from konifer_fs.domain.node import ROOT_ID, Directory, Symlink
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse import crowding
from konifer_fs.fuse.crowding import Crowding
from konifer_fs.fuse.inodes import Inodes
from konifer_fs.fuse.kernel_caches import KernelCaches, Unneeded

MOST = 100
AT_ONCE = 20


class Kernel(KernelCaches):
    """Has made inodes known, and is asked to forget some."""

    def __init__(self) -> None:
        self.inodes = Inodes(Directory(id=ROOT_ID, path=AssetPath(), made=True))
        self.asked: list[Unneeded] = []
        self._last = ROOT_ID
        self._crowding = Crowding(self.inodes, self)

    def let_go(self, unneeded: Unneeded) -> None:
        self.asked.append(unneeded)

    def know(self, wanted: int) -> int:
        """Come to know so many inodes, one after the other; gives how often it was asked to forget some."""
        before = len(self.asked)
        while len(self.inodes) < wanted:
            self._last += 1
            name = str(self._last)
            link = Symlink(id=self._last, path=AssetPath(), name=name, target="x")
            directory = Directory(id=self._last, path=AssetPath((name,)), made=True)
            self.inodes.note(directory if self._last % 2 else link, ROOT_ID, name, 0.0).lookups = 1
            self._crowding.relieve()
        return len(self.asked) - before

    def forget(self, wanted: int) -> None:
        """Forget until only so many are known, the oldest first."""
        for inode in list(self.inodes)[: len(self.inodes) - wanted + 1]:
            self.inodes.forget(inode.number, 1)
        self._crowding.relieve()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setattr(crowding, "MOST_KNOWN", MOST)
    monkeypatch.setattr(crowding, "_AT_ONCE", AT_ONCE)
    return Kernel()


def test_the_oldest_are_to_be_forgotten_but_directories_by_their_numbers_only(kernel: Kernel) -> None:
    assert kernel.know(MOST) == 0
    assert kernel.know(MOST + 1) == 1
    (asked,) = kernel.asked
    assert list(asked.numbers) == list(range(2, AT_ONCE + 1))
    assert list(asked.names) == [(ROOT_ID, str(number)) for number in range(2, AT_ONCE + 1, 2)]


def test_a_kernel_that_keeps_all_is_asked_for_others_when_half_as_many_have_come(kernel: Kernel) -> None:
    kernel.know(MOST + 1)
    assert kernel.know(MOST + 1 + AT_ONCE // 2) == 0
    assert kernel.know(MOST + 2 + AT_ONCE // 2) == 1
    assert set(kernel.asked[0].numbers).isdisjoint(kernel.asked[1].numbers)


@pytest.mark.parametrize(("left", "bound"), [(MOST - AT_ONCE, MOST), (MOST - 2, MOST + AT_ONCE // 2 - 2)])
def test_a_kernel_that_has_forgotten_is_asked_as_early_as_before(kernel: Kernel, left: int, bound: int) -> None:
    kernel.know(MOST + 1)
    kernel.forget(left)
    assert kernel.know(bound) == 0
    assert kernel.know(bound + 1) == 1
