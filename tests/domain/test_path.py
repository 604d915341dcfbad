"""Paths and the names of directories, without a database."""

from string import ascii_letters, digits

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from konifer_fs.domain.errors import NameNotText, NameReserved, NameTooLong
from konifer_fs.domain.path import (
    AssetPath,
    candidate_labels,
    check_name,
    decode_label,
    encode_name,
    is_reserved,
)

ALPHABET = set(ascii_letters + digits + "_-")
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in {".", ".."} and not is_reserved(name)
)
labels = st.text("_-5fd20ea2Z", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Summer 2026", "Summer__202026"),
        ("users", "users"),
        ("profile-picture", "profile-picture"),
        ("a_b", "a_b"),
        ("a__b", "a__5f_b"),
        ("ends-", "ends__2d"),
        ("_é", "___c3__a9"),
        ("a.b", "a__2eb"),
        (".git", "__2egit"),
    ],
)
def test_a_name_has_one_label(name: str, label: str) -> None:
    assert encode_name(name) == label
    assert decode_label(label) == name


@given(names)
def test_what_is_encoded_is_decoded_to_itself(name: str) -> None:
    assume(len(name.encode()) <= 240)
    label = encode_name(name)
    assert set(label) <= ALPHABET
    assert decode_label(label) == name


@given(labels, labels)
def test_no_two_labels_decode_to_one_name(one: str, other: str) -> None:
    assume(one != other)
    decoded = decode_label(one), decode_label(other)
    assert decoded[0] is None or decoded[0] != decoded[1]


@given(labels)
def test_every_label_is_found_under_the_name_it_is_shown_by(label: str) -> None:
    shown = decode_label(label) or label
    assume(not is_reserved(shown))
    assert label in candidate_labels(shown)


@pytest.mark.parametrize("label", ["a__b", "__2d", "x__40", "a__ZZ", "__2e", "__2f", "__c3", "__41"])
def test_a_label_that_encodes_no_name_stands_for_itself(label: str) -> None:
    assert decode_label(label) is None


def test_a_literal_label_wins_over_an_encoded_one() -> None:
    assert candidate_labels("a__b") == ("a__b", "a__5f_b")
    assert candidate_labels("a b") == ("a__20b",)


@pytest.mark.parametrize(
    ("name", "error"),
    [("-", NameReserved), ("x@", NameReserved), ("é" * 128, NameTooLong), ("\udcff", NameNotText)],
)
def test_some_names_cannot_be_made(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_name(name)


def test_a_name_whose_label_is_too_long_is_refused() -> None:
    assert len(encode_name("é" * 125)) == 1000
    with pytest.raises(NameTooLong):
        encode_name("é" * 126)


def test_a_path_has_three_spellings() -> None:
    path = AssetPath(("users", "123"))
    assert (path.ltree, path.konifer, AssetPath().ltree, AssetPath().konifer) == (
        "root.users.123", "/users/123", "root", "/",
    )  # fmt: skip
    assert AssetPath.from_ltree("root.users.123") == AssetPath.from_konifer("/users/123/") == path
    with pytest.raises(ValueError, match="a b"):
        AssetPath.from_konifer("/a b")


def test_a_path_is_told_as_it_is_shown() -> None:
    path = AssetPath(("aa", "__2eh", "Summer__202026", "__zz"))
    assert path.shown == "/aa/.h/Summer 2026/__zz"
    assert AssetPath().shown == "/"


def test_a_path_of_250_nested_letters_is_over_the_limit() -> None:
    deep = AssetPath(tuple("a" * 235))
    assert deep.stored_bytes == 8 + 8 + 235 * 8 == 1896
    assert deep.child("a").stored_bytes == 1904
    with pytest.raises(NameTooLong):
        deep.child_named("a")


def test_a_path_moves_with_its_directory() -> None:
    old, new = AssetPath(("a",)), AssetPath(("b", "c"))
    assert AssetPath(("a", "x")).rebased(old, new) == AssetPath(("b", "c", "x"))
    assert old.rebased(old, new) == new
    assert AssetPath(("a", "x")).is_within(old)
    assert not AssetPath(("ab",)).is_within(old)
