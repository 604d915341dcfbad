"""What people say about an asset: alt text, source, labels, tags, private attributes; and the limits of each.

Lengths are counted in UTF-16 code units, as Konifer counts them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from konifer_fs.domain.errors import AttributeMalformed, TextTooLong, TooManyAttributes

V = TypeVar("V")

MAX_ALT: Final = 125
MAX_LABELS: Final = 50
MAX_LABEL_KEY: Final = 128
MAX_LABEL_VALUE: Final = 256
MAX_TAGS: Final = 50
MAX_TAG: Final = 256
MAX_PRIVATE_BYTES: Final = 65536


def utf16_length(text: str) -> int:
    """Give the number of UTF-16 code units of `text`."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_text(text: str, limit: int) -> None:
    """Raise unless `text` may be stored: TextTooLong over `limit` units, AttributeMalformed when blank or with NUL."""
    if utf16_length(text) > limit:
        raise TextTooLong(f"{utf16_length(text)} of {limit} characters")
    if not text.strip() or "\0" in text:
        raise AttributeMalformed("it is blank or holds a NUL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """All that can be edited about an entry; `private` attributes are kept by us and not shown to Konifer.

    `source_url` is None for an upload; an entry with one has the source `URL`.
    """

    alt: str = ""
    source_url: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    private: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationEdit:
    """A change of some annotations: None leaves a text as it is; a None value removes that label or attribute.

    To remove `alt` set it to `""`; to remove `source_url` set it to `""`; to remove all tags set `()`. `tagged` adds
    single tags (True) and takes them away (False), whatever the others are by then.
    """

    alt: str | None = None
    source_url: str | None = None
    tags: tuple[str, ...] | None = None
    tagged: Mapping[str, bool] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    private: Mapping[str, bytes | None] = field(default_factory=dict)

    def then(self, later: "AnnotationEdit") -> "AnnotationEdit":
        """Give the one edit that does this one and then `later`."""
        return AnnotationEdit(
            alt=self.alt if later.alt is None else later.alt,
            source_url=self.source_url if later.source_url is None else later.source_url,
            tags=self.tags if later.tags is None else later.tags,
            tagged={**self.tagged, **later.tagged} if later.tags is None else later.tagged,
            labels={**self.labels, **later.labels},
            private={**self.private, **later.private},
        )

    def apply(self, now: Annotations) -> Annotations:
        """Give the annotations after this edit.

        Raises:
            TooManyAttributes: over 50 labels, over 50 tags, over 64 KiB of private attributes.
            TextTooLong, AttributeMalformed: a text is over its limit, or blank.
        """
        self._check_texts()
        labels = _merged(now.labels, self.labels)
        private = _merged(now.private, self.private)
        tags = self._tags_after(now.tags if self.tags is None else self.tags)
        grown = len(labels) > len(now.labels) or len(tags) > len(now.tags)
        if grown and (len(labels) > MAX_LABELS or len(tags) > MAX_TAGS):
            raise TooManyAttributes(f"at most {MAX_LABELS} labels and {MAX_TAGS} tags")
        if sum(len(name.encode()) + len(value) for name, value in private.items()) > MAX_PRIVATE_BYTES:
            raise TooManyAttributes(f"private attributes take at most {MAX_PRIVATE_BYTES} bytes")
        return Annotations(
            alt=now.alt if self.alt is None else self.alt,
            source_url=now.source_url if self.source_url is None else self.source_url or None,
            labels=labels,
            tags=tags,
            private=private,
        )

    def _tags_after(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        kept = tuple(tag for tag in tags if self.tagged.get(tag, True))
        return (*kept, *(tag for tag, wanted in self.tagged.items() if wanted and tag not in kept))

    def _check_texts(self) -> None:
        if self.alt:
            check_text(self.alt, MAX_ALT)
        for tag in (*(self.tags or ()), *(tag for tag, wanted in self.tagged.items() if wanted)):
            check_text(tag, MAX_TAG)
        for key, value in self.labels.items():
            if value is not None:
                check_text(key, MAX_LABEL_KEY)
                check_text(value, MAX_LABEL_VALUE)


def _merged(now: Mapping[str, V], changes: Mapping[str, V | None]) -> dict[str, V]:
    merged: dict[str, V | None] = {**now, **changes}
    return {name: value for name, value in merged.items() if value is not None}
