"""Several programs that write, read, rename and remove the same names as fast as they can, and one that does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.aftermath import hold_clean
from tests.mount.mounting import MountFactory
from tests.mount.saving import eventually, jpeg

ROUNDS = 150
SECONDS = 240

# What is gone when it is opened is no failure, nor what is replaced again and again meanwhile.
ACTORS = {
    "overwrites in place": """
        with open(path, "r+b", buffering=0) as file:
            file.write(content)
        """,
    "replaces": """
        with open(directory / "new.jpg", "wb", buffering=0) as file:
            file.write(content)
        os.rename(directory / "new.jpg", path)
        """,
    "truncates": """
        with open(path, "wb", buffering=0) as file:
            file.write(content)
        """,
    "removes": """
        path.unlink(missing_ok=True)
        """,
    "reads": """
        with open(path, "rb", buffering=0) as file:
            file.read(100)
        """,
}
PROGRAM = """
import errno, os, sys
from pathlib import Path

directory, content = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
for number in range(int(sys.argv[3])):
    path = directory / f"{{number % 4}}.jpg"
    try:
        {work}
    except OSError as error:
        if error.errno not in {{errno.ENOENT, errno.ESTALE}}:
            raise
"""
TOGETHER = [
    ("overwrites in place", "reads", "reads", "reads"),
    ("replaces", "reads", "reads"),
    ("truncates", "removes"),
    ("replaces", "truncates", "reads"),
]


def begin(actor: str, *arguments: str | Path | int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", PROGRAM.format(work=ACTORS[actor].strip()), *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


@pytest.mark.semantics("Programs that write, read, rename and remove the same names at once")
@pytest.mark.parametrize("actors", TOGETHER, ids=" and ".join)
def test_those_who_race_for_names_harm_nobody(mounted: MountFactory, tmp_path: Path, actors: tuple[str, ...]) -> None:
    mount = mounted()
    contested, own = mount.path / "contested", mount.path / "own"
    for directory in (contested, own):
        directory.mkdir()
    for number in range(4):
        (contested / f"{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "picture.jpg").write_bytes(jpeg(9, padding=500))
    racing = [begin(actor, contested, tmp_path / "picture.jpg", ROUNDS) for actor in actors]
    try:
        written = {f"{number}.jpg": jpeg(number % 7, padding=number) for number in range(ROUNDS)}
        for name, content in written.items():
            (own / name).write_bytes(content)
            assert (own / name).read_bytes() == content
        ended = [process.communicate(timeout=SECONDS)[1].decode() for process in racing]
    finally:
        for process in racing:
            process.kill()
    assert [text for text in ended if text] == []
    assert {path.name: path.read_bytes() for path in own.iterdir()} == written
    eventually(lambda: mount.status()["drafts"], {})
    assert mount.status()["spool"]["bytes"] == 0
    mount.umount()
    hold_clean(mount.config_file, mount.data_dir)
