"""Drafts as the tests of the changing half record them. `connection` is one to a migrated database."""

import time
from uuid import UUID

from psycopg import Connection
from uuid_utils.compat import uuid4, uuid7

from konifer_fs.adapters.postgres import naming, reading
from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Directory, Entry, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Attributes, ObjectRef
from konifer_fs.ports import NewEntry

ATTRIBUTES = Attributes(format=ImageFormat.JPEG, width=640, height=480, color_space="srgb")
OWNERSHIP = Ownership(mode=0o644, uid=1000, gid=1000, mtime_ns=1_700_000_000_123_456_789, ctime_ns=time.time_ns())


def new_entry(
    directory: Directory,
    name: str,
    node_id: int,
    *,
    edit: AnnotationEdit | None = None,
    replaces: UUID | None = None,
    keep: bool = False,
    ownership: Ownership = OWNERSHIP,
    named_ns: int = 0,
) -> NewEntry:
    """Make a draft whose object, of a key of its own, is stored already."""
    return NewEntry(
        directory=directory,
        name=name,
        node_id=node_id,
        asset_id=uuid7(),
        original=ObjectRef("assets", f"{uuid4()}.jpeg"),
        attributes=ATTRIBUTES,
        size=12345,
        sha256=bytes(32),
        ownership=ownership,
        edit=edit or AnnotationEdit(),
        replaces=replaces,
        keep=keep,
        named_ns=named_ns,
    )


def make(connection: Connection, path: str) -> Directory:
    """Make the directory `path` (Konifer's spelling) and give it."""
    return naming.make_directories(connection, AssetPath.from_konifer(path))


def node_id(connection: Connection) -> int:
    """Take a node id."""
    return naming.reserve_ids(connection, 1)[0]


def entry_at(connection: Connection, directory: Directory, name: str) -> Entry:
    """Find the entry that must have this name."""
    found = reading.find_child(connection, directory, name)
    assert isinstance(found, Entry), f"{name} is {found}"
    return found
