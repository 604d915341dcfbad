"""What is known of names that nothing has: it is told without a word of the database, until somebody has given one."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.faults.calls import run_all
from tests.faults.conftest import Exposed
from tests.faults.proxy import fall_silent
from tests.mount.elsewhere import PICTURE, ltree, names, query, wait_until

pytestmark = pytest.mark.semantics("In a directory that this mount has made, and nobody else has changed")

LINK = """
INSERT INTO konifer_fs.node (parent, name, target)
  SELECT id, 'link', 'tree.jpeg' FROM konifer_fs.node WHERE path = %s::text::ltree RETURNING 1
"""
ASSET = """
INSERT INTO asset_tree (id, entry_id, path, alt, source, is_ready, created_at, modified_at)
  VALUES (gen_random_uuid(), 0, %s::text::ltree, '', 'UPLOAD', true, now(), now()) RETURNING 1
"""


@pytest.fixture
def place(exposed: Exposed) -> Iterator[Path]:
    """A directory that the mount has made, with a picture."""
    wait_until(lambda: "konifer_fs_changes_told 1" in (exposed.mount.path / "-" / "stats").read_text())
    place = exposed.mount.path / f"f{uuid4().hex}"
    place.mkdir()
    (place / "tree.jpeg").write_bytes(PICTURE)
    yield place
    exposed.database.heal()
    wait_until(lambda: run_all({"list": lambda: names(place)})["list"].number == 0)
    shutil.rmtree(place)


def test_it_is_known_to_be_free(exposed: Exposed, place: Path) -> None:
    fall_silent(exposed.database)
    assert not any((place / name).exists() for name in ("a", "b.tif", ".c.jpeg.part"))


def test_it_is_seen_once_somebody_else_has_given_it(exposed: Exposed, place: Path) -> None:
    """None of these names was asked for before."""
    path = ltree(exposed.mount, place)
    assert len(query(exposed.mount, LINK, path)) == len(query(exposed.mount, ASSET, f"{path}.made__2eof")) == 1
    wait_until((place / "link").is_symlink, 5)
    wait_until((place / "made.of").is_dir, 5)


def test_it_is_not_free_once_this_mount_has_given_it(place: Path) -> None:
    """After their directory was renamed, the kernel asks for each name again."""
    (place / "leaf").mkdir()
    (place / "link").symlink_to("leaf")
    (place / "tree.jpeg").rename(place / "renamed.jpeg")
    (place / "link").rename(place / "leaf" / "link")
    elsewhere = place.rename(place.with_name(f"{place.name}-renamed"))
    assert (elsewhere / "leaf" / "link").is_symlink()
    assert [(elsewhere / name).exists() for name in ("tree.jpeg", "link", "renamed.jpeg")] == [False, False, True]
    assert names(elsewhere.rename(place)) == ["leaf", "renamed.jpeg"]
