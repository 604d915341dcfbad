"""What has names in directories, found by both, and all of one directory without going over the others."""

from collections.abc import Collection, Iterator, MutableMapping
from typing import TypeVar

T = TypeVar("T")


class ByDirectory(MutableMapping[tuple[int, str], T]):
    """Values by the number of a directory and a name there. Not locked; what is looked up may change meanwhile."""

    def __init__(self) -> None:
        self._names: dict[int, dict[str, T]] = {}

    def __getitem__(self, place: tuple[int, str]) -> T:
        """Give what has a name; raises KeyError when nothing has."""
        return self._names[place[0]][place[1]]

    def __setitem__(self, place: tuple[int, str], value: T) -> None:
        """Let something have a name."""
        self._names.setdefault(place[0], {})[place[1]] = value

    def __delitem__(self, place: tuple[int, str]) -> None:
        """Let nothing have a name any more; raises KeyError when nothing has."""
        del self._names[place[0]][place[1]]
        if not self._names[place[0]]:
            del self._names[place[0]]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Go over all names."""
        return ((directory, name) for directory, names in self._names.items() for name in names)

    def __len__(self) -> int:
        """Give how many names there are."""
        return sum(map(len, self._names.values()))

    def list_all(self) -> list[T]:
        """Give all that has a name, a directory's together."""
        return [value for names in self._names.values() for value in names.values()]

    def of(self, directory: int) -> Collection[T]:
        """Give all that has a name in a directory."""
        return self._names.get(directory, {}).values()
