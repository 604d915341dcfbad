"""What a file says of variants: profiles, and what holds for them at a path, in the spellings of all releases."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from konifer_fs.config import (
    Config,
    Expire,
    ExpireStrategy,
    OnDemand,
    PathSettings,
    Preprocessing,
    VariantGenerationSettings,
)
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.transformation import (
    UNLIMITED,
    ColorSpace,
    Filter,
    Fit,
    Flip,
    Gravity,
    Limits,
    Metadata,
    Placeholder,
    Request,
    Rotate,
)

Loads = Callable[..., Config]

EVERY_PARAMETER = """
  w = 20, h = "30", fit = Crop, g = entropy, format = jxl, r = 270, f = v, filter = greyscale
  blur = 150, q = 1, pad = 3, pad-c = "#FA9B1E01", strip = "icc, EXIF", cs = p3
"""
EVERY_FIELD = Request(
    width=20,
    height=30,
    fit=Fit.CROP,
    gravity=Gravity.ENTROPY,
    format=ImageFormat.JPEG_XL,
    rotate=Rotate.TWO_HUNDRED_SEVENTY,
    flip=Flip.V,
    filter=Filter.GRAYSCALE,
    blur=150,
    quality=1,
    pad=3,
    pad_color=(250, 155, 30, 1),
    strip=frozenset({Metadata.ICC, Metadata.EXIF}),
    color_space=ColorSpace.P3,
)


def at(config: Config, path: str = "/a") -> PathSettings:
    return config.paths.settings_for(AssetPath.from_konifer(path))


def on_path(loads: Loads, block: str) -> PathSettings:
    """Load a file with one path and the profiles `small` and `large`, and give what holds there."""
    return at(loads(f'variant-profiles {{ small.w = 10, large.w = 99 }}\npaths {{ "/a" {{\n{block}\n}} }}'))


# Profiles.
@pytest.mark.parametrize(
    "text",
    [
        f"variant-profiles {{ full {{ {EVERY_PARAMETER} }}\nempty {{}} }}",
        f"variant-profiles = [ {{ name = full\n{EVERY_PARAMETER} }}, {{ name = empty }} ]",
    ],
    ids=["map", "list"],
)
def test_profiles_are_read_from_both_spellings(loads: Loads, text: str) -> None:
    assert loads(text).profiles == {"full": EVERY_FIELD, "empty": Request()}


def test_without_profiles_there_are_none(loads: Loads) -> None:
    assert loads("").profiles == {}
    assert loads("variant-profiles { a = null }").profiles == {}


def test_profiles_are_known_by_lower_cased_name(loads: Loads) -> None:
    config = loads("""
        variant-profiles { "Mürbe.2_x~-" { w = 1 } }
        paths { "/a" { eager-variants = ["MÜRBE.2_X~-"] } }""")
    assert list(config.profiles) == ["mürbe.2_x~-"]
    assert at(config).eager_variants == ("mürbe.2_x~-",)


def test_a_profile_may_leave_to_the_request_what_its_fit_needs(loads: Loads) -> None:
    assert loads("variant-profiles { thumbnail { w = 256, fit = fill } }").profiles["thumbnail"].fit is Fit.FILL


def test_a_profile_of_raw_pixels_is_let_through_and_left_out(loads: Loads) -> None:
    config = loads("""
        variant-profiles { raw { w = 9, format = pixels, pixel-channels = RGB }, small.w = 9 }
        paths."/a".transform.eager-variants = [raw, small]""")
    assert list(config.profiles) == ["small"]
    assert at(config).eager_variants == ("small",)


# Paths.
@pytest.mark.parametrize(
    "block",
    [
        "preprocessing { enabled = true, image { max-width = 5, max-height = 6, r = auto, format = webp } }",
        "preprocessing { enabled = true, clamp-width = 5, clamp-height = 6, r = auto, format = webp }",
        "transform.preprocessing { enabled = true, image { max-width = 5, max-height = 6, r = auto, format = webp } }",
        "transform.preprocessing { enabled = true, clamp-width = 5, max-height = 6, r = auto, format = webp }",
        """
        preprocessing { enabled = false, max-width = 1, r = 90, image { r = 180, format = webp } }
        transform.preprocessing { enabled = true, max-width = 3, clamp-width = 5, r = auto }
        transform.preprocessing.image { clamp-width = 2, r = 270 }
        preprocessing { image { max-height = 6 } }
        """,
    ],
    ids=["0.2", "flattened", "0.4", "latest", "all at once"],
)
def test_preprocessing_is_read_from_every_spelling_and_the_latest_wins(loads: Loads, block: str) -> None:
    assert on_path(loads, block).preprocessing == Preprocessing(
        enabled=True,
        request=Request(rotate=Rotate.AUTO, format=ImageFormat.WEBP),
        max_width=5,
        max_height=6,
    )


def test_preprocessing_takes_every_parameter_and_is_off_by_default(loads: Loads) -> None:
    settings = on_path(loads, f"transform.preprocessing {{ {EVERY_PARAMETER} }}")
    assert settings.preprocessing == Preprocessing(enabled=False, request=EVERY_FIELD)
    assert PathSettings().preprocessing == Preprocessing(enabled=False)


@pytest.mark.parametrize(
    ("block", "names"),
    [
        ("eager-variants = [small, Large]", ("small", "large")),
        ("transform.eager-variants = [large, small, large]", ("large", "small")),
        ("eager-variants = [small], transform.eager-variants = []", ()),
        ("transform.eager-variants = null", ()),
    ],
)
def test_eager_variants_are_names_of_profiles(loads: Loads, block: str, names: tuple[str, ...]) -> None:
    assert on_path(loads, block).eager_variants == names


@pytest.mark.parametrize("mode", list(OnDemand))
def test_the_mode_of_variants_on_demand_is_one_of_three(loads: Loads, mode: OnDemand) -> None:
    for spelling in (mode.value, mode.value.upper()):
        assert on_path(loads, f"transform.on-demand-variant {{ mode = {spelling} }}").on_demand is mode
    assert PathSettings().on_demand is OnDemand.ENABLED


@pytest.mark.parametrize("block", ["transform.expire", "transform.retention.expire"])
@pytest.mark.parametrize("strategy", list(ExpireStrategy))
def test_expiry_is_read_from_both_spellings(loads: Loads, block: str, strategy: ExpireStrategy) -> None:
    settings = on_path(loads, f"{block} {{ strategy = {strategy.value}, ttl = 7d }}")
    assert settings.expire == Expire(strategy=strategy, ttl=7 * 86400.0)


def test_the_later_spelling_of_expiry_wins_key_by_key(loads: Loads) -> None:
    settings = on_path(loads, "transform { retention.expire.ttl = 1h, expire { strategy = idle, ttl = 1d } }")
    assert settings.expire == Expire(strategy=ExpireStrategy.IDLE, ttl=3600.0)


@pytest.mark.parametrize(
    ("block", "kinds"),
    [
        ("image.lqip = [blurhash, ThumbHash]", frozenset(Placeholder)),
        ("lqip = [thumbhash]", frozenset({Placeholder.THUMBHASH})),
        ("image { lqip = [blurhash] }, lqip = []", frozenset()),
    ],
)
def test_placeholders_are_read_from_both_spellings(loads: Loads, block: str, kinds: frozenset[Placeholder]) -> None:
    assert on_path(loads, block).placeholders == kinds


def test_limits_of_what_comes_in_and_of_what_is_made_are_apart(loads: Loads) -> None:
    settings = on_path(
        loads,
        """
        limits { max-width = 1, max-height = 2, max-pixels = 1.5MP, max-pages = 4, max-pixels-per-page = 250kp }
        transform.limits { max-pixels = 200000, max-pages = 1 }
        """,
    )
    assert settings.limits == Limits(
        max_width=1, max_height=2, max_pixels=1_500_000, max_pages=4, max_pixels_per_page=250_000
    )
    assert settings.transform_limits == Limits(max_pixels=200_000, max_pages=1)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("0.2MP", 200_000), ("500 KP", 500_000), ("1.5gp", 1_500_000_000), ('"12MP"', 12_000_000)],
)
def test_pixels_are_spelled_as_in_konifer(loads: Loads, text: str, count: int) -> None:
    assert on_path(loads, f"limits.max-pixels = {text}").limits.max_pixels == count


# Inheritance.
INHERITED = """
variant-profiles { a.w = 1, b.w = 2 }
paths {
  "/users/*" {
    transform { preprocessing { enabled = true }, expire.ttl = 30d, limits.max-width = 7, eager-variants = [b] }
    lqip = []
    limits.max-pages = 3
  }
  "/**" {
    image.lqip = [blurhash], eager-variants = [a], limits { max-pages = 9, max-width = 4 }
    preprocessing { image { max-width = 8, q = 70, strip = exif } }
    transform.expire { strategy = ttl, ttl = 7d }
  }
  "/users/ada" { transform { preprocessing { image { q = 80, strip = "" } }, on-demand-variant.mode = disabled } }
}
"""


def test_nested_keys_are_inherited_one_by_one_and_lists_replaced(loads: Loads) -> None:
    config = loads(INHERITED)
    assert at(config, "/other") == PathSettings(
        limits=replace(UNLIMITED, max_pages=9, max_width=4),
        preprocessing=Preprocessing(request=Request(quality=70, strip=frozenset({Metadata.EXIF})), max_width=8),
        placeholders=frozenset({Placeholder.BLURHASH}),
        eager_variants=("a",),
        expire=Expire(strategy=ExpireStrategy.TTL, ttl=7 * 86400.0),
    )
    assert at(config, "/users/ada") == PathSettings(
        limits=replace(UNLIMITED, max_pages=3, max_width=4),
        preprocessing=Preprocessing(enabled=True, request=Request(quality=80, strip=frozenset()), max_width=8),
        placeholders=frozenset(),
        eager_variants=("b",),
        on_demand=OnDemand.DISABLED,
        expire=Expire(strategy=ExpireStrategy.TTL, ttl=30 * 86400.0),
        transform_limits=Limits(max_width=7),
    )


# How variants are made.
def test_variant_generation_has_konifers_defaults(loads: Loads) -> None:
    defaults = VariantGenerationSettings(queue_size=1000, synchronous_priority=80, workers=os.cpu_count() or 1)
    assert loads("").variant_generation == defaults
    given = loads("variant-generation { queue-size = 7, synchronous-priority = 100, workers = 3 }")
    assert given.variant_generation == VariantGenerationSettings(queue_size=7, synchronous_priority=100, workers=3)
