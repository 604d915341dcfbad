"""Which keys a konifer.conf may hold: ours, which are read, and Konifer's, which are let through.

`load` checks a file against these tables before it reads a value; a test holds docs/CONFIGURATION.md to them.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from konifer_fs.config import convert
from konifer_fs.config.errors import ConfigError
from konifer_fs.config.paths import ExpireStrategy, OnDemand
from konifer_fs.config.settings import Durability, LogFormat, OnOverwrite
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.parameters import PARAMETERS

Conversion = Callable[[object], Any]

_LAST_ID: Final = 2**32 - 2
_MOST: Final = 2**31 - 1  # Konifer's numbers are of 32 bits
# What we read: blocks, their keys, and what a value becomes. The fields of settings.py have the same names.
BLOCKS: Final[Mapping[str, Mapping[str, Conversion]]] = {
    "data-store": {"provider": convert.one_of("postgresql", "in-memory")},
    "data-store.postgresql": {
        "host": convert.text,
        "port": convert.whole_number(1, 65535),
        "database": convert.text,
        "user": convert.text,
        "password": convert.text,
        "ssl-mode": convert.one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        "ssl-root-cert": convert.filled_text,
    },
    "object-store": {"provider": convert.one_of("filesystem", "s3", "in-memory")},
    "object-store.filesystem": {"mount-path": convert.filled_text},
    "object-store.s3": {
        "endpoint-url": convert.web_address,
        "access-key": convert.text,
        "secret-key": convert.text,
        "region": convert.text,
        "force-path-style": convert.boolean,
    },
    "source.multipart": {"max-bytes": convert.size},
    "variant-generation": {
        "queue-size": convert.whole_number(1, _MOST),
        "synchronous-priority": convert.whole_number(1, 100),
        "workers": convert.whole_number(1, _MOST),
    },
    "filesystem": {
        "spool-dir": convert.filled_text,
        "spool-max-bytes": convert.size,
        "local-max-bytes": convert.size_or_none,
        "cache-dir": convert.filled_text,
        "cache-max-bytes": convert.size_or_none,
        "cache-min-free-bytes": convert.size_or_none,
        "in-memory-max-bytes": convert.size,
        "on-overwrite": convert.member_of(OnOverwrite),
        "durability": convert.member_of(Durability),
        "dialect": convert.member_of(Dialect),
        "uid": convert.whole_number(0, _LAST_ID),
        "gid": convert.whole_number(0, _LAST_ID),
        "umask": convert.octal,
        "capacity": convert.size,
        "deadline": convert.time_limit,
        "drain": convert.duration,
        "metrics-address": convert.listening_address,
        "log-format": convert.member_of(LogFormat),
    },
    "filesystem.image": {
        "timeout": convert.time_limit,
        "memory-max-bytes": convert.size,
        "workers": convert.whole_number(1, 64),
    },
}
# Konifer's parameters stand in these blocks too; they are read together, by `profiles.read_parameters`.
PREPROCESSING: Final = (
    "preprocessing.image",
    "preprocessing",
    "transform.preprocessing.image",
    "transform.preprocessing",
)
_LIMITS: Final[Mapping[str, Conversion]] = {
    "max-width": convert.whole_number(1, _MOST),
    "max-height": convert.whole_number(1, _MOST),
    "max-pixels": convert.pixels,
    "max-pages": convert.whole_number(1, _MOST),
    "max-pixels-per-page": convert.pixels,
}
_BOUNDS: Final = {
    "max-width": "max_width",
    "max-height": "max_height",
    "clamp-width": "max_width",
    "clamp-height": "max_height",
}
# Each key of a path: the field of PathSettings, and what a value becomes. Spellings of several releases are of one
# field; where a block has two of them, the later one here wins, as the one before it in PREPROCESSING loses.
KEYS_OF_A_PATH: Final[Mapping[str, tuple[str, Conversion]]] = {
    "object-store.bucket": ("bucket", convert.bucket),
    "allowed-content-types": ("allowed_content_types", convert.content_types),
    "eager-variants": ("eager_variants", convert.profile_names),
    "transform.eager-variants": ("eager_variants", convert.profile_names),
    "transform.on-demand-variant.mode": ("on_demand", convert.member_of(OnDemand)),
    "image.lqip": ("placeholders", convert.placeholders),
    "lqip": ("placeholders", convert.placeholders),
    "preprocessing.enabled": ("preprocessing.enabled", convert.boolean),
    "transform.preprocessing.enabled": ("preprocessing.enabled", convert.boolean),
    **{
        f"{block}.{key}": (f"preprocessing.{field}", convert.whole_number(1, _MOST))
        for block in PREPROCESSING
        for key, field in _BOUNDS.items()
    },
    "transform.expire.strategy": ("expire.strategy", convert.member_of(ExpireStrategy)),
    "transform.expire.ttl": ("expire.ttl", convert.positive_duration),
    "transform.retention.expire.strategy": ("expire.strategy", convert.member_of(ExpireStrategy)),
    "transform.retention.expire.ttl": ("expire.ttl", convert.positive_duration),
    **{
        f"{block}.{key}": (f"{field}.{key.replace('-', '_')}", conversion)
        for block, field in (("limits", "limits"), ("transform.limits", "transform_limits"))
        for key, conversion in _LIMITS.items()
    },
}

# A Konifer must be able to run with the same file: these hold whatever they hold, in all of its releases' spellings.
KONIFERS: Final = (
    "api",
    "http",
    "image",
    "ktor",
    "limits",
    "rule-definitions",
    "scheduled-jobs",
    "source.s3",
    "source.url",
    "transform",
    "url-signing",
)
KONIFERS_OF_A_PATH: Final = (
    "cache-control",
    "delivery",
    "edit-rules",
    "limits.max-bytes",
    "modify-rules",
    "return-format",
    "transform.retention.cache",
    "upload-rules",
    "upload-ruleset",
)
KONIFERS_OF_A_PROFILE: Final = ("pixel-channels",)

Known = dict[str, "Known"]


def list_keys(blocks: Mapping[str, Mapping[str, Conversion]]) -> list[str]:
    """Give the full names of the keys of `blocks`."""
    return [f"{block}.{key}".lstrip(".") for block, keys in blocks.items() for key in keys]


def check_root_keys(source: str, values: Mapping[str, Any], variables: Iterable[str]) -> None:
    """Raise ConfigError at the first key that is unknown, and no variable of the file; `paths` is not entered."""
    own = {key: value for key, value in values.items() if key in _ROOT or key not in frozenset(variables)}
    _check(source, "", own, _ROOT)


def check_path_keys(source: str, name: str, values: Mapping[str, Any]) -> None:
    """Raise ConfigError at the first unknown key of the block `name` of a path."""
    _check(source, f"{name}.", values, _PATH)


def check_profile_keys(source: str, name: str, values: Mapping[str, Any]) -> None:
    """Raise ConfigError at the first unknown key of the block `name` of a profile."""
    _check(source, f"{name}.", values, _PROFILE)


def _check(source: str, prefix: str, values: Mapping[str, Any], known: Known) -> None:
    for key, value in values.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{source}: {prefix}{key} is not a known key{hint}")
        if known[key] and isinstance(value, dict):
            _check(source, f"{prefix}{key}.", value, known[key])


def _tree(*tables: Iterable[str]) -> Known:
    root: Known = {}
    for table in tables:
        for key in table:
            node = root
            for step in key.split("."):
                node = node.setdefault(step, {})
    return root


_ROOT: Final = _tree(list_keys(BLOCKS), KONIFERS, ("paths", "variant-profiles"))
_PATH: Final = _tree(
    KEYS_OF_A_PATH, KONIFERS_OF_A_PATH, (f"{block}.{name}" for block in PREPROCESSING for name in PARAMETERS)
)
_PROFILE: Final = _tree(PARAMETERS, KONIFERS_OF_A_PROFILE)
