"""Finding and converting values in the nested blocks of a file; every fault is a ConfigError with file and key."""

from collections.abc import Callable, Iterator, Mapping
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


def list_blocks(
    source: str, key: str, blocks: object, *, named_by: str, noun: str, spell: Callable[[str], str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the name of each block, and its keys, from both of Konifer's spellings of the value of `key`.

    They are a map by name, and a list of blocks with the key `named_by`. `noun` is what a name is, for people, and
    `spell` gives the full name of a block in the map.
    """
    if isinstance(blocks, dict):
        for name, block in blocks.items():
            if block is not None:
                check_block(source, spell(name), block)
                yield name, block
        return
    if not isinstance(blocks, list | None):
        raise ConfigError(f"{source}: {key} must be a map by {noun} or a list of blocks, not {convert.shown(blocks)}")
    for index, block in enumerate(blocks or ()):
        check_block(source, f"{key}[{index}]", block)
        if not isinstance(block.get(named_by), str):
            raise ConfigError(f"{source}: {key}[{index}].{named_by} must be text, the {noun} of the block")
        yield block[named_by], {name: value for name, value in block.items() if name != named_by}


def converted(source: str, key: str, value: object, conversion: Conversion) -> Any:  # noqa: ANN401 - what the key holds
    """Convert the value of `key`; the conversion's ValueError ends the sentence."""
    try:
        return conversion(value)
    except ValueError as error:
        raise ConfigError(f"{source}: {key} {error}") from None
