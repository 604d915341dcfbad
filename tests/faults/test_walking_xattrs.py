"""Who asks for extended attributes one file after the other is told of the next ones without a word of the database."""

import os
import shutil
import time
from pathlib import Path
from uuid import uuid4

import pytest

from konifer_fs.fuse.coherence import UNTOLD_SECONDS
from tests.faults.calls import run_all
from tests.faults.conftest import Exposed
from tests.faults.proxy import fall_silent
from tests.mount.elsewhere import names, query, wait_until

COUNT = 600
FILL = """
WITH assets AS (
  INSERT INTO asset_tree (id, entry_id, path, alt, source, is_ready, created_at, modified_at)
    SELECT gen_random_uuid(), i, ('root.' || %s)::ltree, '', 'UPLOAD', true, now(), now()
      FROM generate_series(0, %s - 1) i
  RETURNING id, entry_id)
INSERT INTO asset_label (id, asset_id, label_key, label_value, created_at)
  SELECT gen_random_uuid(), id, 'n', entry_id::text, now() FROM assets RETURNING 1
"""


@pytest.mark.semantics("Extended attributes that were read of a file or directory are told from memory")
def test_the_next_ones_are_told_without_a_word_of_the_database(exposed: Exposed) -> None:
    place = exposed.mount.path / f"w{uuid4().hex}"
    query(exposed.mount, FILL, place.name, COUNT)
    wait_until(place.exists)
    wait_until(lambda: _tells_in_silence(exposed, place))
    wait_until(lambda: run_all({"list": lambda: names(place)})["list"].number == 0)
    shutil.rmtree(place)


def _tells_in_silence(exposed: Exposed, place: Path) -> bool:
    """Ask for the first three, then for as many as are read along with the third; gives False when that took long.

    As `getfattr -R` does, before the end of the listing was read.
    """
    try:
        with os.scandir(place) as rows:
            next(rows)
        time.sleep(UNTOLD_SECONDS)
        labels = [os.getxattr(place / str(number), "user.n") for number in range(3)]
        fall_silent(exposed.database)
        for number in range(3, 11):
            assert os.listxattr(place / str(number)) == ["user.n"]
            labels.append(os.getxattr(place / str(number), "user.n"))
    except OSError:
        return False
    finally:
        exposed.database.heal()
    assert labels == [b"%d" % number for number in range(11)]
    return True
