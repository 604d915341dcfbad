"""`konifer-fs top`, beside a mount that is used."""

import re
import threading
from pathlib import Path

from konifer_fs_daemon.top import Rate, compare
from tests.mount.elsewhere import PICTURE
from tests.mount.mounting import Mount, konifer_fs


def top(mount: Mount, *arguments: str | Path) -> str:
    done = konifer_fs("top", "--once", "--interval", "1", *arguments, environ={**mount.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done
    return done.stdout


def test_a_mount_that_is_used_shows_what_is_done_there(shared_mount: Mount, place: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            (place / f"{number}.jpg").write_bytes(PICTURE)
            number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        shown = top(shared_mount, shared_mount.path)
    finally:
        stop.set()
        worker.join(30)
    (rate,) = re.findall(r"^\W*create\W+([\d,.]+)\W+0\.0\W+[\d.]+\W*$", shown, re.MULTILINE)
    assert float(rate.replace(",", "")) > 1
    assert str(shared_mount.path) in shown
    assert "not stored" in shown


def test_all_mounts_are_shown_and_none_is_told(shared_mount: Mount, second_mount: Mount, tmp_path: Path) -> None:
    shown = top(shared_mount)
    assert all(str(mount.path) in shown for mount in (shared_mount, second_mount))
    without = {**shared_mount.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = konifer_fs("top", "--once", "--interval", "0.1", environ=without)
    listed = konifer_fs("status", environ=without)  # Of mounts that somebody else has on this machine.
    assert (done.returncode, listed.returncode) == (0, 0)
    assert (done.stdout.strip() == "nothing is mounted") is (listed.stdout.strip() == "nothing is mounted")
    assert not any(str(mount.path) in done.stdout for mount in (shared_mount, second_mount))
    done = konifer_fs("top", "--once", tmp_path, environ=shared_mount.environ)
    assert (done.returncode, done.stderr.count("no konifer-fs is mounted")) == (1, 1)


def operations(**found: tuple[int, int, float]) -> dict[str, object]:
    fields = ("count", "failed", "seconds")
    return {"pid": 1, "operations": {name: dict(zip(fields, figures, strict=True)) for name, figures in found.items()}}


def test_rates_are_of_the_time_between_two_looks() -> None:
    before = operations(lookup=(10, 1, 1.0), read=(5, 0, 1.0))
    now = operations(lookup=(30, 3, 1.5), read=(5, 0, 1.0), flush=(40, 0, 4.0))
    assert compare(before, now, 2.0) == [Rate("flush", 20, 0, 100), Rate("lookup", 10, 1, 25)]
    assert compare({**before, "pid": 2}, now, 2.0)[1] == Rate("lookup", 15, 1.5, 50)
    assert compare(None, operations(), 2.0) == []
