"""Copying both stores while they are written to, as docs/OPERATING.md says, and starting again from the copies."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from konifer_fs.adapters.postgres.programs import Account, find_programs
from tests.mount.aftermath import hold_clean
from tests.mount.mounting import SECONDS, MountFactory, make_factory
from tests.mount.saving import jpeg
from tests.mount.trees import list_pictures, make_tree, tell_tree

PROGRAMS: Final = find_programs(Account(uid=os.getuid(), gid=os.getgid()))


def copy_objects(source: Path, target: Path) -> None:
    """Copy what is not there yet; what goes meanwhile may be missing."""
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["cp", "--archive", "--no-clobber", f"{source}/.", target], timeout=SECONDS, check=False, capture_output=True
    )


def run(program: str, *arguments: str | Path) -> None:
    subprocess.run([PROGRAMS / program, *arguments], check=True, capture_output=True, timeout=SECONDS)


def test_what_was_there_at_the_moment_of_the_dump_is_there_again(
    mounted: MountFactory, fuse: Path, tmp_path: Path
) -> None:
    mount = mounted()
    (tmp_path / "tree").mkdir()
    make_tree(tmp_path / "tree", 40, list_pictures(None))
    subprocess.run(["cp", "-a", tmp_path / "tree", mount.path / "kept"], check=True, timeout=SECONDS)
    (mount.path / "busy").mkdir()
    kept, stop = tell_tree(mount.path / "kept"), threading.Event()
    saved: list[str] = []

    def save() -> None:
        while not stop.is_set():
            name = f"{len(saved)}.jpg"
            (mount.path / "busy" / name).write_bytes(jpeg(len(saved) % 50))
            saved.append(name)

    where = conninfo_to_dict(mount.conninfo)
    server = [f"--host={where['host']}", f"--username={where['user']}"]
    writer = threading.Thread(target=save)
    writer.start()
    try:
        copy_objects(mount.objects, tmp_path / "copy" / "objects" / "assets")
        before = len(saved)
        run("pg_dump", *server, "--format=custom", f"--file={tmp_path / 'dump'}", str(where["dbname"]))
        after = len(saved)
        copy_objects(mount.objects, tmp_path / "copy" / "objects" / "assets")
    finally:
        stop.set()
        writer.join(SECONDS)
    mount.umount()
    again = f"{where['dbname']}_again"
    with psycopg.connect(mount.conninfo, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {again} TEMPLATE template0".encode())
        try:
            run("pg_restore", *server, f"--dbname={again}", tmp_path / "dump")
            conninfo = make_conninfo(mount.conninfo, dbname=again)
            with make_factory(conninfo, tmp_path / "copy", fuse, {}) as factory:
                restored = factory()
                assert tell_tree(restored.path / "kept") == kept
                names = {path.name for path in (restored.path / "busy").iterdir()}
                assert set(saved[:before]) <= names <= set(saved[: after + 1])
                for number, name in enumerate(saved):
                    assert name not in names or (restored.path / "busy" / name).read_bytes() == jpeg(number % 50)
                (restored.path / "busy" / "new.jpg").write_bytes(jpeg(7))
                hold_clean(restored.config_file, restored.data_dir)
        finally:
            session.execute(f"DROP DATABASE {again} WITH (FORCE)".encode())
