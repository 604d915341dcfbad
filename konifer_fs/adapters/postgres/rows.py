"""Rows of the reading statements as the domain's values.

Used by `reading`, and by the changing side for what it returns. The shape of a row is told in `sql_read`.
"""

from collections.abc import Sequence
from sys import intern
from typing import Any, Final

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Directory, Entry, Node, Ownership, Symlink, derived_id
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Json, ObjectRef

Row = Sequence[Any]

_DEFAULT: Final = Ownership()
# Konifer up to v0.3 wrote the constants' names, `JPEG_XL`; later ones write the spelling of requests, `jxl`.
_FORMATS: Final = {word: found for found in ImageFormat for word in (found.name, found.name.lower(), found.value)}


def format_of(word: str | None) -> ImageFormat | None:
    """Read a format in any of Konifer's spellings; None for one that is unknown."""
    return _FORMATS.get(word) if word else None


def json_object(value: Any) -> Json:  # noqa: ANN401 - whatever jsonb holds
    """Read what should be an object, and is taken for an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def ownership_of(row: Row) -> Ownership:
    """Read mode, uid, gid, mtime and ctime."""
    if row[0] is row[1] is row[2] is row[3] is row[4] is None:
        return _DEFAULT
    mode, uid, gid, mtime, ctime = row
    return Ownership(mode=mode, uid=uid, gid=gid, mtime_ns=mtime, ctime_ns=ctime)


def directory_at(path: AssetPath, row: Row) -> Directory:
    """Read the directory `path` from the columns of its node, which are all None where it has no row."""
    made = row[0] is not None
    return Directory(id=row[0] if made else derived_id(path), path=path, made=made, ownership=ownership_of(row[1:6]))


def node_in(path: AssetPath, row: Row) -> Node:
    """Read what lies in the directory `path`."""
    match row[0]:
        case "d":
            return directory_at(path.child(row[1]), row[2:8])
        case "f":
            return entry_in(path, row)
        case _:
            return Symlink(id=row[2], path=path, name=row[1], target=row[17], ownership=ownership_of(row[3:8]))


def entry_in(path: AssetPath, row: Row) -> Entry:
    """Read an entry of the directory `path`."""
    _, name, node_id, *_, asset_id, entry_id, word, size, bucket, key, created_at, modified_at, sha256 = row[:17]
    made = node_id is not None
    return Entry(
        node_id if made else derived_id(asset_id),
        path,
        made,
        name,
        asset_id,
        entry_id,
        format_of(word),
        ObjectRef(intern(bucket), key) if key is not None else None,
        size,
        created_at,
        created_at if modified_at == created_at else modified_at,
        ownership_of(row[3:8]) if made else _DEFAULT,
        sha256,
    )
