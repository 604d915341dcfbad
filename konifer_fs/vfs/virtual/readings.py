"""What virtual files are read from: bytes in memory, an object of the store, or a scratch."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from konifer_fs.domain.errors import MovedOn, ObjectMissing
from konifer_fs.ports import StoredVariant
from konifer_fs.vfs.virtual.nodes import Reading
from konifer_fs.workflows.fetch_content import Content, Contents
from konifer_fs.workflows.workshop import Scratch


@dataclass(frozen=True, slots=True)
class BytesReading:
    """Bytes in memory, as they were at the look-up."""

    content: bytes
    token: None = None
    is_at_hand: bool = True

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`."""
        return self.content[offset : offset + length]

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class ObjectReading:
    """An object, which `is_current` tells from one that is being removed."""

    def __init__(self, contents: Contents, content: Content, is_current: Callable[[], bool]) -> None:
        self._contents = contents
        self._content = content
        self._is_current = is_current

    @classmethod
    def begin(cls, contents: Contents, variant: StoredVariant, is_current: Callable[[], bool]) -> Self:
        """Open the object of a variant. Raises MovedOn, ObjectMissing, ContentUnreadable."""
        try:
            return cls(contents, contents.acquire(variant.ref, variant.size, variant.sha256), is_current)
        except ObjectMissing as error:
            raise _explained(error, is_current) from error

    @property
    def token(self) -> object:
        """The object, whose bytes never change, as it came this time."""
        return self._content.ref, self._content.came_damaged

    @property
    def is_at_hand(self) -> bool:
        """Whether the object is here."""
        return self._content.file is not None

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`, fetching the object first when it is not here."""
        try:
            return self._contents.pread(self._content, length, offset)
        except ObjectMissing as error:
            raise _explained(error, self._is_current) from error

    def close(self) -> None:
        """Let go of the object."""
        self._contents.release(self._content)


@dataclass(frozen=True, slots=True)
class ScratchReading:
    """What this mount keeps for itself, for as long as somebody has it open at least.

    Where there is no `token`, the next look-up finds another one, and the kernel keeps no bytes of this.
    """

    scratch: Scratch
    token: object = None
    is_at_hand: bool = True

    def read(self, length: int, offset: int) -> bytes:
        """Read up to `length` bytes at `offset`."""
        return os.pread(self.scratch.descriptor, length, offset)

    def close(self) -> None:
        """Do nothing: the scratch goes with whoever refers to it last."""


def begin_nothing() -> Reading:
    """Fail to open what is listed and has to be made first: looking it up gives another file."""
    raise MovedOn


def _explained(error: ObjectMissing, is_current: Callable[[], bool]) -> ObjectMissing | MovedOn:
    """Tell an object that was removed with its row from one that is lost."""
    return error if is_current() else MovedOn(error.detail)
