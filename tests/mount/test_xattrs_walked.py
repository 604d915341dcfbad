"""Extended attributes that were read along with those before, and then change: here, on another mount, and by SQL."""

import os
from pathlib import Path
from uuid import UUID

import pytest

from tests.mount.elsewhere import PICTURE, names, query, wait_until
from tests.mount.mounting import Mount
from tests.mount.saving import annotations

pytestmark = pytest.mark.semantics("Extended attributes that were read of a file or directory are told from memory")
# A change by SQL is seen within a second: this is what a busy machine is given for it.
SOON = 20.0


@pytest.fixture
def files(place: Path) -> list[Path]:
    """Files with the label `n`, of which somebody has read three, and so had the others read along."""
    files = [place / f"{number}.jpg" for number in range(9)]
    for file in files:
        file.write_bytes(PICTURE)
        os.setxattr(file, "user.n", file.stem.encode())
    assert names(place) == [file.name for file in files]
    assert [annotations(file) for file in files[:3]] == [{"user.n": file.stem} for file in files[:3]]
    return files


def test_what_is_set_and_removed_here_is_told_at_once(files: list[Path]) -> None:
    for file in files[3:]:
        os.setxattr(file, "user.n", b"new")
        os.setxattr(file, "user.other", b"\xff")
        assert {name: os.getxattr(file, name) for name in os.listxattr(file)} == {
            "user.n": b"new",
            "user.other": b"\xff",
        }
        os.removexattr(file, "user.n")
        assert os.listxattr(file) == ["user.other"]


def test_what_a_rename_and_a_new_file_bring_along_is_told_at_once(files: list[Path]) -> None:
    for file, plain, other in zip(files[3::3], files[4::3], files[5::3], strict=True):
        os.removexattr(plain, "user.n")
        assert annotations(plain) == {}
        plain.rename(file)
        assert annotations(file) == {"user.n": file.stem}
        file.rename(plain)
        other.rename(file)
        assert (annotations(file), annotations(plain)) == ({"user.n": other.stem}, {"user.n": file.stem})
        plain.unlink()
        plain.write_bytes(PICTURE)
        assert annotations(plain) == {}


def test_what_links_and_their_removal_say_is_told_at_once(place: Path, files: list[Path]) -> None:
    red = place / "-" / "labels" / "team=red"
    for file in files[3:]:
        (red / file.name).symlink_to(f"../../../{file.name}")
        assert annotations(file) == {"user.n": file.stem, "user.team": "red"}
        (red / file.name).unlink()
        assert annotations(file) == {"user.n": file.stem}


def test_what_another_mount_sets_is_told(place: Path, files: list[Path], second_mount: Mount) -> None:
    for file in files[3:]:
        os.setxattr(second_mount.path / place.name / file.name, "user.n", b"new")
    for file in files[3:]:
        wait_until(lambda file=file: annotations(file) == {"user.n": "new"}, SOON)  # type: ignore[misc]


def test_what_sql_says_is_told(shared_mount: Mount, files: list[Path]) -> None:
    assets = [UUID(os.getxattr(file, "user.konifer.asset-id").decode()) for file in files[3:]]
    statement = "UPDATE asset_label SET label_value = 'new' WHERE asset_id = ANY(%s) RETURNING 1"
    assert len(query(shared_mount, statement, assets)) == len(assets)
    for file in files[3:]:
        wait_until(lambda file=file: annotations(file) == {"user.n": "new"}, SOON)  # type: ignore[misc]
