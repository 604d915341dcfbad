r"""Labels, tags, alt, source, private attributes and facts, as extended attributes and as Konifer's rows."""

import os
from errno import EINVAL, ENODATA, EPERM
from pathlib import Path
from uuid import UUID

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import PICTURE, add_entry, all_fail, ltree, query, rows_below, wait_until
from tests.mount.mounting import Mount
from tests.mount.saving import annotations, failing, run
from tests.pictures import make_picture

TAGS = "user.xdg.tags"
COMMENT = "user.xdg.comment"
ORIGIN = "user.xdg.origin.url"


@pytest.fixture
def file(place: Path) -> Path:
    """An entry."""
    (place / "a.jpg").write_bytes(PICTURE)
    return place / "a.jpg"


def asset_of(file: Path) -> UUID:
    return UUID(os.getxattr(file, "user.konifer.asset-id").decode())


def labels_of(mount: Mount, file: Path) -> dict[str, str]:
    return dict(query(mount, "SELECT label_key, label_value FROM asset_label WHERE asset_id = %s", asset_of(file)))


def tags_of(mount: Mount, file: Path) -> set[str]:
    return {tag for (tag,) in query(mount, "SELECT tag_value FROM asset_tag WHERE asset_id = %s", asset_of(file))}


def source_of(mount: Mount, file: Path) -> tuple[str, str | None, str | None]:
    ((alt, source, url),) = query(mount, "SELECT alt, source, source_url FROM asset_tree WHERE id = %s", asset_of(file))
    return alt, source, url


@pytest.mark.semantics("A label is a text attribute")
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("user.phone", "phone"),
        ("user.Größe in cm", "Größe in cm"),
        ("user.a.b.c", "a.b.c"),
        ("user.konifer.label.mime_type", "mime_type"),
        ("user.konifer.label.xdg.tags", "xdg.tags"),
        ("user.konifer.label.konifer.width", "konifer.width"),
    ],
)
def test_a_text_attribute_is_konifers_label(shared_mount: Mount, file: Path, name: str, key: str) -> None:
    os.setxattr(file, name, "Ändroid, 写真\n".encode())
    assert labels_of(shared_mount, file) == {key: "Ändroid, 写真\n"}
    assert annotations(file) == {name: "Ändroid, 写真\n"}
    os.setxattr(file, name, b"other")
    assert labels_of(shared_mount, file) == {key: "other"}
    os.removexattr(file, name)
    assert labels_of(shared_mount, file) == {}
    assert annotations(file) == {}


@pytest.mark.semantics("A label is a text attribute")
def test_konifers_own_labels_tags_and_alt_are_attributes(shared_mount: Mount, file: Path) -> None:
    asset = asset_of(file)
    query(
        shared_mount,
        "WITH a AS (UPDATE asset_tree SET alt = 'a tree' WHERE id = %s), "
        "t AS (INSERT INTO asset_tag VALUES (gen_random_uuid(), %s, 'one,two', now())) "
        "INSERT INTO asset_label VALUES (gen_random_uuid(), %s, 'xdg.tags', 'odd', now()) RETURNING 1",
        asset, asset, asset,
    )  # fmt: skip
    expected = {"user.konifer.label.xdg.tags": "odd", TAGS: "one\\,two", COMMENT: "a tree"}
    wait_until(lambda: annotations(file) == expected)


@pytest.mark.semantics("A foreign label whose key is empty")
def test_labels_that_nothing_can_be_called_by_are_left_out(shared_mount: Mount, file: Path, tmp_path: Path) -> None:
    os.setxattr(file, "user.team", b"red")
    query(
        shared_mount,
        "INSERT INTO asset_label "
        "SELECT gen_random_uuid(), %s, key, 'odd', now() FROM unnest(%s::text[]) key RETURNING 1",
        asset_of(file), ["", "x" * 300],
    )  # fmt: skip
    assert len(labels_of(shared_mount, file)) == 3
    wait_until(lambda: os.listxattr(file) == ["user.team"])
    run("rsync", "-aX", file, tmp_path)
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()


@pytest.mark.semantics("The tags are read back in the order")
def test_tags_keep_their_order_commas_and_backslashes(shared_mount: Mount, file: Path) -> None:
    spelled = r"zebra,a\,comma,back\\slash,Ünï ☃,both\\\,"
    os.setxattr(file, TAGS, spelled.encode())
    assert os.getxattr(file, TAGS).decode() == spelled
    assert tags_of(shared_mount, file) == {"zebra", "a,comma", "back\\slash", "Ünï ☃", "both\\,"}
    os.setxattr(file, TAGS, rb"a\,comma,new,zebra")
    assert os.getxattr(file, TAGS) == rb"a\,comma,new,zebra"
    os.removexattr(file, TAGS)
    assert tags_of(shared_mount, file) == set()
    assert os.listxattr(file) == []


@pytest.mark.semantics("The tags are read back in the order")
def test_a_tag_is_there_once(shared_mount: Mount, file: Path) -> None:
    os.setxattr(file, TAGS, b"b,a,b,a,c")
    assert os.getxattr(file, TAGS) == b"b,a,c"
    assert tags_of(shared_mount, file) == {"a", "b", "c"}


@pytest.mark.semantics("The attribute user.xdg.comment is Konifer's alt text")
def test_a_comment_is_the_alt_text(shared_mount: Mount, file: Path) -> None:
    os.setxattr(file, COMMENT, "Ein Baum in der Wüste".encode())
    assert source_of(shared_mount, file)[0] == "Ein Baum in der Wüste"
    assert annotations(file) == {COMMENT: "Ein Baum in der Wüste"}
    os.removexattr(file, COMMENT)
    assert source_of(shared_mount, file)[0] == ""
    with failing(ENODATA):
        os.getxattr(file, COMMENT)


@pytest.mark.semantics("Setting user.xdg.origin.url makes the source URL")
def test_an_origin_is_the_source(shared_mount: Mount, file: Path) -> None:
    assert source_of(shared_mount, file) == ("", "UPLOAD", None)
    os.setxattr(file, ORIGIN, b"https://example.org/a%20b.jpg?c=d#e")
    assert source_of(shared_mount, file) == ("", "URL", "https://example.org/a%20b.jpg?c=d#e")
    assert os.getxattr(file, "user.konifer.source") == b"URL"
    for bad in (b"no address", b"example.org/a.jpg", b"", b"\xff", b"http://[half"):
        all_fail(EINVAL, lambda bad=bad: os.setxattr(file, ORIGIN, bad))  # type: ignore[misc]
    assert annotations(file) == {ORIGIN: "https://example.org/a%20b.jpg?c=d#e"}
    os.removexattr(file, ORIGIN)
    assert source_of(shared_mount, file) == ("", "UPLOAD", None)


@pytest.mark.semantics("The attribute user.mime_type tells the content type")
@pytest.mark.parametrize("image_format", ImageFormat)
def test_the_content_type_is_told_not_listed_and_not_set(place: Path, image_format: ImageFormat) -> None:
    file = place / "misnamed.txt"
    file.write_bytes(make_picture(image_format))
    assert os.getxattr(file, "user.mime_type").decode() == image_format.content_type
    os.setxattr(file, "user.mime_type", b"text/plain")
    os.removexattr(file, "user.mime_type")
    assert os.getxattr(file, "user.mime_type").decode() == image_format.content_type
    assert os.listxattr(file) == []


@pytest.mark.semantics("An attribute that is not text, or empty")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user.DOSATTRIB", b"0x20\0\0\xff\xfe" * 100),
        ("user.empty", b""),
        ("user.nul", b"text\0text"),
        ("user.blank", b" \t"),
    ],
)
def test_what_konifer_cannot_hold_is_kept_byte_for_byte(
    shared_mount: Mount, file: Path, name: str, value: bytes
) -> None:
    os.setxattr(file, name, value)
    assert os.getxattr(file, name) == value
    assert os.listxattr(file) == [name]
    assert labels_of(shared_mount, file) == {}
    file.rename(file.with_name("renamed.jpg"))
    assert os.getxattr(file.with_name("renamed.jpg"), name) == value
    os.removexattr(file.with_name("renamed.jpg"), name)
    assert os.listxattr(file.with_name("renamed.jpg")) == []


@pytest.mark.semantics("An attribute that is not text, or empty")
def test_an_attribute_is_either_a_label_or_private(shared_mount: Mount, file: Path) -> None:
    os.setxattr(file, "user.a", b"text")
    os.setxattr(file, "user.a", b"\xff")
    assert labels_of(shared_mount, file) == {}
    assert (os.getxattr(file, "user.a"), os.listxattr(file)) == (b"\xff", ["user.a"])
    os.setxattr(file, "user.a", b"text")
    assert labels_of(shared_mount, file) == {"a": "text"}
    assert (os.getxattr(file, "user.a"), os.listxattr(file)) == (b"text", ["user.a"])


@pytest.mark.semantics("An attribute that is not text, or empty")
def test_attributes_of_directories_are_private(shared_mount: Mount, place: Path) -> None:
    directory = place / "made"
    directory.mkdir()
    add_entry(shared_mount, f"{ltree(shared_mount, place)}.foreign")
    for one in (directory, place / "foreign"):
        expected = {"user.a": b"text", TAGS: b"not, really,,", ORIGIN: b"anything", "user.b": b"\xff\0"}
        for name, value in expected.items():
            os.setxattr(one, name, value)
        assert {name: os.getxattr(one, name) for name in os.listxattr(one)} == expected
        os.removexattr(one, "user.a")
        assert sorted(os.listxattr(one)) == sorted({*expected} - {"user.a"})
    directory.rename(place / "renamed")
    assert os.getxattr(place / "renamed", "user.b") == b"\xff\0"


@pytest.mark.semantics("Freedesktop's other attributes")
def test_freedesktops_attributes_come_back_under_their_names(shared_mount: Mount, file: Path) -> None:
    os.setxattr(file, "user.konifer.label.xdg.creator", b"a label")
    expected = {
        "user.xdg.creator": "Ändroid", "user.xdg.language": "de", "user.xdg.robots.backup": "true",
        "user.xdg.referrer.url": "https://example.org/" + "x" * 2000, "user.xdg.origin.email.subject": "text",
    }  # fmt: skip
    for name, text in expected.items():
        os.setxattr(file, name, text.encode())
    assert annotations(file) == {"user.konifer.label.xdg.creator": "a label", **expected}
    assert labels_of(shared_mount, file) == {"xdg.creator": "a label"}
    for name in expected:
        os.removexattr(file, name)
    assert annotations(file) == {"user.konifer.label.xdg.creator": "a label"}


@pytest.mark.semantics("Freedesktop's other attributes")
def test_a_second_rsync_finds_the_attributes_as_they_were(place: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(PICTURE)
    for name in ("creator", "publisher", "language", "rating"):
        os.setxattr(source, f"user.xdg.{name}", b"text")
    run("rsync", "-aX", source, place)
    assert run("rsync", "-aXi", source, place).stdout == b""


@pytest.mark.semantics("A directory has no labels")
@pytest.mark.parametrize("name", ["user.konifer.label.a", "user.konifer.label.xdg.tags"])
def test_a_directory_has_no_labels(place: Path, name: str) -> None:
    with failing(EPERM):
        os.setxattr(place, name, b"text")
    with failing(ENODATA):
        os.getxattr(place, name)
    assert os.listxattr(place) == []


@pytest.mark.semantics("Facts under user.konifer. can be read")
def test_facts_are_told_not_listed_and_not_set(shared_mount: Mount, place: Path, file: Path) -> None:
    (row,) = rows_below(shared_mount, place)
    expected = {
        "entry-id": "0", "asset-id": str(row.asset_id), "path": f"/{place.name}", "source": "UPLOAD", "width": "48",
        "height": "32", "format": "jpg", "page-count": "1", "bucket": row.bucket, "key": row.key, "state": "ready",
    }  # fmt: skip
    assert {name: os.getxattr(file, f"user.konifer.{name}").decode() for name in expected} == expected
    for name in ("created", "modified"):
        assert os.getxattr(file, f"user.konifer.{name}").startswith(str(row.created_at.year).encode())
    assert os.listxattr(file) == []
    all_fail(
        EPERM,
        lambda: os.setxattr(file, "user.konifer.entry-id", b"7"),
        lambda: os.setxattr(file, "user.konifer.unknown", b"7"),
        lambda: os.removexattr(file, "user.konifer.width"),
        lambda: os.setxattr(place, "user.konifer.rfiles", b"7"),
        lambda: os.removexattr(place, "user.konifer.rfiles"),
    )
    with failing(ENODATA):
        os.getxattr(file, "user.konifer.unknown")


@pytest.mark.semantics("A directory's user.konifer.rfiles")
def test_a_directory_counts_all_that_is_below_it(shared_mount: Mount, place: Path) -> None:
    (place / "a" / "b").mkdir(parents=True)
    (place / "empty").mkdir()
    (place / "one.jpg").write_bytes(PICTURE)
    (place / "a" / "b" / "two.jpg").write_bytes(PICTURE + b"more")
    (place / "a" / "link").symlink_to("b")
    (place / ".local").write_bytes(b"text")
    counts = {name: int(os.getxattr(place, f"user.konifer.{name}")) for name in ("rfiles", "rentries", "rbytes")}
    assert counts == {"rfiles": 2, "rentries": 6, "rbytes": 2 * len(PICTURE) + 4}
    add_entry(shared_mount, f"{ltree(shared_mount, place)}.foreign.deep")
    wait_until(lambda: os.getxattr(place, "user.konifer.rfiles") == b"3")
    assert os.getxattr(place, "user.konifer.rentries") == b"9"


@pytest.mark.semantics("The directory fact user.konifer.runknown")
def test_a_directory_tells_how_many_sizes_it_does_not_know(shared_mount: Mount, place: Path) -> None:
    (place / "one.jpg").write_bytes(PICTURE)
    assert os.getxattr(place, "user.konifer.runknown") == b"0"
    for label in ("a", "b"):
        add_entry(shared_mount, f"{ltree(shared_mount, place)}.{label}")
    wait_until(lambda: os.getxattr(place, "user.konifer.runknown") == b"2")
    assert os.getxattr(place, "user.konifer.rbytes") == str(len(PICTURE)).encode()
