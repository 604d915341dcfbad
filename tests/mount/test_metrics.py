"""The figures of a mount, read from its file and over HTTP."""

import errno
import json
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.mount.elsewhere import PICTURE
from tests.mount.mounting import CommandFailed, MountFactory
from tests.mount.saving import failing

HTTP = pytest.mark.semantics("With filesystem.metrics-address")
ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"
DASHBOARD = ALERTS.with_name("dashboard.json")
NOT_DRAWN = {"konifer_fs_renderings_total", "konifer_fs_renderings", "konifer_fs_changes_told"}


def figure(report: str, name: str) -> float:
    """Give the value of one figure, named with its labels."""
    (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", report, re.MULTILINE)
    return float(value)


@pytest.fixture
def address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@HTTP
def test_figures_are_told_over_http(mounted: MountFactory, address: str) -> None:
    mount = mounted(config=f'filesystem {{ metrics-address = "{address}", deadline = 2s, drain = 0s }}')
    (mount.path / "a.jpg").write_bytes(PICTURE)
    os.mknod(mount.path / "made.jpg")
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        report = answer.read().decode()
    assert figure(report, 'konifer_fs_operations_total{errno="OK",operation="create"}') == 1
    assert figure(report, 'konifer_fs_operation_seconds_count{operation="create"}') == 1
    assert figure(report, 'konifer_fs_operations_total{errno="OK",operation="mknod"}') == 1
    assert figure(report, 'konifer_fs_operation_seconds_bucket{le="+Inf",operation="flush"}') == 1
    assert 0 < figure(report, 'konifer_fs_operation_seconds_sum{operation="flush"}') < 30
    assert figure(report, "konifer_fs_oldest_pending_seconds") == 0
    mount.objects.rename(mount.objects.with_name("away"))
    mount.objects.write_text("in the way of a directory")
    with failing(errno.EIO):
        (mount.path / "b.jpg").write_bytes(PICTURE)
    waiting = (mount.path / "-" / "stats").read_text()
    assert figure(waiting, "konifer_fs_oldest_pending_seconds") > 0
    assert figure(waiting, 'konifer_fs_operations_total{errno="EIO",operation="flush"}') == 1
    mount.umount("--force")
    with pytest.raises(OSError, match="refused"):
        urlopen(f"http://{address}/metrics", timeout=10)


@HTTP
def test_a_mount_that_cannot_tell_is_refused(mounted: MountFactory, address: str) -> None:
    mounted(config=f'filesystem.metrics-address = "{address}"')
    with pytest.raises(CommandFailed, match=rf"metrics-address {address}: Address already in use"):
        mounted(config=f'filesystem.metrics-address = "{address}"')


@pytest.fixture
def report(mounted: MountFactory) -> str:
    """All figures of a mount over S3 that was used."""
    mount = mounted("rclone")
    (mount.path / "a.jpg").write_bytes(PICTURE)
    mount.remount()
    for _ in range(2):
        with (mount.path / "a.jpg").open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert file.read() == PICTURE
    return (mount.path / "-" / "stats").read_text()


def missing_from(report: str, expressions: Iterable[str]) -> set[str]:
    """Give the figures that expressions are about and a report does not have."""
    named = {name for text in expressions for name in re.findall(r"\b(?:konifer_fs|process)_\w+", text)}
    assert named
    return {name for name in named if not re.search(rf"^{name}[ {{]", report, re.MULTILINE)}


def test_figures_tell_of_cache_connections_and_feed(report: str) -> None:
    assert figure(report, "konifer_fs_cache_hits_total") + figure(report, "konifer_fs_cache_misses_total") >= 1
    assert figure(report, "konifer_fs_cache_misses_total") == 1
    assert figure(report, "konifer_fs_fetched_bytes_total") == len(PICTURE) <= figure(report, "konifer_fs_cache_bytes")
    assert 0 < figure(report, "konifer_fs_connections_idle") <= figure(report, "konifer_fs_connections")
    assert figure(report, "konifer_fs_changes_told") in {0, 1}
    assert 0 <= figure(report, "konifer_fs_changes_silent_seconds") < 3
    assert figure(report, "konifer_fs_inodes") >= 1


def test_every_rule_is_about_a_figure_that_there_is(report: str) -> None:
    rules = re.findall(r"expr: (.*)", ALERTS.read_text())
    assert len(rules) == 5
    assert missing_from(report, rules) == set()
    assert set(re.findall(r"E[A-Z]{2,}", " ".join(rules))) <= set(errno.errorcode.values())


def test_every_panel_is_about_figures_that_there_are(report: str) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert missing_from(report, expressions) == set()
    drawn = {name for text in expressions for name in re.findall(r"\bkonifer_fs_\w+", text)}
    told = set(re.findall(r"^# TYPE (konifer_fs_\w+) (?!histogram)", report, re.MULTILINE))
    assert {name for name in told if not any(shown.startswith(name) for shown in drawn)} <= NOT_DRAWN
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
