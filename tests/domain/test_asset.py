"""What people say about an asset: an edit changes what it names, within the limits, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konifer_fs.domain.asset import (
    MAX_ALT,
    MAX_LABEL_KEY,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    MAX_PRIVATE_BYTES,
    MAX_TAG,
    MAX_TAGS,
    AnnotationEdit,
    Annotations,
)
from konifer_fs.domain.errors import AttributeMalformed, TextTooLong, TooManyAttributes

SAID = Annotations(
    alt="A tree",
    source_url="https://a.example/",
    labels={"team": "red", "phone": "Android"},
    tags=("desert", "tree"),
    private={"user.x": b"1"},
)

words = st.sampled_from(["a", "b", "c"])
edits = st.builds(
    AnnotationEdit,
    alt=st.none() | st.sampled_from(["", "new"]),
    source_url=st.none() | st.sampled_from(["", "https://b.example/"]),
    tags=st.none() | st.lists(words, unique=True).map(tuple),
    tagged=st.dictionaries(words, st.booleans()),
    labels=st.dictionaries(words, st.none() | words),
    private=st.dictionaries(words, st.none() | st.binary(max_size=2)),
)


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (AnnotationEdit(), {}),
        (AnnotationEdit(alt="An oak"), {"alt": "An oak"}),
        (AnnotationEdit(alt=""), {"alt": ""}),
        (AnnotationEdit(source_url="https://b.example/"), {"source_url": "https://b.example/"}),
        (AnnotationEdit(source_url=""), {"source_url": None}),
        (AnnotationEdit(tags=("oak",)), {"tags": ("oak",)}),
        (AnnotationEdit(tags=()), {"tags": ()}),
        (AnnotationEdit(tagged={"oak": True, "tree": True}), {"tags": ("desert", "tree", "oak")}),
        (AnnotationEdit(tagged={"desert": False, "oak": False}), {"tags": ("tree",)}),
        (AnnotationEdit(labels={"team": "blue"}), {"labels": {"team": "blue", "phone": "Android"}}),
        (AnnotationEdit(labels={"team": None, "nobody": None}), {"labels": {"phone": "Android"}}),
        (AnnotationEdit(private={"user.y": b""}), {"private": {"user.x": b"1", "user.y": b""}}),
        (AnnotationEdit(private={"user.x": None}), {"private": {}}),
    ],
)
def test_an_edit_changes_what_it_names(edit: AnnotationEdit, changed: dict[str, object]) -> None:
    after = edit.apply(SAID)
    assert {name: getattr(after, name) for name in Annotations.__slots__} == {
        name: changed.get(name, getattr(SAID, name)) for name in Annotations.__slots__
    }


@given(edits, edits)
def test_two_edits_are_one_but_for_the_order_of_new_tags(first: AnnotationEdit, second: AnnotationEdit) -> None:
    both = [first.then(second).apply(SAID), second.apply(first.apply(SAID))]
    one, other = (replace(said, tags=tuple(sorted(said.tags))) for said in both)
    assert one == other


@pytest.mark.parametrize(
    ("edit", "units"),
    [
        (lambda text: AnnotationEdit(alt=text), MAX_ALT),
        (lambda text: AnnotationEdit(tags=("a", text)), MAX_TAG),
        (lambda text: AnnotationEdit(tagged={text: True}), MAX_TAG),
        (lambda text: AnnotationEdit(labels={text: "a"}), MAX_LABEL_KEY),
        (lambda text: AnnotationEdit(labels={"a": text}), MAX_LABEL_VALUE),
    ],
)
def test_texts_have_so_many_utf_16_units_and_say_something(edit: Callable[[str], AnnotationEdit], units: int) -> None:
    edit("a" * units).apply(SAID)
    for text in ("a" * (units + 1), "\N{EVERGREEN TREE}" * (units // 2) + "aa"):
        with pytest.raises(TextTooLong):
            edit(text).apply(SAID)
    for text in (" ", "a\0"):
        with pytest.raises(AttributeMalformed):
            edit(text).apply(SAID)


def test_what_is_removed_may_be_anything() -> None:
    long = "a" * 1000
    assert AnnotationEdit(tagged={long: False}, labels={long: None}).apply(SAID) == SAID


def test_there_are_so_many_labels_and_tags() -> None:
    labels = AnnotationEdit(labels={str(number): "a" for number in range(MAX_LABELS - 2)})
    tags = AnnotationEdit(tagged={str(number): True for number in range(MAX_TAGS - 2)})
    full = tags.apply(labels.apply(SAID))
    assert (len(full.labels), len(full.tags)) == (MAX_LABELS, MAX_TAGS)
    for more in (AnnotationEdit(labels={"new": "a"}), AnnotationEdit(tagged={"new": True})):
        with pytest.raises(TooManyAttributes):
            more.apply(full)


def test_too_many_that_another_writer_stored_can_be_changed() -> None:
    said = Annotations(labels={str(number): "a" for number in range(MAX_LABELS + 2)}, tags=("tree",))
    assert AnnotationEdit(labels={"0": "b", "1": None}, tags=("oak",)).apply(said).labels["0"] == "b"


def test_private_attributes_take_so_many_bytes_with_their_names() -> None:
    left = MAX_PRIVATE_BYTES - len("user.x1user.\N{EVERGREEN TREE}".encode())
    edit = AnnotationEdit(private={"user.\N{EVERGREEN TREE}": bytes(left)})
    over = AnnotationEdit(private={"user.\N{EVERGREEN TREE}": bytes(left + 1)})
    assert len(edit.apply(SAID).private) == 2
    with pytest.raises(TooManyAttributes):
        over.apply(SAID)
