"""Extended attributes: which name is which fact, and how texts become bytes. docs/SEMANTICS.md has the table.

`Xattrs` reads and changes them, by names that `name_of` let in; the functions above it are pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard
from urllib.parse import urlsplit

from konifer_fs.domain.asset import MAX_PRIVATE_BYTES, AnnotationEdit, Annotations
from konifer_fs.domain.errors import (
    AttributeMalformed,
    AttributeNamespaceUnsupported,
    FactReadOnly,
    MovedOn,
    NoSuchAttribute,
    TextTooLong,
)
from konifer_fs.domain.node import Directory, Entry, Symlink
from konifer_fs.ports import AssetFacts, MetadataStore
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft, DraftState
from konifer_fs.vfs.nodes import Node, StoredNode, changeable
from konifer_fs.vfs.virtual.nodes import VirtualFile, VirtualNode

TAGS: Final = "user.xdg.tags"
COMMENT: Final = "user.xdg.comment"
ORIGIN_URL: Final = "user.xdg.origin.url"
_KNOWN: Final = frozenset({TAGS, COMMENT, ORIGIN_URL})
MIME_TYPE: Final = "user.mime_type"
ROBOTS_BACKUP: Final = "user.xdg.robots.backup"
LABEL: Final = "user.konifer.label."
FACT: Final = "user.konifer."
_USER: Final = "user."
_RESERVED_LABEL: Final = re.compile(r"xdg\.|konifer\.|mime_type\Z")
_MAX_KEY: Final = 255


def parse_tags(text: str) -> tuple[str, ...]:
    r"""Read comma-separated tags, where `\,` is a comma and `\\` a backslash; raises AttributeMalformed."""
    tags: list[str] = [""]
    escaped = False
    for character in text:
        if escaped:
            if character not in ",\\":
                raise AttributeMalformed(f"\\{character} in the tags")
            tags[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            tags.append("")
        else:
            tags[-1] += character
    if escaped:
        raise AttributeMalformed("the tags end in a backslash")
    if tags == [""]:
        return ()
    if not all(tag.strip() for tag in tags):
        raise AttributeMalformed("a tag is blank")
    return tuple(dict.fromkeys(tags))


def format_tags(tags: Sequence[str]) -> str:
    """Write tags as `parse_tags` reads them."""
    return ",".join(tag.replace("\\", "\\\\").replace(",", "\\,") for tag in tags)


def check_url(text: str) -> None:
    """Raise AttributeMalformed unless `text` is an absolute URL."""
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise AttributeMalformed("not a URL") from error
    if not parts.scheme or not (parts.netloc or parts.path) or any(c.isspace() for c in text):
        raise AttributeMalformed("not a URL")


def is_private(name: str) -> bool:
    """Whether an attribute of this name is always private: kept by us and not shown to Konifer."""
    return name.startswith("user.xdg.") and name not in _KNOWN


def is_fact(name: str) -> bool:
    """Whether an attribute of this name is a fact."""
    return name.startswith(FACT) and not name.startswith(LABEL)


def is_stored(node: Node, name: str = "") -> TypeGuard[StoredNode]:
    """Whether `StoredXattrs` tell of an attribute: not of a draft's, nor what is counted below a directory."""
    return isinstance(node, StoredNode) and not (isinstance(node, Directory) and is_fact(name))


def label_of(name: str) -> str:
    """Give the label key that the attribute `name` stands for; raises FactReadOnly for facts."""
    if name.startswith(LABEL):
        return name.removeprefix(LABEL)
    if name.startswith(FACT):
        raise FactReadOnly(name)
    return name.removeprefix(_USER)


def name_of_label(key: str) -> str:
    """Give the attribute name under which the label `key` shows."""
    return LABEL + key if _RESERVED_LABEL.match(key) else _USER + key


def edit_setting(name: str, value: bytes) -> AnnotationEdit:
    """Give the edit that setting `name` to `value` means; limits are checked when it is applied."""
    if is_private(name):
        return AnnotationEdit(private={name: value})
    text = _text(value)
    if name in _KNOWN:
        if text is None:
            raise AttributeMalformed(f"{name} is text")
        return _edit_known(name, text)
    key = label_of(name)
    if text is None or not text.strip():
        if name.startswith(LABEL):
            raise AttributeMalformed("a label is text")
        return AnnotationEdit(private={name: value}, labels={key: None})
    return AnnotationEdit(labels={key: text}, private={name: None})


def _edit_known(name: str, text: str) -> AnnotationEdit:
    if name == TAGS:
        return AnnotationEdit(tags=parse_tags(text))
    if name == COMMENT:
        return AnnotationEdit(alt=text)
    check_url(text)
    return AnnotationEdit(source_url=text)


def edit_removing(name: str) -> AnnotationEdit:
    """Give the edit that removes `name`."""
    if name == TAGS:
        return AnnotationEdit(tags=())
    if name == COMMENT:
        return AnnotationEdit(alt="")
    if name == ORIGIN_URL:
        return AnnotationEdit(source_url="")
    if is_private(name):
        return AnnotationEdit(private={name: None})
    return AnnotationEdit(labels={label_of(name): None}, private={name: None})


def listed(annotations: Annotations) -> dict[str, bytes]:
    """Give the attributes that `listxattr` names, with their values; a key that nothing can be called by has none."""
    texts = {name_of_label(key): value for key, value in annotations.labels.items() if key}
    if annotations.tags:
        texts[TAGS] = format_tags(annotations.tags)
    if annotations.alt:
        texts[COMMENT] = annotations.alt
    if annotations.source_url:
        texts[ORIGIN_URL] = annotations.source_url
    shown = {name: value.encode() for name, value in texts.items() if len(name.encode()) <= _MAX_KEY}
    return {**annotations.private, **shown}


def entry_fact(name: str, entry: Entry, facts: AssetFacts) -> str | None:
    """Give the read-only fact `user.konifer.<name>` of an entry, if it has it. Times are ISO 8601, UTC."""
    attributes, lqip = facts.attributes, facts.lqip
    known: Mapping[str, object] = {
        "entry-id": entry.entry_id,
        "asset-id": entry.asset_id,
        "path": entry.path.konifer,
        "source": "URL" if facts.annotations.source_url else "UPLOAD",
        "created": facts.created_at.isoformat(),
        "modified": facts.modified_at.isoformat(),
        "width": attributes.get("width"),
        "height": attributes.get("height"),
        "format": entry.format and entry.format.value,
        "page-count": attributes.get("pageCount", 1),
        "loop": attributes.get("loop"),
        "color-space": attributes.get("colorSpace", "unknown"),
        "blurhash": lqip.get("blurhash"),
        "thumbhash": lqip.get("thumbhash"),
        "received-size": facts.received and facts.received.size,
        "received-sha256": facts.received and facts.received.sha256.hex(),
        "bucket": entry.original and entry.original.bucket,
        "key": entry.original and entry.original.key,
        "state": DraftState.STORED.value,
    }
    value = known.get(name)
    return None if value is None else str(value)


def _value(attributes: Mapping[str, bytes], name: str) -> bytes:
    shown = name_of_label(name.removeprefix(LABEL)) if name.startswith(LABEL) else name
    if shown not in attributes:
        raise NoSuchAttribute(name)
    return attributes[shown]


def _encoded(name: str, value: str | None) -> bytes:
    if value is None:
        raise NoSuchAttribute(name)
    return value.encode()


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def name_of(name: bytes) -> str:
    """Read a name from the kernel; raises AttributeNamespaceUnsupported unless it is UTF-8 and of `user.`."""
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise AttributeNamespaceUnsupported(ascii(name)) from error
    if not text.startswith(_USER) or text == _USER:
        raise AttributeNamespaceUnsupported(text)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredXattrs:
    """What was read of a stored node: the attributes that are listed, and the facts of an entry."""

    listed: Mapping[str, bytes]
    facts: AssetFacts | None = None

    def get(self, node: StoredNode, name: str) -> bytes:
        """Give the value of an attribute of the node, one that `is_stored`; raises NoSuchAttribute."""
        if not is_fact(name):
            return _value(self.listed, name)
        value = (
            entry_fact(name.removeprefix(FACT), node, self.facts) if self.facts and isinstance(node, Entry) else None
        )
        return _encoded(name, value)


class Xattrs:
    """Reads and changes the extended attributes of nodes. Thread-safe."""

    def __init__(self, metadata: MetadataStore, commits: Commits) -> None:
        self._metadata = metadata
        self._commits = commits

    def is_at_hand(self, node: Node, name: str = "") -> bool:
        """Whether the value of an attribute, or without a name the list, asks no store."""
        return isinstance(node, VirtualNode) or name == MIME_TYPE

    def get(self, node: Node, name: str) -> bytes:
        """Give the value of an attribute; raises NoSuchAttribute."""
        if name == MIME_TYPE:
            return _encoded(name, self._mime_type(node))
        if is_fact(name):
            return _encoded(name, self._fact(node, name.removeprefix(FACT)))
        if name == ROBOTS_BACKUP and isinstance(node, VirtualNode):
            return b"false"  # So backups leave out what can be made again; not listed, so that no copy says it.
        return _value(self._read(node), name)

    def list(self, node: Node) -> Sequence[str]:
        """Give the names of the attributes that are set; facts are left out, so that nothing copies them."""
        return sorted(self._read(node))

    def read_each(self, nodes: Sequence[StoredNode]) -> Sequence[StoredXattrs | None]:
        """Read what is stored of several nodes, all entries by one statement; None for an entry that is gone."""
        entries = [node for node in nodes if isinstance(node, Entry)]
        others = [node for node in nodes if not isinstance(node, Entry)]
        facts = iter(self._metadata.read_facts_of(entries) if entries else ())
        private = iter(self._metadata.read_private_of(others) if others else ())
        return [
            _said_of(next(facts)) if isinstance(node, Entry) else StoredXattrs(listed=next(private)) for node in nodes
        ]

    def set(self, node: Node, name: str, value: bytes) -> None:
        """Set an attribute; raises ReadOnly, FactReadOnly, and what `AnnotationEdit.apply` raises."""
        node = changeable(node)
        if name == MIME_TYPE:
            return
        if len(value) > MAX_PRIVATE_BYTES:
            raise TextTooLong(name)
        if isinstance(node, Directory | Symlink):
            if name.startswith(FACT):
                raise FactReadOnly(name)
            self._metadata.edit_private(node, {name: value})
        else:
            self._edit(node, edit_setting(name, value))

    def remove(self, node: Node, name: str) -> None:
        """Remove an attribute; raises NoSuchAttribute, ReadOnly, FactReadOnly."""
        node = changeable(node)
        if name == MIME_TYPE:
            return
        if is_fact(name):
            raise FactReadOnly(name)
        _value(self._read(node), name)
        if isinstance(node, Directory | Symlink):
            self._metadata.edit_private(node, {name: None})
        else:
            self._edit(node, edit_removing(name))

    def _read(self, node: Node) -> Mapping[str, bytes]:
        if isinstance(node, Directory | Symlink):
            return self._metadata.read_private_of([node])[0]
        if isinstance(node, VirtualNode):
            return {}
        return listed(self._annotations(node))

    def _annotations(self, node: Entry | Draft) -> Annotations:
        if isinstance(node, Entry):
            return self._metadata.read_facts(node).annotations
        return node.edit.apply(self._annotations_below(node))

    def _annotations_below(self, draft: Draft) -> Annotations:
        """Give those of the entry that a draft lies over, as it is now: others may have replaced or removed it."""
        if draft.base is None:
            return Annotations()
        if draft.name is None and draft.described is not None:
            return draft.described
        try:
            return self._metadata.read_facts(draft.base).annotations
        except MovedOn:
            if draft.name is None:
                raise
            now = self._metadata.refresh(draft.base)
            return self._metadata.read_facts(now).annotations if isinstance(now, Entry) else Annotations()

    def _edit(self, node: Entry | Draft, edit: AnnotationEdit) -> None:
        if isinstance(node, Entry):
            self._metadata.edit_annotations(node, edit)
            return
        with node.lock:
            self._commits.learn(node)
            if node.is_stored and node.base is not None and node.name is not None:
                self._metadata.edit_annotations(node.base, edit)
                node.note_change()
                return
            edit.apply(self._annotations(node))
            node.edit = node.edit.then(edit)
            node.note_change()
            self._commits.save(node)

    def _mime_type(self, node: Node) -> str | None:
        if isinstance(node, VirtualFile):
            return node.content_type
        entry = node.base if isinstance(node, Draft) else node
        return entry.format.content_type if isinstance(entry, Entry) and entry.format else None

    def _fact(self, node: Node, name: str) -> str | None:
        if isinstance(node, Directory):
            return self._count_below(node, name)
        if isinstance(node, Symlink | VirtualNode):
            return None
        if isinstance(node, Draft) and (name == "state" or node.base is None):
            return node.state.value if name == "state" else None
        entry = node.base if isinstance(node, Draft) else node
        return entry_fact(name, entry, self._metadata.read_facts(entry)) if entry else None

    def _count_below(self, directory: Directory, name: str) -> str | None:
        match name:
            case "rfiles":
                return str(self._metadata.count_files(directory))
            case "rentries":
                return str(self._metadata.count_entries(directory))
            case "rbytes":
                return str(self._metadata.sum_bytes(directory).known)
            case "runknown":
                return str(self._metadata.sum_bytes(directory).unknown)
            case _:
                return None


def _said_of(facts: AssetFacts | None) -> StoredXattrs | None:
    return None if facts is None else StoredXattrs(listed=listed(facts.annotations), facts=facts)
