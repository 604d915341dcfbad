"""docs/CONFIGURATION.md names every key, and what it shows loads."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from konifer_fs.config import (
    Config,
    Expire,
    FilesystemSettings,
    ImageSettings,
    PathSettings,
    PostgresSettings,
    Preprocessing,
    S3StoreSettings,
    VariantGenerationSettings,
)
from konifer_fs.config.keys import (
    BLOCKS,
    KEYS_OF_A_PATH,
    KONIFERS,
    KONIFERS_OF_A_PATH,
    KONIFERS_OF_A_PROFILE,
    list_keys,
)
from konifer_fs.domain.parameters import PARAMETERS
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.transformation import UNLIMITED, Limits, Request

Loads = Callable[..., Config]

PAGE: Final = (Path(__file__).parents[2] / "docs/CONFIGURATION.md").read_text(encoding="utf-8")
EXAMPLES: Final = re.findall(r"^```hocon\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("key", [*list_keys(BLOCKS), *KEYS_OF_A_PATH, *PARAMETERS])
def test_every_key_of_ours_has_a_row(key: str) -> None:
    assert re.search(rf"^\|[^|]*`{re.escape(key)}`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("key", [*KONIFERS, *KONIFERS_OF_A_PATH, *KONIFERS_OF_A_PROFILE])
def test_every_key_that_is_let_through_is_named(key: str) -> None:
    assert f"`{key}`" in PAGE.split("## Accepted, not interpreted")[1]


@pytest.mark.parametrize("name", ["PG_USER", "PG_PASSWORD", "S3_SECRET_KEY", "IN_MEMORY", "URL_SIGNING_SECRET_KEY"])
def test_every_variable_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE.split("## Values", maxsplit=1)[0]


def test_the_two_spellings_of_profiles_mean_the_same(loads: Loads) -> None:
    by_map, by_list = (loads(example).profiles for example in EXAMPLES[:2])
    assert by_map == by_list
    assert list(by_map) == ["thumbnail", "print"]


def test_the_two_spellings_of_paths_mean_what_the_page_says(loads: Loads) -> None:
    by_map, by_list = (loads(example).paths for example in EXAMPLES[2:4])
    avatar = AssetPath.from_konifer("/users/42/avatar")
    assert by_map.settings_for(avatar).bucket == "vip"
    assert by_list.settings_for(avatar).bucket == "pictures"
    for rules in (by_map, by_list):
        assert rules.settings_for(avatar).allowed_content_types == frozenset({"image/png", "image/webp"})


def test_the_long_example_sets_every_field_to_something_else_than_its_default(loads: Loads) -> None:
    config = loads(EXAMPLES[-1], {"DATABASE_PASSWORD": "x", "OBJECTS_SECRET": "y"})
    path = config.paths.settings_for(AssetPath.from_konifer("/users/ada"))
    for shown, default in (
        (config.data_store, PostgresSettings()),
        (config.object_store, S3StoreSettings()),
        (config.filesystem, FilesystemSettings()),
        (config.filesystem.image, ImageSettings(workers=64)),
        (config.variant_generation, VariantGenerationSettings(workers=64)),
        (config.profiles["square"], Request()),
        (path, PathSettings()),
        (path.preprocessing, Preprocessing()),
        (path.expire, Expire()),
        (path.limits, UNLIMITED),
        (path.transform_limits, Limits()),
    ):
        same = [name for name in type(default).__slots__ if getattr(shown, name) == getattr(default, name)]
        assert same in ([], ["port", "database"])
