"""Konifer's own konifer.conf (HOCON), with a block `filesystem` of ours, as frozen values.

The command line calls `load` and hands the Config to wiring; workflows ask `PathRules` at each commit. What is
written for Konifer alone (http, delivery, rules, ...) is let through and not interpreted. docs/CONFIGURATION.md
names every key.
"""

from konifer_fs.config.errors import ConfigError
from konifer_fs.config.load import home_directory, load
from konifer_fs.config.paths import (
    Expire,
    ExpireStrategy,
    OnDemand,
    PathRule,
    PathRules,
    PathSettings,
    Preprocessing,
)
from konifer_fs.config.settings import (
    Config,
    Durability,
    FilesystemSettings,
    FilesystemStoreSettings,
    ImageSettings,
    InMemoryStoreSettings,
    LogFormat,
    OnOverwrite,
    PostgresSettings,
    S3StoreSettings,
    VariantGenerationSettings,
)

__all__ = [
    "Config",
    "ConfigError",
    "Durability",
    "Expire",
    "ExpireStrategy",
    "FilesystemSettings",
    "FilesystemStoreSettings",
    "ImageSettings",
    "InMemoryStoreSettings",
    "LogFormat",
    "OnDemand",
    "OnOverwrite",
    "PathRule",
    "PathRules",
    "PathSettings",
    "PostgresSettings",
    "Preprocessing",
    "S3StoreSettings",
    "VariantGenerationSettings",
    "home_directory",
    "load",
]
