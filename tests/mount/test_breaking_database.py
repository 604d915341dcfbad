"""What can be read while the database is away."""

import errno
import os
import re

import pytest

from tests.mount.mounting import Mount
from tests.mount.saving import failing, jpeg
from tests.postgres.wire import Wire

READ_ON = pytest.mark.semantics("A store that cannot be reached fails the call")


@READ_ON
def test_drafts_in_directories_can_be_read_on(cuttable: Mount, wire: Wire) -> None:
    below = cuttable.path / "a" / "b"
    below.mkdir(parents=True)
    paths = [cuttable.path / "p.jpg", below / "p.jpg"]
    opened = [os.open(path, os.O_CREAT | os.O_WRONLY) for path in paths]
    for number, descriptor in enumerate(opened):
        os.write(descriptor, jpeg(number))
    wire.fall_silent()
    for descriptor in opened:
        with failing(errno.EIO):
            os.close(descriptor)
    for _ in range(3):
        assert [path.read_bytes() for path in paths] == [jpeg(0), jpeg(1)]
    with failing(errno.EIO):
        (below / "other.jpg").read_bytes()


@READ_ON
def test_who_lists_many_names_meanwhile_is_told_at_once(cuttable: Mount, wire: Wire) -> None:
    listing = os.open(cuttable.path / "-" / "labels", os.O_RDONLY | os.O_DIRECTORY)
    wire.fall_silent()
    with failing(errno.EIO):
        (cuttable.path / "new").mkdir()
    for _ in range(3):  # a second after the last, one of them asks the database itself
        with failing(errno.EIO):
            os.listdir(listing)  # noqa: PTH208 - of an open one
    os.close(listing)
    assert re.search("/-/labels\t.*did not answer a moment ago", (cuttable.path / "-" / "errors").read_text())


@READ_ON
def test_the_reasons_can_be_read_meanwhile(cuttable: Mount, wire: Wire) -> None:
    wire.fall_silent()
    with failing(errno.EIO):
        (cuttable.path / "new").mkdir()
    for _ in range(3):
        assert "cannot be reached" in (cuttable.path / "-" / "errors").read_text()
        assert "konifer_fs_" in (cuttable.path / "-" / "stats").read_text()
