"""How much an extended attribute may hold, which are refused, and when Konifer and other mounts see them."""

import os
from collections.abc import Callable
from errno import EEXIST, EINVAL, ENODATA, ENOSPC, EOPNOTSUPP, ERANGE
from pathlib import Path

import pytest

from tests.mount.elsewhere import PICTURE, all_fail, names, query, rows_below, wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import annotations, failing

TAGS = "user.xdg.tags"
COMMENT = "user.xdg.comment"
ORIGIN = "user.xdg.origin.url"
LIMITS = pytest.mark.semantics("Over 50 labels or tags is ENOSPC, a text over its limit ERANGE")
CAPABILITY = bytes.fromhex("0000000200040000") + bytes(12)  # The kernel takes nothing else for one.
EDITS: list[tuple[str, bytes]] = [(TAGS, b"a,b"), ("user.a", b"text"), (COMMENT, b"alt"), (ORIGIN, b"http://a/b")]


@pytest.fixture(params=["entry", "draft"])
def file(request: pytest.FixtureRequest, place: Path) -> Path:
    """An entry, and a file that is none yet."""
    (place / "a.jpg").write_bytes(PICTURE if request.param == "entry" else b"")
    return place / "a.jpg"


@LIMITS
def test_there_are_up_to_50_labels(file: Path) -> None:
    for number in range(50):
        os.setxattr(file, f"user.label{number}", b"text")
    with failing(ENOSPC):
        os.setxattr(file, "user.one more", b"text")
    os.setxattr(file, "user.label7", b"other")
    os.setxattr(file, "user.private", b"\xff")
    assert len(os.listxattr(file)) == 51
    os.removexattr(file, "user.label7")
    os.setxattr(file, "user.one more", b"text")
    assert len(os.listxattr(file)) == 51


@LIMITS
def test_there_are_up_to_50_tags(file: Path) -> None:
    tags = ",".join(f"tag{number}" for number in range(50)).encode()
    os.setxattr(file, TAGS, tags)
    with failing(ENOSPC):
        os.setxattr(file, TAGS, tags + b",one more")
    assert os.getxattr(file, TAGS) == tags


@LIMITS
@pytest.mark.parametrize("letter", ["x", "é", "🖼"])
@pytest.mark.parametrize(
    ("limit", "change"),
    [
        (128, lambda file, text: os.setxattr(file, f"user.konifer.label.{text}", b"text")),
        (256, lambda file, text: os.setxattr(file, "user.a", text.encode())),
        (256, lambda file, text: os.setxattr(file, TAGS, f"short,{text}".encode())),
        (125, lambda file, text: os.setxattr(file, COMMENT, text.encode())),
    ],
    ids=["key", "value", "tag", "alt"],
)
def test_texts_are_measured_in_utf_16(
    place: Path, limit: int, change: Callable[[Path, str], None], letter: str
) -> None:
    """An attribute's name is at most 255 bytes, for the kernel: a key meets that limit first where it is not ASCII."""
    file = place / "a.jpg"
    file.write_bytes(PICTURE)
    units = len(letter.encode("utf-16-le")) // 2
    most = letter * (limit // units)
    if limit == 128:
        most = most[: (255 - len("user.konifer.label.")) // len(letter.encode())]
    with failing(ERANGE):
        change(file, most + letter)
    assert os.listxattr(file) == []
    change(file, most)
    assert len(os.listxattr(file)) == 1


@LIMITS
def test_a_label_of_300_characters_is_too_long_and_leaves_the_old_one(file: Path) -> None:
    os.setxattr(file, "user.a", b"before")
    with failing(ERANGE):
        os.setxattr(file, "user.a", b"x" * 300)
    assert annotations(file) == {"user.a": "before"}


@LIMITS
def test_what_is_malformed_or_absent_is_told_so(place: Path, file: Path) -> None:
    for value in (rb"a\b", rb"a\\\\"[:-1], b",", b"a,,b", b"a, ,b", b"\xff"):
        all_fail(EINVAL, lambda value=value: os.setxattr(file, TAGS, value))  # type: ignore[misc]
    all_fail(
        EINVAL,
        lambda: os.setxattr(file, COMMENT, b"\xff"),
        lambda: os.setxattr(file, COMMENT, b" \n"),
        lambda: os.setxattr(file, ORIGIN, b"not a URL"),
        lambda: os.setxattr(file, "user.konifer.label.xdg.a", b"\xff"),
        lambda: os.setxattr(file, "user.konifer.label.xdg.a", b""),
    )
    for name in (TAGS, COMMENT, ORIGIN, "user.a", "user.konifer.label.xdg.a"):
        for path in (file, place):
            all_fail(
                ENODATA,
                lambda path=path, name=name: os.getxattr(path, name),  # type: ignore[misc]
                lambda path=path, name=name: os.removexattr(path, name),  # type: ignore[misc]
            )
    assert os.listxattr(file) == []


@LIMITS
def test_private_attributes_take_up_to_64_kib_in_all(place: Path, file: Path) -> None:
    for path in (file, place):
        os.setxattr(path, "user.large", b"\xff" * 40_000)
        with failing(ENOSPC):
            os.setxattr(path, "user.more", b"\xff" * 40_000)
        assert os.listxattr(path) == ["user.large"]


@pytest.mark.semantics("Attributes outside of user. are EOPNOTSUPP")
@pytest.mark.parametrize(
    "name",
    [
        "security.capability",
        "security.selinux",
        "system.posix_acl_access",
        "system.other",
        pytest.param("trusted.a", marks=pytest.mark.skipif(os.getuid() != 0, reason="the kernel shows them to root")),
    ],
)
def test_other_namespaces_are_not_kept(place: Path, file: Path, name: str) -> None:
    for path in (file, place):
        all_fail(
            EOPNOTSUPP,
            lambda path=path: os.setxattr(path, name, CAPABILITY),  # type: ignore[misc]
            lambda path=path: os.getxattr(path, name),  # type: ignore[misc]
            lambda path=path: os.removexattr(path, name),  # type: ignore[misc]
        )
    os.setxattr(file, "user.a", b"text")
    assert os.getxattr(file, "user.a") == b"text"


@pytest.mark.semantics("Attributes outside of user. are EOPNOTSUPP")
@pytest.mark.parametrize("value", [b"text", b"\xff"])
@pytest.mark.parametrize("name", ["user.a", "user.konifer.label.mime_type", TAGS, COMMENT, ORIGIN])
def test_creating_and_replacing_hold(place: Path, file: Path, name: str, value: bytes) -> None:
    if name == ORIGIN:
        value = b"http://a/b"
    for path in (file, place):
        if name != "user.a" and (value == b"\xff" or path == place):
            continue
        with failing(ENODATA):
            os.setxattr(path, name, value, os.XATTR_REPLACE)
        assert os.listxattr(path) == []
        os.setxattr(path, name, value, os.XATTR_CREATE)
        with failing(EEXIST):
            os.setxattr(path, name, b"http://other", os.XATTR_CREATE)
        assert os.getxattr(path, name) == value
        os.setxattr(path, name, b"http://other", os.XATTR_REPLACE)
        assert os.getxattr(path, name) == b"http://other"


@pytest.mark.semantics("A change of tags, labels, alt or source moves modified_at")
@pytest.mark.parametrize(("name", "value"), EDITS)
def test_a_change_moves_modified_at_and_an_empty_one_does_not(
    shared_mount: Mount, place: Path, name: str, value: bytes
) -> None:
    file = place / "a.jpg"
    file.write_bytes(PICTURE)

    def modified() -> object:
        (row,) = rows_below(shared_mount, place)
        return row.modified_at

    before = modified()
    os.setxattr(file, name, value)
    changed = modified()
    assert changed != before
    assert str(changed) > str(before)
    os.removexattr(file, name)
    assert str(modified()) > str(changed)


@pytest.mark.semantics("A change of tags, labels, alt or source moves modified_at")
def test_a_change_is_one_transaction_and_seen_by_another_mount(mounted: MountFactory) -> None:
    here, there = mounted(), mounted()
    (here.path / "a.jpg").write_bytes(PICTURE)
    expected = {}
    for name, value in EDITS:
        os.setxattr(here.path / "a.jpg", name, value)
        expected[name] = value.decode()
        wait_until(lambda: annotations(there.path / "a.jpg") == expected)
    os.setxattr(there.path / "a.jpg", "user.b", b"back")
    wait_until(lambda: annotations(here.path / "a.jpg") == expected | {"user.b": "back"})
    assert query(here, "SELECT a.xmin = l.xmin FROM asset_tree a, asset_label l WHERE label_key = 'b'") == [(True,)]


@pytest.mark.semantics("Attributes set on a file before it is closed")
def test_attributes_of_an_open_file_arrive_with_its_entry(shared_mount: Mount, place: Path) -> None:
    file = place / "a.jpg"
    with file.open("wb") as opened:
        for name, value in EDITS:
            os.setxattr(opened.fileno(), name, value)
        opened.write(PICTURE)
        os.setxattr(opened.fileno(), "user.later", b"text")
        os.setxattr(opened.fileno(), "user.gone", b"text")
        os.removexattr(opened.fileno(), "user.gone")
        os.setxattr(opened.fileno(), "user.private", b"\xff\0")
        assert rows_below(shared_mount, place) == []
    (row,) = rows_below(shared_mount, place)
    ((alt, url),) = query(shared_mount, "SELECT alt, source_url FROM asset_tree WHERE id = %s", row.asset_id)
    assert (alt, url) == ("alt", "http://a/b")
    labels = query(shared_mount, "SELECT label_key, label_value FROM asset_label WHERE asset_id = %s", row.asset_id)
    assert sorted(labels) == [("a", "text"), ("later", "text")]
    tags = query(shared_mount, "SELECT tag_value FROM asset_tag WHERE asset_id = %s", row.asset_id)
    assert sorted(tags) == [("a",), ("b",)]
    assert os.getxattr(file, TAGS) == b"a,b"
    assert os.getxattr(file, "user.private") == b"\xff\0"
    assert names(place) == ["a.jpg"]
