"""Which settings hold at a path: Konifer's matching, in both spellings of the file."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konifer_fs.config import Config, PathRule, PathRules, PathSettings
from konifer_fs.domain.path import AssetPath

Loads = Callable[..., Config]

PNG = frozenset({"image/png"})

MAP = """
paths {
  "/users/**" { object-store { bucket = users } }
  "/**" { object-store { bucket = defaults }, allowed-content-types = ["image/png"] }
  "/users/*/avatar" { object-store { bucket = avatars } }
  "/users/ada/**" { allowed-content-types = [] }
  "/**/raw" { object-store { bucket = raws } }
}
"""
LIST = """
paths = [
  { path = "/users/**", object-store { bucket = users } },
  { path = "/**", object-store.bucket = defaults, allowed-content-types = [ image/png ] }
  { path = "users/*/avatar/", object-store { bucket = avatars } }
  { path = "/Users/Ada/**"
    allowed-content-types = [] }
  { path = "/**/raw", object-store { bucket = raws } }
]
"""
EXPECTED = [
    ("/", "defaults", PNG),
    ("/other/x", "defaults", PNG),
    ("/users", "users", PNG),
    ("/users/bob/holiday", "users", PNG),
    ("/users/bob/avatar", "avatars", PNG),
    ("/users/ada/avatar", "avatars", frozenset()),
    ("/users/ada", "users", frozenset()),
    ("/USERS/Ada/AVATAR", "avatars", frozenset()),
    ("/raw", "raws", PNG),
    ("/users/raw", "users", PNG),
    ("/users/avatar", "users", PNG),
    ("/users/bob/avatar/2026", "users", PNG),
    ("/usersx", "defaults", PNG),
]


def settings_at(rules: PathRules, path: str) -> PathSettings:
    return rules.settings_for(AssetPath.from_konifer(path))


@pytest.mark.parametrize("text", [MAP, LIST], ids=["map", "list"])
@pytest.mark.parametrize(("path", "bucket", "types"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_all_patterns_that_match_apply_and_the_more_specific_wins(
    loads: Loads, text: str, path: str, bucket: str, types: frozenset[str]
) -> None:
    assert settings_at(loads(text).paths, path) == PathSettings(bucket=bucket, allowed_content_types=types)


def test_without_paths_there_is_one_bucket_for_every_supported_type(loads: Loads) -> None:
    rules = loads("").paths
    assert settings_at(rules, "/a/b") == PathSettings(bucket="assets", allowed_content_types=None)
    assert rules.buckets == {"assets"}


def rules_of(*patterns: str) -> PathRules:
    """Each pattern sets its own spelling as the bucket."""
    return PathRules(tuple(PathRule.from_pattern(pattern, {"bucket": pattern}) for pattern in patterns))


@pytest.mark.parametrize(
    ("patterns", "path", "winner"),
    [
        (("/a/b/c", "/**"), "/a/b/c", "/a/b/c"),
        (("/", "/**"), "/", "/"),
        (("/a/*", "/a/**"), "/a/b", "/a/*"),
        (("/a/b", "/a/*"), "/a/b", "/a/b"),
        (("/*/b", "/a/*"), "/a/b", "/a/*"),
        (("/a/**/d", "/a/b/**"), "/a/b/c/d", "/a/b/**"),
        (("/**/c", "/a/**"), "/a/b/c", "/a/**"),
        (("/a/**", "/*/*/*"), "/a/b/c", "/*/*/*"),
        (("/**/b/**", "/**/a/**"), "/a/b", "/**/a/**"),
    ],
)
def test_precedence_is_depth_then_exactness_from_the_left_then_the_file(
    patterns: tuple[str, str], path: str, winner: str
) -> None:
    assert settings_at(rules_of(*patterns), path).bucket == winner


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_in_the_file_does_not_matter_between_unequal_patterns(order: int) -> None:
    rules = rules_of(*("/**", "/a/**", "/a/*", "/a/b")[::order])
    assert [settings_at(rules, path).bucket for path in ("/x", "/a", "/a/c", "/a/b")] == [
        "/**",
        "/a/**",
        "/a/*",
        "/a/b",
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/**", "/", True), ("/**", "/a/b", True), ("/", "/", True), ("/", "/a", False), ("", "/", True),
        ("/a/**", "/a", True), ("/a/**", "/a/b/c", True), ("/a/**", "/b", False), ("/a/*", "/a", False),
        ("/a/*", "/a/b/c", False), ("/**/c", "/c", True), ("/**/c", "/a/b/c", True), ("/**/c", "/a/c/b", False),
        ("/a/**/c", "/a/c", True), ("/a/**/c/**/e", "/a/b/c/d/d/e", True), ("/**/*", "/", False), ("/a*", "/ab", False),
        ("/A//b/", "/a/B", True), ("/a", "/a/b", False),
    ],
)  # fmt: skip
def test_one_star_is_one_segment_and_two_are_any_number(pattern: str, path: str, matches: bool) -> None:
    assert (settings_at(rules_of(pattern), path) != PathSettings()) == matches


segments = st.lists(st.sampled_from(["a", "b", "*", "**"]), max_size=6)


@given(pattern=segments, labels=st.lists(st.sampled_from(["a", "b", "c"]), max_size=6))
def test_matching_agrees_with_its_recursive_definition(pattern: list[str], labels: list[str]) -> None:
    def matches(left: list[str], right: list[str]) -> bool:
        if not left:
            return not right
        if left[0] == "**":
            return matches(left[1:], right) or bool(right and matches(left, right[1:]))
        return bool(right and left[0] in {"*", right[0]} and matches(left[1:], right[1:]))

    rules = PathRules((PathRule.from_pattern("/".join(pattern), {"bucket": "hit"}),))
    assert (rules.settings_for(AssetPath(tuple(labels))).bucket == "hit") == matches(pattern, labels)


def test_many_double_stars_cost_no_backtracking() -> None:
    rules = rules_of("/**/a" * 60 + "/b")
    assert settings_at(rules, "/a" * 200).bucket == "assets"


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("/Summer 2026/**", "/Summer__202026/**"), ("/**/Über uns/*/x", "/**/__c3__9cber__20uns/*/x"),
        ("/users/photo.jpg", "/users/photo__2ejpg"), ("//a__b-/***/", "//a__b-/__2a__2a__2a/"), ("/ab*", "/ab__2a"),
        (r"/\ud800/**", "/__3f/**"),
    ],
)  # fmt: skip
def test_a_pattern_that_can_match_nothing_is_doubted(loads: Loads, pattern: str, meant: str) -> None:
    (doubt,) = loads(f'paths = [ {{ path = "{pattern}", lqip = [] }} ]').paths.doubts
    assert f'konifer.conf: paths."{pattern}" matches nothing: a segment is ' in str(doubt)
    assert str(doubt).endswith(f"a directory that is shown so is stored as {meant}")


@pytest.mark.parametrize(
    "pattern", ["", "/", "/**", "/*/**/x", "Users//Ada-", "/a__20b", "/-/x", "/\u212a", f"/{'a' * 1000}"]
)
def test_a_pattern_that_can_match_is_not_doubted(loads: Loads, pattern: str) -> None:
    assert not loads(f'paths = [ {{ path = "{pattern}", lqip = [] }} ]').paths.doubts


def test_every_bucket_is_known_for_checks(loads: Loads) -> None:
    assert loads(MAP).paths.buckets == {"defaults", "users", "avatars", "raws"}
    assert loads('paths { "/a" { object-store.bucket = other } }').paths.buckets == {"assets", "other"}


def test_rules_can_be_asked_from_many_threads_and_for_many_paths() -> None:
    rules = rules_of("/a/**", "/b/**")
    wrong: list[str] = []

    def ask(first: str) -> None:
        wrong.extend(
            path
            for path in (f"/{first}/{number}" for number in range(6000))
            if settings_at(rules, path).bucket != f"/{first}/**"
        )

    threads = [threading.Thread(target=ask, args=(first,)) for first in ("a", "b", "a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
