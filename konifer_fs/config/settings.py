"""What a konifer.conf says, as values; wiring reads them to build the stores, the spool and the operations.

Sizes are bytes, durations seconds. Secrets are left out of `repr`. How the file is read is not here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from konifer_fs.config.paths import PathRules
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.transformation import Request

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
MAX_UPLOAD_BYTES: Final = 100 * MIB


class OnOverwrite(Enum):
    """What becomes of the entry whose name a new entry takes."""

    REPLACE = "replace"
    KEEP = "keep"


class LogFormat(Enum):
    """How the daemon spells a line of its log."""

    KEY_VALUE = "key-value"
    JSON = "json"


class Durability(Enum):
    """What has a whole image when its close returns: both stores, or the spool."""

    CLOSE = "close"
    SPOOL = "spool"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """A PostgreSQL server; `ssl_mode` is one of libpq's six words, `ssl_root_cert` a file of authorities of its own."""

    host: str = "localhost"
    port: int = 5432
    database: str = "konifer"
    user: str = "postgres"
    password: str = field(default="", repr=False)
    ssl_mode: str = "prefer"
    ssl_root_cert: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemStoreSettings:
    """Objects as files, `<mount_path>/<bucket>/<key>`."""

    mount_path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class S3StoreSettings:
    """S3 or a compatible service; the keys are both set or both None (then the SDK's chain finds credentials)."""

    endpoint_url: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    force_path_style: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InMemoryStoreSettings:
    """Objects in the daemon's memory, gone at unmount; a store over `max_bytes` is full."""

    max_bytes: int = GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantGenerationSettings:
    """How variants are made: `workers` at a time, and at most `queue_size` wait to be made in advance.

    Of 100 turns `synchronous_priority` are for those that somebody waits for, while both kinds wait.
    """

    queue_size: int = 1000
    synchronous_priority: int = 80
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """Bounds of the worker processes that look into images: seconds and memory of one image, and how many."""

    timeout: float = 30.0
    memory_max_bytes: int = GIB
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemSettings:
    """The block `filesystem`, which is ours: what Konifer has no word for.

    `spool_dir` and `cache_dir` None are `spool` and `cache` in the data directory (in the temporary one of an in-memory
    mount); `uid` and `gid` None are the mounting user's; `capacity` is what `statfs` tells, None where the store or
    1 PiB does. `deadline` is counted from the last progress, `drain` is how long an unmount waits for pending drafts.
    `dialect` is that of the Konifer whose database it is, None to find out by its rows.
    `metrics_address` is where Prometheus may ask over HTTP, None where it may not.
    """

    spool_dir: Path | None = None
    spool_max_bytes: int = 10 * GIB
    local_max_bytes: int = GIB
    cache_dir: Path | None = None
    cache_max_bytes: int = 10 * GIB
    cache_min_free_bytes: int = GIB
    on_overwrite: OnOverwrite = OnOverwrite.REPLACE
    durability: Durability = Durability.CLOSE
    dialect: Dialect | None = None
    uid: int | None = None
    gid: int | None = None
    umask: int = 0o022
    capacity: int | None = None
    deadline: float = 30.0
    drain: float = 30.0
    metrics_address: tuple[str, int] | None = None
    log_format: LogFormat = LogFormat.KEY_VALUE
    image: ImageSettings = field(default_factory=ImageSettings)


ObjectStoreSettings = FilesystemStoreSettings | S3StoreSettings | InMemoryStoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be configured.

    `data_store` None is the embedded server, in `data_dir`, or with `in_memory` in a temporary directory.
    `object_store` None is a directory beside the embedded server's, whichever of the two it is.
    `profiles` are by lower-cased name.
    """

    data_dir: Path
    data_store: PostgresSettings | None = None
    in_memory: bool = False
    object_store: ObjectStoreSettings | None = None
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    paths: PathRules = field(default_factory=PathRules)
    profiles: Mapping[str, Request] = field(default_factory=dict)
    variant_generation: VariantGenerationSettings = field(default_factory=VariantGenerationSettings)
    filesystem: FilesystemSettings = field(default_factory=FilesystemSettings)
