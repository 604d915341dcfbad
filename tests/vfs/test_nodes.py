"""What `stat` shows of an entry: what was set, else defaults of the mount and of the asset."""

import stat
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.node import Entry, Ownership
from konifer_fs.domain.path import AssetPath
from konifer_fs.vfs.nodes import Defaults, to_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CREATED = EPOCH + timedelta(seconds=5, microseconds=1)
MODIFIED = EPOCH + timedelta(seconds=7)
UNTOUCHED = Ownership()
DEFAULTS = Defaults(uid=1, gid=2, umask=0o027)


def entry(ownership: Ownership = UNTOUCHED, modified_at: datetime = MODIFIED) -> Entry:
    return Entry(
        id=9,
        path=AssetPath(),
        made=True,
        name=None,
        asset_id=UUID(int=9),
        entry_id=3,
        format=ImageFormat.JPEG,
        original=None,
        size=4,
        created_at=CREATED,
        modified_at=modified_at,
        ownership=ownership,
    )


def test_what_nobody_has_set_is_the_mounts_and_the_assets() -> None:
    shown = DEFAULTS.stat_entry(entry(), 4)
    assert (shown.id, shown.mode, shown.uid, shown.gid, shown.size) == (9, stat.S_IFREG | 0o640, 1, 2, 4)
    assert (shown.mtime_ns, shown.ctime_ns) == (5_000_001_000, 7_000_000_000)


def test_an_asset_that_was_never_modified_changed_when_it_was_created() -> None:
    shown = DEFAULTS.stat_entry(entry(modified_at=CREATED), 4)
    assert shown.mtime_ns == shown.ctime_ns == 5_000_001_000


def test_what_was_set_is_shown_but_a_later_modification_counts() -> None:
    owned = Ownership(mode=0o4601, uid=0, gid=0, mtime_ns=0, ctime_ns=8)
    shown = DEFAULTS.stat_entry(entry(owned), 4)
    assert (shown.mode, shown.uid, shown.gid) == (stat.S_IFREG | 0o4601, 0, 0)
    assert (shown.mtime_ns, shown.ctime_ns) == (0, 7_000_000_000)
    assert DEFAULTS.stat_entry(entry(Ownership(ctime_ns=8_000_000_001)), 4).ctime_ns == 8_000_000_001


def test_a_complete_ownership_is_what_is_shown() -> None:
    found = entry(Ownership(mode=0o600))
    shown = DEFAULTS.stat_entry(found, 4)
    expected = Ownership(mode=0o600, uid=1, gid=2, mtime_ns=shown.mtime_ns, ctime_ns=shown.ctime_ns)
    assert DEFAULTS.complete(found) == expected


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        (EPOCH, 0),
        (EPOCH - timedelta(microseconds=1), -1000),
        (datetime(2026, 11, 30, 10, 26, 47, 520008, tzinfo=UTC), 1_796_034_407_520_008_000),
        (datetime.min.replace(tzinfo=UTC), -62_135_596_800_000_000_000),
        (datetime.max.replace(tzinfo=UTC), 253_402_300_799_999_999_000),
    ],
)
def test_nanoseconds_are_exact(time: datetime, nanoseconds: int) -> None:
    assert to_ns(time) == nanoseconds
