"""What entries can be selected by: a label or a tag, as the name of a directory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.node import Directory
from konifer_fs.ports import MetadataStore, Selection
from konifer_fs.vfs.virtual.spelled import decode_label, decode_text, encode_label, encode_text


@dataclass(frozen=True, slots=True)
class Label:
    """A label, whose name is `<key>=<value>`."""

    key: str
    value: str

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a name; None for one that is not well-formed."""
        label = decode_label(name)
        return cls(*label) if label else None

    @classmethod
    def list_used(cls, metadata: MetadataStore, directory: Directory, selection: Selection) -> Iterator[Sequence[Self]]:
        """Give those in use among what is selected, in pages."""
        for page in metadata.list_labels(directory, selection):
            yield [cls(*label) for label in page]

    @property
    def name(self) -> str:
        """The name of its directory."""
        return encode_label(self.key, self.value)

    def narrow(self, selection: Selection) -> Selection:
        """Give those of a selection that have it."""
        return replace(selection, labels=selection.labels | {(self.key, self.value)})

    def edit(self, *, wanted: bool) -> AnnotationEdit:
        """Give the edit that adds it to an entry, or takes it away."""
        return AnnotationEdit(labels={self.key: self.value if wanted else None})


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, whose name is its text; an empty one, which only another writer can make, has none."""

    text: str

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a name; None for one that is not well-formed."""
        text = decode_text(name)
        return None if text is None else cls(text)

    @classmethod
    def list_used(cls, metadata: MetadataStore, directory: Directory, selection: Selection) -> Iterator[Sequence[Self]]:
        """Give those in use among what is selected, in pages."""
        for page in metadata.list_tags(directory, selection):
            yield [cls(text) for text in page if text]

    @property
    def name(self) -> str:
        """The name of its directory."""
        return encode_text(self.text)

    def narrow(self, selection: Selection) -> Selection:
        """Give those of a selection that have it."""
        return replace(selection, tags=selection.tags | {self.text})

    def edit(self, *, wanted: bool) -> AnnotationEdit:
        """Give the edit that adds it to an entry, or takes it away."""
        return AnnotationEdit(tagged={self.text: wanted})


Description = Label | Tag
DESCRIPTIONS: Final[dict[str, type[Label] | type[Tag]]] = {"labels": Label, "tags": Tag}
