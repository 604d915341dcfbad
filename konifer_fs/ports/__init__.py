"""What the workflows and the tree need of the outside: the metadata store, the object store, the image engine.

Every method blocks, may be called from any thread, and either finishes within the deadline it was configured
with or raises StoreUnreachable. Adapters raise the leaves of `domain.errors` and nothing of their libraries'.
"""

from konifer_fs.ports.examining import DeadName, Examiner, LowCounter, Reference
from konifer_fs.ports.images import ImageEngine, Rendered
from konifer_fs.ports.metadata import MetadataStore
from konifer_fs.ports.objects import ObjectStore, Part, Space, StoredObject
from konifer_fs.ports.records import (
    AssetFacts,
    BytesBelow,
    NewEntry,
    NewVariant,
    OnClash,
    PendingDelete,
    Selected,
    Selection,
    StoredAsset,
    StoredVariant,
)

__all__ = [
    "AssetFacts",
    "BytesBelow",
    "DeadName",
    "Examiner",
    "ImageEngine",
    "LowCounter",
    "MetadataStore",
    "NewEntry",
    "NewVariant",
    "ObjectStore",
    "OnClash",
    "Part",
    "PendingDelete",
    "Reference",
    "Rendered",
    "Selected",
    "Selection",
    "Space",
    "StoredAsset",
    "StoredObject",
    "StoredVariant",
]
