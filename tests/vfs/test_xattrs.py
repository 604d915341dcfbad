"""Attribute names and values, as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konifer_fs.domain.asset import AnnotationEdit, Annotations
from konifer_fs.domain.errors import AttributeMalformed, AttributeNamespaceUnsupported, FactReadOnly
from konifer_fs.vfs.xattrs import (
    check_url,
    edit_removing,
    edit_setting,
    format_tags,
    label_of,
    listed,
    name_of,
    name_of_label,
    parse_tags,
)

tags = st.lists(st.text(min_size=1).filter(str.strip), unique=True, max_size=10)


@given(tags)
def test_tags_are_read_as_they_were_written(texts: list[str]) -> None:
    assert list(parse_tags(format_tags(texts))) == texts


@pytest.mark.parametrize("text", ["a,,b", ",", "a,", "a\\x", "a\\", " , "])
def test_malformed_tags_are_refused(text: str) -> None:
    with pytest.raises(AttributeMalformed):
        parse_tags(text)


def test_no_text_is_no_tag() -> None:
    assert parse_tags("") == ()


@given(st.text(min_size=1))
def test_a_label_is_found_under_its_attribute(key: str) -> None:
    assert label_of(name_of_label(key)) == key


@pytest.mark.parametrize(
    ("name", "value", "edit"),
    [
        ("user.team", b"red", AnnotationEdit(labels={"team": "red"}, private={"user.team": None})),
        ("user.DOSATTRIB", b"\0\1", AnnotationEdit(labels={"DOSATTRIB": None}, private={"user.DOSATTRIB": b"\0\1"})),
        ("user.empty", b"", AnnotationEdit(labels={"empty": None}, private={"user.empty": b""})),
        ("user.xdg.tags", b"a,b", AnnotationEdit(tags=("a", "b"))),
        ("user.xdg.comment", b"An oak", AnnotationEdit(alt="An oak")),
        ("user.xdg.origin.url", b"https://a.example/x", AnnotationEdit(source_url="https://a.example/x")),
        ("user.xdg.origin.email.from", b"me", AnnotationEdit(private={"user.xdg.origin.email.from": b"me"})),
        ("user.xdg.referrer.url", b"x" * 300, AnnotationEdit(private={"user.xdg.referrer.url": b"x" * 300})),
        ("user.xdg.creator", b"Ann", AnnotationEdit(private={"user.xdg.creator": b"Ann"})),
        (
            "user.konifer.label.xdg.x",
            b"1",
            AnnotationEdit(labels={"xdg.x": "1"}, private={"user.konifer.label.xdg.x": None}),
        ),
    ],
)  # fmt: skip
def test_setting_an_attribute_is_an_edit(name: str, value: bytes, edit: AnnotationEdit) -> None:
    assert edit_setting(name, value) == edit


def test_what_was_set_is_listed_and_what_was_removed_is_not() -> None:
    now = Annotations()
    settings = {
        "user.team": b"red", "user.bin": b"\0", "user.xdg.tags": b"a,b", "user.xdg.comment": b"alt",
        "user.xdg.origin.url": b"https://a.example/", "user.konifer.label.mime_type": b"x",
    }  # fmt: skip
    for name, value in settings.items():
        now = edit_setting(name, value).apply(now)
    assert listed(now) == settings
    for name in settings:
        now = edit_removing(name).apply(now)
    assert listed(now) == {}


@pytest.mark.parametrize("name", ["user.konifer.width", "user.konifer.nonsense"])
def test_facts_cannot_be_set(name: str) -> None:
    with pytest.raises(FactReadOnly):
        edit_setting(name, b"1")


@pytest.mark.parametrize(
    "name", [b"security.capability", b"trusted.x", b"system.posix_acl_access", b"user.", b"user.\xff"]
)
def test_other_namespaces_are_not_kept(name: bytes) -> None:
    with pytest.raises(AttributeNamespaceUnsupported):
        name_of(name)


@pytest.mark.parametrize("text", ["nope", "http://", "a b://c", "http://[x", "https://a.example/with space"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(AttributeMalformed):
        check_url(text)
