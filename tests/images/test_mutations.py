"""Whatever the bytes are, reading them ends in attributes or in a declared error."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from konifer_fs.adapters.pillow.colors import color_space_of
from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.adapters.pillow.probe import read_attributes
from konifer_fs.domain.errors import NotWhole, WrongMediumType
from tests.images.samples import NAMES, load_sample
from tests.pictures import ADOBE_RGB, PROPHOTO, make_profile

_CALM = settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
_EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4), st.sampled_from(["overwrite", "insert", "delete"])),
    min_size=1,
    max_size=6,
)


def edit(content: bytes, edits: list[tuple[float, bytes, str]]) -> bytes:
    """Overwrite, insert or delete some bytes; half of the edits fall into the first 5 % of the file."""
    edited = bytearray(content)
    for place, patch, how in edits:
        span = len(edited) if place > 0.5 else len(edited) // 20
        at = int((place * 2 % 1) * span)
        removed = 0 if how == "insert" else len(patch)
        edited[at : at + removed] = b"" if how == "delete" else patch
    return bytes(edited)


@_CALM
@given(name=st.sampled_from(NAMES), edits=_EDITS)
def test_damaged_pictures_are_read_or_refused(name: str, edits: list[tuple[float, bytes, str]]) -> None:
    try:
        found = read_attributes(edit(load_sample(name), edits))
    except (NotWhole, WrongMediumType):
        return
    assert found.width > 0
    assert found.height > 0
    assert found.page_count > 0
    assert found.color_space


@_CALM
@given(
    head=st.sampled_from(
        [load_sample(name)[:size] for name in ("jpeg", "png", "gif", "webp", "avif", "jpeg_xl") for size in (2, 12, 40)]
    ),
    tail=st.binary(max_size=400),
)
def test_noise_after_a_signature_is_read_or_refused(head: bytes, tail: bytes) -> None:
    with suppress(NotWhole, WrongMediumType):
        read_attributes(head + tail)


@_CALM
@given(profile=st.sampled_from([ADOBE_RGB, PROPHOTO, make_profile("Any", is_version_4=True)]), edits=_EDITS)
def test_damaged_profiles_have_a_word(profile: bytes, edits: list[tuple[float, bytes, str]]) -> None:
    word = color_space_of(edit(profile, edits))
    assert 0 < len(word) <= 50
    assert word.isprintable()
    word.encode()


@settings(_CALM, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=st.sampled_from(NAMES), edits=_EDITS)
def test_damaged_pictures_never_crash_a_worker(
    engine: PillowEngine, stored: Callable[[bytes], Path], name: str, edits: list[tuple[float, bytes, str]]
) -> None:
    with suppress(NotWhole, WrongMediumType):
        engine.probe(stored(edit(load_sample(name), edits)))
