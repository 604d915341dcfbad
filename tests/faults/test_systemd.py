"""The units under a real systemd."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from konifer_fs_daemon.kernel import READ_AHEAD_KIB
from tests.faults.machine import Machine, booted, installing
from tests.mount.elsewhere import PICTURE, wait_until

UNIT = "konifer-fs@srv-pictures.service"
PLACE = Path("/srv/pictures")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root boots a machine")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    impatient = r"printf '[Service]\nWatchdogSec=4s\n' >/etc/systemd/system/konifer-fs@.service.d/impatient.conf"
    prepare = [*installing(), impatient, f"mkdir {PLACE} /srv/more"]
    with booted(tmp_path_factory.mktemp("machine"), prepare) as machine:
        (machine.root / "srv/tree.jpeg").write_bytes(PICTURE)
        yield machine


def send(machine: Machine, signal: str) -> None:
    """Send the mount's daemon a signal, and wait until another one is up."""
    before = machine.show(UNIT, "MainPID")
    assert before != "0"
    machine.run("kill", f"-{signal}", before)
    until = time.monotonic() + 60
    while machine.show(UNIT, "MainPID") in {before, "0"} or machine.show(UNIT, "ActiveState") != "active":
        assert time.monotonic() < until, machine.journal()
        time.sleep(0.2)


def test_the_unit_mounts_for_everybody_and_keeps_what_was_saved(machine: Machine) -> None:
    machine.run("systemctl", "start", UNIT)
    assert machine.run("findmnt", "-n", "-o", "FSTYPE", PLACE).strip() == "fuse.konifer-fs"
    machine.run("cp", "/srv/tree.jpeg", PLACE / "tree.jpeg")
    machine.run("setpriv", "--reuid=65534", "--clear-groups", "cmp", "/srv/tree.jpeg", PLACE / "tree.jpeg")
    assert machine.run("head", "-c", "4", PLACE / "tree.jpeg@/w=8.webp") == "RIFF"
    assert str(PLACE) in machine.run("/opt/konifer-fs/bin/konifer-fs", "status")
    major, minor = machine.run("stat", "-c", "%Hd:%Ld", PLACE).strip().split(":")
    read_ahead = machine.root / f"sys/class/bdi/{major}:{minor}/read_ahead_kb"
    wait_until(lambda: int(read_ahead.read_text()) == READ_AHEAD_KIB)
    machine.run("systemctl", "restart", UNIT)
    machine.run("cmp", "/srv/tree.jpeg", PLACE / "tree.jpeg")
    machine.run("systemctl", "stop", UNIT)
    assert not machine.run("ls", PLACE)
    assert machine.show(UNIT, "Result") == "success"


def test_a_killed_daemon_is_back_with_what_was_saved(machine: Machine) -> None:
    machine.run("systemctl", "start", UNIT)
    machine.run("cp", "/srv/tree.jpeg", PLACE / "killed.jpeg")
    send(machine, "KILL")
    machine.run("cmp", "/srv/tree.jpeg", PLACE / "killed.jpeg")


def test_a_daemon_that_stands_still_is_started_anew(machine: Machine) -> None:
    machine.run("systemctl", "start", UNIT)
    send(machine, "STOP")
    assert "Watchdog timeout" in machine.journal()
    machine.run("ls", PLACE)


def test_of_two_mounts_of_a_store_one_may_be_stopped(machine: Machine) -> None:
    machine.run("systemctl", "start", UNIT, "konifer-fs@srv-more.service")
    machine.run("systemctl", "stop", UNIT)
    machine.run("cp", "/srv/tree.jpeg", "/srv/more/later.jpeg")
    machine.run("systemctl", "start", UNIT)
    machine.run("systemctl", "stop", "konifer-fs@srv-more.service")
    machine.run("cmp", "/srv/tree.jpeg", PLACE / "later.jpeg")


@pytest.mark.parametrize(("unit", "tenths"), [(UNIT, 20), ("konifer-fs-mount@srv-pictures.service", 40)])
def test_little_is_left_to_who_takes_a_daemon_over(machine: Machine, unit: str, tenths: int) -> None:
    machine.run("systemd-analyze", "security", f"--threshold={tenths}", "--no-pager", unit)
    assert not machine.run("systemd-analyze", "verify", "--man=no", unit)
