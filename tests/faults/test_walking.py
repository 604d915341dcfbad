"""Who goes through directories one after the other is told of the next ones from memory: also without a database."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.faults.calls import run_all
from tests.faults.conftest import Exposed
from tests.faults.proxy import fall_silent
from tests.mount.elsewhere import PICTURE, names, query, wait_until

pytestmark = pytest.mark.semantics("Who lists directories one after the other, as `find` and `ls -R` do")
COUNT = 60
FILL = """
INSERT INTO asset_tree (id, entry_id, path, alt, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), 0, ('root.' || %s || '.d' || to_char(i, 'FM00') || tail)::ltree,
         '', 'UPLOAD', true, now(), now()
    FROM generate_series(0, %s - 1) i, unnest('{"", .below}'::text[]) tail
"""


@pytest.fixture
def place(exposed: Exposed) -> Iterator[Path]:
    """A tree of so many directories, listed up to the sixth."""
    name = f"w{uuid4().hex}"
    place = exposed.mount.path / name
    wait_until(lambda: "konifer_fs_changes_told 1" in (exposed.mount.path / "-" / "stats").read_text())
    assert not place.exists()
    query(exposed.mount, f"{FILL} RETURNING 1", name, COUNT)
    wait_until(place.exists)  # Which is told by the feed: no word of it comes later and has listings dropped.
    assert names(place) == [f"d{number:02}" for number in range(COUNT)]
    for number in range(6):
        assert names(place / f"d{number:02}") == ["0", "below"]
    yield place
    exposed.database.heal()
    wait_until(lambda: run_all({"list": lambda: names(place)})["list"].number == 0)
    shutil.rmtree(place)


def test_the_next_ones_are_told_without_a_word_of_the_database(exposed: Exposed, place: Path) -> None:
    fall_silent(exposed.database)
    for number in range(6, 11):
        assert names(place / f"d{number:02}") == ["0", "below"]


def test_what_others_and_this_mount_change_there_is_told(exposed: Exposed, place: Path) -> None:
    statement = "UPDATE asset_tree SET path = %s::ltree WHERE path = %s::ltree RETURNING 1"
    query(exposed.mount, statement, f"root.{place.name}.d08.moved", f"root.{place.name}.d08.below")
    (place / "d09" / "tree.jpeg").write_bytes(PICTURE)
    (place / "d10").rename(place / "e10")
    wait_until(lambda: names(place / "d08") == ["0", "moved"])
    assert names(place / "d09") == ["0", "below", "tree.jpeg"]
    assert names(place / "e10") == ["0", "below"]
    assert names(place / "d11") == ["0", "below"]
    assert not (place / "d10").exists()


def test_a_walk_tells_everything(place: Path) -> None:
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
    directories = [f"d{number:02}" for number in range(COUNT)]
    each = ("", "/0", "/below", "/below/0")
    assert found == sorted(f"{directory}{tail}" for directory in directories for tail in each)
