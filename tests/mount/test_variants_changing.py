"""What can be done to variants, and to the entries they belong to: reading and removing, and nothing else."""

import os
from errno import EEXIST, EISDIR, ENODATA, EPERM, EROFS
from pathlib import Path
from typing import Final

import pytest

from tests.mount.elsewhere import all_fail, names
from tests.mount.mounting import Mount
from tests.mount.saving import eventually, failing, run
from tests.mount.variants import OTHER, PICTURE, ROBOTS, described, of, renderings, stored_variants

READ_ONLY: Final = pytest.mark.semantics("Variants are read-only")
REMOVING: Final = pytest.mark.semantics("Removing a variant deletes it")
DRAFTS: Final = pytest.mark.semantics("A draft has no variants")


@pytest.fixture
def photo(place: Path) -> Path:
    """An entry, 48x32."""
    (place / "photo.png").write_bytes(PICTURE)
    return place / "photo.png"


@READ_ONLY
def test_nothing_below_can_be_changed(place: Path, photo: Path) -> None:
    variant, below = of(photo, "w=8.png"), of(photo, "")
    content = variant.read_bytes()
    for path in (variant, of(photo, "original.png"), of(photo, "info.json")):
        all_fail(
            EROFS,
            lambda path=path: path.write_bytes(PICTURE),  # type: ignore[misc]
            lambda path=path: os.close(os.open(path, os.O_RDWR)),  # type: ignore[misc]
            lambda path=path: os.truncate(path, 0),  # type: ignore[misc]
            lambda path=path: path.chmod(0o600),  # type: ignore[misc]
            lambda path=path: os.utime(path),  # type: ignore[misc]
            lambda path=path: os.setxattr(path, "user.a", b"b"),  # type: ignore[misc]
            lambda path=path: os.removexattr(path, ROBOTS),  # type: ignore[misc]
            lambda path=path: path.rename(place / "out.png"),  # type: ignore[misc]
            lambda path=path: photo.rename(path),  # type: ignore[misc]
        )
    all_fail(
        EROFS,
        (below / "new").mkdir,
        lambda: (below / "new").symlink_to("x"),
        lambda: (below / "new").write_bytes(PICTURE),
        lambda: os.mknod(below / "new"),
        lambda: below.chmod(0o700),
        lambda: os.utime(below),
        lambda: below.rename(place / "out"),
        below.rmdir,
    )
    assert variant.read_bytes() == content
    assert names(place) == ["photo.png"]


@pytest.mark.semantics("The names - and those ending in @ are reserved")
def test_a_virtual_name_that_exists_cannot_be_made_either(place: Path, photo: Path) -> None:
    below = place / "photo.png@"
    (place / "directory").mkdir()
    all_fail(EEXIST, below.mkdir, lambda: below.symlink_to("x"), lambda: os.mknod(below))
    all_fail(EISDIR, lambda: below.write_bytes(PICTURE), lambda: photo.rename(below))
    all_fail(EROFS, lambda: (place / "directory").rename(below))
    assert names(place) == ["directory", "photo.png"]
    assert photo.read_bytes() == PICTURE


@REMOVING
def test_a_removed_variant_is_gone_from_both_stores(shared_mount: Mount, place: Path, photo: Path) -> None:
    content = of(photo, "w=24.webp").read_bytes()
    (stored,) = stored_variants(shared_mount, place)
    with of(photo, "w=24.webp").open("rb") as reading:
        of(photo, "h=16,w=24.webp").unlink()
        assert names(of(photo, "")) == ["info.json", "original.png"]
        assert stored_variants(shared_mount, place) == []
        assert reading.read() == content
    eventually(stored.object.exists, expected=False)
    before = renderings(shared_mount)
    assert of(photo, "w=24.webp").read_bytes() == content
    assert renderings(shared_mount) == before + 1


@REMOVING
def test_original_and_information_cannot_be_removed(photo: Path) -> None:
    for name in ("original.png", "info.json", "w=48.png"):
        all_fail(EPERM, of(photo, name).unlink)
    assert names(of(photo, "")) == ["info.json", "original.png"]
    assert photo.read_bytes() == PICTURE


@DRAFTS
def test_a_draft_has_the_variants_of_the_entry_that_it_lies_over(place: Path, photo: Path) -> None:
    with (place / "draft.png").open("wb") as draft, photo.open("r+b") as over:
        draft.write(OTHER[:100])
        draft.flush()
        over.truncate(100)
        assert not (place / "draft.png@").exists()
        assert of(photo, "original.png").read_bytes() == PICTURE
        assert described(of(photo, "w=24.png").read_bytes()) == ("PNG", (24, 16))
        draft.write(OTHER[100:])
        over.seek(0)
        over.write(OTHER)
    assert of(photo, "original.png").read_bytes() == OTHER
    assert described(of(photo, "w=24.png").read_bytes()) == ("PNG", (24, 36))
    assert described((place / "draft.png@" / "w=8.png").read_bytes()) == ("PNG", (8, 12))


@DRAFTS
def test_only_entries_have_variants(place: Path, photo: Path) -> None:
    (place / "directory").mkdir()
    (place / "link").symlink_to("photo.png")
    (place / ".hidden").write_text("no picture")
    for name in ("directory@", "link@", ".hidden@", "photo.png@@", "@", "nothing@", "photo.png@/info.json@"):
        assert not (place / name).exists()
    assert of(photo, "info.json").exists()


@pytest.mark.semantics("Variants have the owner and permissions")
def test_variants_are_as_open_as_their_entry(photo: Path) -> None:
    for mode, directory in ((0o640, 0o750), (0o400, 0o500), (0o755, 0o755), (0o606, 0o707)):
        photo.chmod(mode)
        shown = of(photo, "").stat()
        assert shown.st_mode == 0o040000 | directory
        for name in ("w=8.png", "original.png", "info.json"):
            assert of(photo, name).stat().st_mode == 0o100000 | (mode & 0o666)
            assert (shown.st_uid, shown.st_gid) == (photo.stat().st_uid, photo.stat().st_gid)


@pytest.mark.semantics("Variants have the owner and permissions")
def test_backups_are_asked_to_leave_variants_out(photo: Path) -> None:
    for name, content_type in (("w=8.webp", b"image/webp"), ("original.png", b"image/png"), ("info.json", None)):
        assert os.listxattr(of(photo, name)) == []
        assert os.getxattr(of(photo, name), ROBOTS) == b"false"
        assert os.getxattr(of(photo, name), "user.mime_type") == (content_type or b"application/json")
        with failing(ENODATA):
            os.getxattr(of(photo, name), "user.konifer.width")
    assert os.getxattr(of(photo, ""), ROBOTS) == b"false"
    assert os.listxattr(of(photo, "")) == []


@pytest.mark.semantics("Variants have the owner and permissions")
def test_a_copy_of_a_variant_is_for_backups_again(place: Path, photo: Path) -> None:
    run("cp", "-a", of(photo, "w=8.png"), place / "copied.png")
    run("rsync", "-aX", of(photo, "w=8.png"), place / "synced.png")
    for copy in ("copied.png", "synced.png"):
        assert os.listxattr(place / copy) == []
