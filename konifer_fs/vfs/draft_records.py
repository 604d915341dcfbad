"""Drafts as the spool keeps them: all that a later process needs to bring one back.

When a record is written is said in `commits`, what becomes of one that is read in `restoring`.
"""

import base64
from typing import Any, Final
from uuid import UUID

from konifer_fs.domain.asset import AnnotationEdit
from konifer_fs.domain.node import Directory, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import Fingerprint, ObjectRef
from konifer_fs.spool import Record, SpoolFile
from konifer_fs.vfs.drafts import Draft, DraftState
from konifer_fs.workflows.store_asset import Attempt

_NO_EDIT: Final = AnnotationEdit()


def to_record(draft: Draft, state: DraftState) -> Record:
    """Give what `from_record` needs to bring the draft back in this state."""
    owned = draft.ownership
    return {
        "id": draft.id,
        "directory": draft.directory.id,
        "path": draft.directory.path.ltree,
        "name": draft.name,
        "state": state.value,
        "ownership": (owned.mode, owned.uid, owned.gid, owned.mtime_ns, owned.ctime_ns),
        "since_ns": draft.since_ns,
        "named_ns": draft.named_ns,
        "base": str(draft.base.asset_id) if draft.base else None,
        "recorded": str(draft.recorded) if draft.recorded else None,
        "attempt": _attempt_to_json(draft.attempt) if draft.attempt else None,
        "holds_base": draft.holds_base,
        "acknowledged": draft.is_acknowledged,
        "nameless": draft.is_nameless,
        "error": draft.error,
        "edit": None if draft.edit == _NO_EDIT else _edit_to_json(draft.edit),
    }


def from_record(file: SpoolFile, record: Any) -> Draft:  # noqa: ANN401 (JSON)
    """Bring a draft back as a new process finds it; its `base` is looked up by the caller."""
    mode, uid, gid, mtime_ns, ctime_ns = record["ownership"]
    path = AssetPath.from_ltree(record["path"])
    draft = Draft(
        id=record["id"],
        directory=Directory(id=record["directory"], path=path, made=True),
        name=record["name"],
        file=file,
        ownership=Ownership(mode=mode, uid=uid, gid=gid, mtime_ns=mtime_ns, ctime_ns=ctime_ns),
        named_ns=record["named_ns"],
    )
    draft.state = DraftState(record["state"])
    draft.since_ns, draft.error = record["since_ns"], record["error"]
    draft.holds_base = record["holds_base"]
    draft.is_acknowledged, draft.is_nameless = record["acknowledged"], record["nameless"]
    draft.recorded = record["recorded"] and UUID(record["recorded"])
    draft.attempt = record["attempt"] and _attempt_from_json(record["attempt"])
    draft.edit = _edit_from_json(record["edit"]) if record["edit"] else _NO_EDIT
    draft.tried_version = draft.version
    return draft


def _attempt_to_json(attempt: Attempt) -> Record:
    return {
        "asset": str(attempt.asset_id), "bucket": attempt.original.bucket, "key": attempt.original.key,
        "size": attempt.content.size, "sha256": attempt.content.sha256.hex(),
    }  # fmt: skip


def _attempt_from_json(value: Any) -> Attempt:  # noqa: ANN401 (JSON)
    return Attempt(
        asset_id=UUID(value["asset"]),
        original=ObjectRef(value["bucket"], value["key"]),
        content=Fingerprint(value["size"], bytes.fromhex(value["sha256"])),
    )


def _edit_to_json(edit: AnnotationEdit) -> Record:
    private = {
        name: None if value is None else base64.b64encode(value).decode() for name, value in edit.private.items()
    }
    return {
        "alt": edit.alt, "source_url": edit.source_url, "labels": dict(edit.labels),
        "tags": edit.tags, "private": private,
    }  # fmt: skip


def _edit_from_json(value: Any) -> AnnotationEdit:  # noqa: ANN401 (JSON)
    private = {name: None if text is None else base64.b64decode(text) for name, text in value["private"].items()}
    tags = None if value["tags"] is None else tuple(value["tags"])
    return AnnotationEdit(
        alt=value["alt"], source_url=value["source_url"], labels=value["labels"], tags=tags, private=private
    )
