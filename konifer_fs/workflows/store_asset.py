"""Storing a draft: look at its bytes, put them into the object store, record the entry. Object first, row second."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from konifer_fs.config import PathSettings
from konifer_fs.domain.errors import (
    AttributeMalformed,
    ContentTooLarge,
    NameTaken,
    TextTooLong,
    TooManyAttributes,
    WrongMediumType,
)
from konifer_fs.domain.node import Entry
from konifer_fs.domain.variant import Attributes, Fingerprint, ObjectRef
from konifer_fs.ports import ImageEngine, MetadataStore, NewEntry, ObjectStore
from konifer_fs.workflows.preprocess import Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The names that an upload of `content` uses: chosen before it begins, kept when it is tried again."""

    asset_id: UUID
    original: ObjectRef
    content: Fingerprint


def check_content(engine: ImageEngine, source: Path, size: int, settings: PathSettings, max_bytes: int) -> Attributes:
    """Look at a file that is to be stored.

    Raises:
        WrongMediumType: it is none of the seven formats, or not one that the path allows.
        ContentTooLarge: it is over `max_bytes`, or over a limit of the path.
        NotWhole, ContentUnreadable: as `ImageEngine.probe` says.
    """
    if size > max_bytes:
        raise ContentTooLarge(f"{size} bytes, at most {max_bytes}")
    attributes = engine.probe(source)
    content_type = attributes.format.content_type
    if settings.allowed_content_types is not None and content_type not in settings.allowed_content_types:
        raise WrongMediumType(f"{content_type} is not allowed here")
    settings.limits.check(attributes.width, attributes.height, attributes.page_count)
    return attributes


def plan_attempt(before: Attempt | None, upload: Upload, settings: PathSettings) -> Attempt:
    """Choose the asset's id and the object's key: those of an attempt before, if that was with the same bytes."""
    if before is not None and before.content == upload.content:
        return before
    original = ObjectRef(settings.bucket, f"{uuid4()}{upload.attributes.format.extension}")
    return Attempt(asset_id=uuid7(), original=original, content=upload.content)


def store_asset(metadata: MetadataStore, objects: ObjectStore, source: Path, new: NewEntry) -> Entry:
    """Put the bytes of `source` into the object store and record them as `new`.

    When recording is refused for what the draft is, nothing is left. After any other failure the outcome may be
    unknown: try again with the same `NewEntry.asset_id` and `original`, which finds it out.
    """
    objects.put(new.original, source, new.attributes.format.content_type)
    try:
        return metadata.record(new)
    except (NameTaken, TooManyAttributes, TextTooLong, AttributeMalformed):
        objects.delete(new.original)
        raise
