"""More names than the daemon keeps in memory."""

from pathlib import Path

import pytest

from konifer_fs.fuse.crowding import MOST_KNOWN
from tests.mount.elsewhere import names, query
from tests.mount.mounting import Mount, MountFactory

EACH = 100
FILL = """
INSERT INTO asset_tree (id, entry_id, path, alt, source, is_ready, created_at, modified_at)
  SELECT gen_random_uuid(), e, ('root.d' || i)::ltree, '', 'UPLOAD', true, now(), now()
    FROM generate_series(1, %s) i, generate_series(0, %s - 1) e RETURNING 1
"""


def known(mount: Mount) -> int:
    """Give how many inodes the kernel knows."""
    figures = (mount.path / "-/stats").read_text().splitlines()
    return next(int(float(line.split()[1])) for line in figures if line.startswith("konifer_fs_inodes "))


@pytest.mark.slow
@pytest.mark.semantics("Of more than 100,000 names the kernel is asked to forget")
def test_memory_is_for_so_many_names_and_those_in_use_stay(mounted: MountFactory) -> None:
    mount = mounted()
    query(mount, FILL, MOST_KNOWN // EACH + 200, EACH)
    (mount.path / "used").mkdir()
    most = 0
    with (mount.path / "used" / "notes.txt~").open("wb", buffering=0) as opened:
        opened.write(b"open")
        for directory in mount.path.iterdir():
            assert len(names(directory)) >= (1 if directory.name == "used" else EACH)
            most = max(most, known(mount)) if directory.name.endswith("00") else most
        assert Path(opened.name).stat().st_size == 4
    assert MOST_KNOWN // 2 < most < MOST_KNOWN + 15_000
    assert len(names(mount.path / "d1")) == EACH
