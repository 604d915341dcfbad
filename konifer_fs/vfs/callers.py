"""Who asks for something that the kernel does not check by itself, and what permissions allow them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from konifer_fs.domain.errors import AccessDenied
from konifer_fs.vfs.stat import Stat

_ROOT: Final = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, in a group and in others that are listed only where they matter. Root may do anything."""

    uid: int
    gid: int
    list_groups: Callable[[], Collection[int]] = tuple

    def may(self, wanted: int, mode: int, uid: int, gid: int) -> bool:
        """Whether what has this mode and owner allows what is `wanted`: some of R_OK, W_OK and X_OK."""
        if self.uid == _ROOT:
            return True
        shift = 6 if self.uid == uid else 3 if gid == self.gid or gid in self.list_groups() else 0
        return not wanted & ~(mode >> shift)

    def check(self, shown: Stat, wanted: int) -> None:
        """Raise AccessDenied unless a node with these attributes allows what is `wanted`."""
        if not self.may(wanted, shown.mode, shown.uid, shown.gid):
            raise AccessDenied
