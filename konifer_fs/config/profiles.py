"""The variant profiles of a file, and Konifer's parameters where a file has them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from konifer_fs.config import convert
from konifer_fs.config.blocks import converted, list_blocks
from konifer_fs.config.errors import ConfigError
from konifer_fs.config.keys import check_profile_keys
from konifer_fs.domain.errors import ExpressionMalformed
from konifer_fs.domain.parameters import PARAMETERS, parse_parameters
from konifer_fs.domain.transformation import Request

_NAME: Final = re.compile(r"[\w.~-]+")
# Konifer's format for raw pixels is none of a file.
_PIXELS: Final = "pixels"


def read_profiles(source: str, profiles: object) -> dict[str, Request | None]:
    """Give the profiles by lower-cased name; None is one whose variants are no files."""
    found: dict[str, Request | None] = {}
    blocks = list_blocks(source, "variant-profiles", profiles, named_by="name", noun="name", spell=_full_name)
    for name, block in blocks:
        full = _full_name(name)
        if not _NAME.fullmatch(name):
            fault = f"has {convert.shown(name)}; names are made of letters, digits and - . _ ~"
            raise ConfigError(f"{source}: variant-profiles {fault}")
        if name.lower() in found:
            raise ConfigError(f"{source}: {full} is there twice; upper and lower case are alike")
        check_profile_keys(source, full, block)
        found[name.lower()] = None if block.get("format") == _PIXELS else read_parameters(source, full, block)
    return found


def read_parameters(source: str, name: str, values: Mapping[str, Any]) -> Request:
    """Read what the block `name` has of Konifer's parameters; null is not given. Raises ConfigError."""
    given = {
        parameter: converted(source, f"{name}.{parameter}", values[parameter], convert.text)
        for parameter in PARAMETERS
        if values.get(parameter) is not None
    }
    try:
        return parse_parameters(given)
    except ExpressionMalformed as error:
        raise ConfigError(f"{source}: {name}.{error.detail}") from None


def _full_name(name: str) -> str:
    return f"variant-profiles.{name}"
