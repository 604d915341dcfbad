"""What the tree is told of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

from konifer_fs.config import PathRules, VariantGenerationSettings
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.transformation import Request
from konifer_fs.vfs.nodes import Defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The mount's settings: sizes in bytes; `keep` is `on-overwrite = keep`, `show_virtual` the mount option.

    `durable_in_spool` is `durability = spool`: a close is content with the spool.

    `profiles` are by lower-cased name. `dialect` is that of the database.
    """

    defaults: Defaults
    rules: PathRules
    max_upload_bytes: int
    profiles: Mapping[str, Request]
    generation: VariantGenerationSettings
    dialect: Dialect = Dialect.C
    keep: bool = False
    durable_in_spool: bool = False
    read_only: bool = False
    show_virtual: bool = False
    capacity: int | None = None
