"""The figures of a mount, read from its file and over HTTP."""

import errno
import re
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.mount.elsewhere import PICTURE
from tests.mount.mounting import CommandFailed, MountFactory
from tests.mount.saving import failing

HTTP = pytest.mark.semantics("With filesystem.metrics-address")
ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"


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
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        report = answer.read().decode()
    assert figure(report, 'konifer_fs_operations_total{errno="OK",operation="create"}') == 1
    assert figure(report, 'konifer_fs_operation_seconds_count{operation="create"}') == 1
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


def test_every_rule_is_about_a_figure_that_there_is(mounted: MountFactory) -> None:
    mount = mounted()
    (mount.path / "a.jpg").write_bytes(PICTURE)
    report = (mount.path / "-" / "stats").read_text()
    rules = re.findall(r"expr: (.*)", ALERTS.read_text())
    named = {name for rule in rules for name in re.findall(r"konifer_fs_\w+", rule)}
    assert len(rules) == 5
    assert named == {name for name in named if re.search(rf"^{name}[ {{]", report, re.MULTILINE)}
    assert set(re.findall(r"E[A-Z]{2,}", " ".join(rules))) <= set(errno.errorcode.values())
