"""How the shell and its small tools save: redirections, groups, dd, truncate, sed, install, lock and rename."""

import os
from pathlib import Path

import pytest

from tests.mount.mounting import Mount
from tests.mount.saving import COMMENT, annotate, annotations, jpeg, shell, tell

ORIGIN = "user.xdg.origin.url"


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    """A photograph, also as the file `photo` in `tmp_path`, in two halves, and beside `other`."""
    photo = jpeg(1)
    for name, content in {"photo": photo, "first": photo[:500], "second": photo[500:], "other": jpeg(2)}.items():
        (tmp_path / name).write_bytes(content)
    return photo


def test_a_redirection_stores_a_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    assert tell(shared_mount, place, {"photo.jpg": photo})["photo.jpg"].entry_id == 0


def test_a_redirection_replaces_a_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"cat {tmp_path}/other > photo.jpg", place)
    said = annotate(place / "photo.jpg")
    before = tell(shared_mount, place, {"photo.jpg": jpeg(2)})["photo.jpg"]
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    after = tell(shared_mount, place, {"photo.jpg": photo})["photo.jpg"]
    assert (after.node_id, after.entry_id) == (before.node_id, before.entry_id + 1)
    assert after.asset_id != before.asset_id
    assert annotations(place / "photo.jpg") == said


def test_appending_stores_what_is_behind_the_picture_too(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"cat {tmp_path}/photo >> photo.jpg && printf tail >> photo.jpg", place)
    assert tell(shared_mount, place, {"photo.jpg": photo + b"tail"})["photo.jpg"].entry_id == 1


def test_emptying_a_picture_leaves_a_draft_over_it(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"cat {tmp_path}/photo > photo.jpg && : > photo.jpg", place)
    assert (place / "photo.jpg").stat().st_size == 0
    tell(shared_mount, place, {"photo.jpg": photo}, drafts={"photo.jpg": "incomplete"})
    shell(f"cat {tmp_path}/other > photo.jpg", place)
    tell(shared_mount, place, {"photo.jpg": jpeg(2)})


def test_text_is_refused_where_the_shell_can_see_it(shared_mount: Mount, place: Path) -> None:
    assert "Wrong medium type" in shell("echo hello > photo.jpg", place, code=1)
    tell(shared_mount, place, {})


def test_text_over_a_picture_leaves_the_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    assert "Wrong medium type" in shell("echo hello > photo.jpg", place, code=1)
    tell(shared_mount, place, {"photo.jpg": photo})


def test_two_programs_write_one_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    said = shell(f"{{ cat {tmp_path}/first; cat {tmp_path}/second; }} > photo.jpg", place)
    assert "Bad message" in said
    assert tell(shared_mount, place, {"photo.jpg": photo})["photo.jpg"].entry_id == 0


def test_two_programs_write_two_pictures_into_one_file(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    assert not shell(f"{{ cat {tmp_path}/photo; cat {tmp_path}/other; }} > photo.jpg", place)
    tell(shared_mount, place, {"photo.jpg": photo + jpeg(2)})


def test_a_program_that_fails_midway_leaves_an_incomplete_draft(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"cat {tmp_path}/first /nowhere > photo.jpg", place, code=1)
    tell(shared_mount, place, {}, drafts={"photo.jpg": "incomplete"})
    assert (place / "photo.jpg").read_bytes() == photo[:500]


def test_tee_stores_two_pictures(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"tee one.jpg < {tmp_path}/photo > two.jpg", place)
    tell(shared_mount, place, {"one.jpg": photo, "two.jpg": photo})


def test_dd_synchronises_a_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"dd if={tmp_path}/photo of=photo.jpg bs=100 conv=fsync status=none", place)
    assert tell(shared_mount, place, {"photo.jpg": photo})["photo.jpg"].entry_id == 0


def test_dd_writes_into_the_middle(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    at = photo.index(COMMENT)
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    said = annotate(place / "photo.jpg")
    shell(f"printf 'changed' | dd of=photo.jpg bs=1 seek={at} conv=notrunc status=none", place)
    changed = photo[:at] + b"changed" + photo[at + 7 :]
    assert tell(shared_mount, place, {"photo.jpg": changed})["photo.jpg"].entry_id == 1
    assert annotations(place / "photo.jpg") == said


def test_dd_of_a_part_over_a_picture_is_told_at_its_end(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    said = shell(f"dd if={tmp_path}/first of=photo.jpg conv=fsync status=none", place, code=1)
    assert "Bad message" in said
    tell(shared_mount, place, {"photo.jpg": photo}, drafts={"photo.jpg": "incomplete"})


def test_truncate_cuts_what_is_behind_a_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"cat {tmp_path}/photo - > photo.jpg < {tmp_path}/other", place)
    shell(f"truncate -s {len(photo)} photo.jpg", place)
    tell(shared_mount, place, {"photo.jpg": photo})
    os.truncate(place / "photo.jpg", len(photo) + 10)
    tell(shared_mount, place, {"photo.jpg": photo + bytes(10)})


def test_truncate_into_a_picture_is_told_and_keeps_the_entry(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    assert "Bad message" in shell("truncate -s 200 photo.jpg", place, code=1)
    tell(shared_mount, place, {"photo.jpg": photo}, drafts={"photo.jpg": "incomplete"})


def test_truncate_makes_room_for_a_picture(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    assert "Bad message" in shell(f"truncate -s {len(photo)} photo.jpg", place, code=1)
    shell(f"dd if={tmp_path}/photo of=photo.jpg conv=notrunc status=none", place)
    tell(shared_mount, place, {"photo.jpg": photo})


@pytest.mark.semantics("A file renamed over an entry takes over its tags")
def test_sed_in_place_keeps_what_is_said_of_the_picture(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"install -m 640 {tmp_path}/photo photo.jpg", place)
    said = annotate(place / "photo.jpg") | {ORIGIN: "https://example.org/tree"}
    os.setxattr(place / "photo.jpg", ORIGIN, said[ORIGIN].encode())
    shell("LC_ALL=C sed -i 's/written before/written behind/' photo.jpg", place)
    changed = photo.replace(COMMENT, b"written behind")
    assert tell(shared_mount, place, {"photo.jpg": changed})["photo.jpg"].alt == said["user.xdg.comment"]
    assert annotations(place / "photo.jpg") == said
    assert (place / "photo.jpg").stat().st_mode & 0o777 == 0o640


def test_sed_with_a_backup_keeps_both(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"cat {tmp_path}/photo > photo.jpg", place)
    shell("LC_ALL=C sed -i.before 's/written before/written behind/' photo.jpg", place)
    changed = photo.replace(COMMENT, b"written behind")
    tell(shared_mount, place, {"photo.jpg": changed, "photo.jpg.before": photo})


def test_install_sets_the_mode(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    shell(f"install -D -m 600 {tmp_path}/photo deep/er/photo.jpg", place)
    tell(shared_mount, place / "deep" / "er", {"photo.jpg": photo})
    assert (place / "deep" / "er" / "photo.jpg").stat().st_mode & 0o777 == 0o600
    shell(f"install -b -m 644 {tmp_path}/other deep/er/photo.jpg", place)
    tell(shared_mount, place / "deep" / "er", {"photo.jpg": jpeg(2), "photo.jpg~": photo})


def test_a_lock_file_that_is_renamed_over_is_the_picture(
    shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes
) -> None:
    shell(f"cat {tmp_path}/other > photo.jpg", place)
    said = annotate(place / "photo.jpg")
    save = f"set -o noclobber; cat {tmp_path}/photo > photo.jpg.lock"
    shell(f"{save} && sync photo.jpg.lock && mv -f photo.jpg.lock photo.jpg", place)
    tell(shared_mount, place, {"photo.jpg": photo})
    assert annotations(place / "photo.jpg") == said


def test_a_lock_file_keeps_another_out(shared_mount: Mount, place: Path, tmp_path: Path, photo: bytes) -> None:
    save = f"set -o noclobber; cat {tmp_path}/photo > photo.jpg.lock"
    shell(save, place)
    assert "cannot overwrite existing file" in shell(save, place, code=1)
    tell(shared_mount, place, {"photo.jpg.lock": photo})
