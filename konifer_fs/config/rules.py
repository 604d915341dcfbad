"""The blocks of `paths` in a file: from both spellings of the list, and all spellings of the keys, to PathRules."""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from konifer_fs.config import convert
from konifer_fs.config.blocks import converted, descend, list_blocks
from konifer_fs.config.errors import ConfigError
from konifer_fs.config.keys import KEYS_OF_A_PATH, PREPROCESSING, check_path_keys
from konifer_fs.config.paths import ExpireStrategy, PathRule, PathRules, spell_stored
from konifer_fs.config.profiles import read_parameters
from konifer_fs.domain.errors import ExpressionMalformed
from konifer_fs.domain.normalise import bounded, check_consistent
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.transformation import Request

Profiles = Mapping[str, Request | None]


def read_rules(source: str, paths: object, profiles: Profiles) -> PathRules:
    """Read the value of `paths`; of `profiles` those that are None count as known and are left out.

    Raises:
        ConfigError: a block, key or value is not understood, or what holds at a pattern does not go together.
    """
    blocks = list(list_blocks(source, "paths", paths, named_by="path", noun="pattern", spell=_name))
    rules = PathRules(
        tuple(
            PathRule.from_pattern(pattern, _read_changes(source, _name(pattern), block, profiles))
            for pattern, block in blocks
        ),
        tuple(_doubt(source, pattern) for pattern, _ in blocks if spell_stored(pattern.lower()) != pattern.lower()),
    )
    for (pattern, _), rule in zip(blocks, rules.rules, strict=True):
        _check_together(source, _name(pattern), rules, rule)
    return rules


def _name(pattern: str) -> str:
    return f'paths."{pattern}"'


def _doubt(source: str, pattern: str) -> ConfigError:
    """Say why a pattern can match nothing, and how it is meant."""
    return ConfigError(
        f"{source}: {_name(pattern)} matches nothing: a segment is `*`, `**`, or a label of letters, digits, `-` and"
        f" `_`; a directory that is shown so is stored as {spell_stored(pattern)}"
    )


def _read_changes(source: str, name: str, block: Mapping[str, Any], profiles: Profiles) -> dict[str, Any]:
    """Give the fields that the block `name` sets, as `PathRule.changes` has them."""
    check_path_keys(source, name, block)
    changes: dict[str, Any] = {}
    for key, (field, conversion) in KEYS_OF_A_PATH.items():
        within, _, last = key.rpartition(".")
        value = descend(source, block, within, name).get(last)
        if value is not None:
            _put(changes, field, converted(source, f"{name}.{key}", value, conversion))
            if field == "eager_variants":
                changes[field] = _find_profiles(source, f"{name}.{key}", changes[field], profiles)
    for within in PREPROCESSING:
        request = read_parameters(source, f"{name}.{within}", descend(source, block, within, name))
        for parameter in fields(request):
            given = getattr(request, parameter.name)
            if given is not None:
                _put(changes, f"preprocessing.request.{parameter.name}", given)
    return changes


def _put(changes: dict[str, Any], field: str, value: object) -> None:
    *above, last = field.split(".")
    for step in above:
        changes = changes.setdefault(step, {})
    changes[last] = value


def _find_profiles(source: str, key: str, names: tuple[str, ...], profiles: Profiles) -> tuple[str, ...]:
    for name in names:
        if name not in profiles:
            close = get_close_matches(name, profiles, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{source}: {key} has {convert.shown(name)}, which is not in variant-profiles{hint}")
    return tuple(name for name in names if profiles[name] is not None)


def _check_together(source: str, name: str, rules: PathRules, rule: PathRule) -> None:
    """Check what holds where `rule` is the most specific one: a pattern matches itself, taken for a path."""
    settings = rules.settings_for(AssetPath(rule.segments))
    if settings.expire.strategy is not ExpireStrategy.NEVER and settings.expire.ttl is None:
        raise ConfigError(f"{source}: {name}.transform.expire.ttl must say how long")
    wanted = settings.preprocessing
    if wanted.enabled:
        try:
            check_consistent(bounded(wanted.request, wanted.max_width, wanted.max_height))
        except ExpressionMalformed as error:
            raise ConfigError(f"{source}: {name}.transform.preprocessing: {error.detail}") from None
