"""`konifer-fs fsck` and `gc` beside a mount that stores, overwrites, renames and removes, and after it."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.mounting import Mount, MountFactory, konifer_fs
from tests.pictures import make_picture

PICTURES = [make_picture(ImageFormat.PNG, seed=seed) for seed in range(8)]
NAMES = [f"{directory}/{name}.png" for directory in ("a", "b") for name in range(8)]


def change_something(root: Path, chance: random.Random) -> None:
    """Store, overwrite, rename or remove a picture, or have a variant of it made."""
    one, other = root / chance.choice(NAMES), root / chance.choice(NAMES)
    match chance.randrange(6):
        case 0:
            one.rename(other)
        case 1:
            one.unlink()
        case 2:
            (one.parent / f"{one.name}@" / f"w={chance.randrange(1, 30)}.webp").read_bytes()
        case _:
            one.write_bytes(chance.choice(PICTURES))


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Change the tree below `root` for as long as the block takes, and 200 times at least."""
    for directory in ("a", "b"):
        (root / directory).mkdir()
    enough = threading.Event()

    def work() -> None:
        chance, count = random.Random(7), 0
        while count < 200 or not enough.is_set():
            with suppress(FileNotFoundError):
                change_something(root, chance)
            count += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        enough.set()
        worker.join()


def run(mount: Mount, *arguments: str) -> str:
    """Run a command that must find nothing; gives what it said."""
    command, *options = arguments
    done = konifer_fs(command, "-c", mount.config_file, *options, environ=mount.environ)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("object_store", ["filesystem", "moto"])
def test_a_store_is_clean_beside_a_mount_that_writes_and_after_it(mounted: MountFactory, object_store: str) -> None:
    mount = mounted(object_store)
    with changing(mount.path):
        for options in ([], ["--data"], ["--data", "--repair"]):
            assert run(mount, "fsck", *options).endswith(": clean\n")
        assert run(mount, "gc").startswith("0 orphaned objects")
    assert not [state for state in mount.status()["drafts"] if state != "stored"]
    mount.umount()
    # Nobody uploads now, so an object without a row would be an orphan at any age.
    said = run(mount, "fsck", "--data", "--grace", "0s")
    assert said.endswith(": clean\n")
    assert not said.startswith("0 rows")
