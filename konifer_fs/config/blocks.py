"""Finding and converting values in the nested blocks of a file; every fault is a ConfigError with file and key."""

from collections.abc import Mapping
from typing import Any

from konifer_fs.config import convert
from konifer_fs.config.errors import ConfigError
from konifer_fs.config.keys import Conversion


def descend(source: str, values: Mapping[str, Any], block: str, above: str = "") -> Mapping[str, Any]:
    """Give the keys of the nested `block`, none where it is not there; `above` is the name of `values`."""
    name = above
    for step in filter(None, block.split(".")):
        name = f"{name}.{step}".lstrip(".")
        values = {} if values.get(step) is None else values[step]
        check_block(source, name, values)
    return values


def check_block(source: str, name: str, block: object) -> None:
    """Raise ConfigError unless `block` is one."""
    if not isinstance(block, dict):
        raise ConfigError(f"{source}: {name} must be a block {{ ... }}, not {convert.shown(block)}")


def converted(source: str, key: str, value: object, conversion: Conversion) -> Any:  # noqa: ANN401 - what the key holds
    """Convert the value of `key`; the conversion's ValueError ends the sentence."""
    try:
        return conversion(value)
    except ValueError as error:
        raise ConfigError(f"{source}: {key} {error}") from None
