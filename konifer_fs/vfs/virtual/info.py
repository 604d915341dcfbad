"""Konifer's asset information as JSON, the answer of its `info` selector; pure.

Times are ISO 8601 in UTC without a zone, as Konifer spells them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.variant import Json
from konifer_fs.ports import AssetFacts, StoredVariant

# What Konifer leaves out of the stored transformation where it is so, and spells out here.
_DEFAULTS: Final[Json] = {
    "fit": "fit", "gravity": "center", "rotate": "0", "filter": "none", "blur": 0,
    "padding": {"amount": 0, "color": []},
}  # fmt: skip


def asset_info(entry_id: int, facts: AssetFacts, variants: Sequence[StoredVariant]) -> Json:
    """Give what Konifer tells of an asset; `variants` come as they are given, newest first."""
    annotations = facts.annotations
    return {
        "class": "image",
        "alt": annotations.alt,
        "entryId": entry_id,
        "labels": dict(annotations.labels),
        "tags": list(annotations.tags),
        "source": "url" if annotations.source_url else "upload",
        "sourceUrl": annotations.source_url,
        "variants": [_variant_info(variant) for variant in variants],
        "createdAt": _spell_time(facts.created_at),
        "modifiedAt": _spell_time(facts.modified_at),
    }


def _variant_info(variant: StoredVariant) -> Json:
    return {
        "isOriginalVariant": variant.is_original,
        "storeBucket": variant.ref.bucket,
        "storeKey": variant.ref.key,
        "attributes": {"pageCount": 1, **variant.attributes},
        "transformation": None if variant.is_original else _transformation_info(variant.transformation),
        "lqip": dict(variant.lqip),
    }


def _transformation_info(stored: Mapping[str, object]) -> Json:
    qualities = {image_format.value: image_format.default_quality for image_format in ImageFormat}
    spelled = {**_DEFAULTS, "quality": qualities.get(str(stored.get("format"))), **stored}
    flip, rotate = "h" if spelled.pop("horizontalFlip", False) else "none", str(spelled["rotate"])
    return {**spelled, "rotate": int(rotate) if rotate.isdecimal() else rotate, "flip": flip}


def _spell_time(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat()
