"""A mount and a Konifer at work on the same directories at once: nothing is lost, and nothing is left."""

import errno
import logging
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.faults.konifer import Konifer
from tests.faults.writers import Writer, writing
from tests.mount.dialect import hold_rows
from tests.mount.elsewhere import database as opened_database
from tests.mount.elsewhere import wait_until
from tests.mount.mounting import Mount, MountFactory
from tests.postgres import ledger
from tests.postgres.konifers import VERSIONS, make_joined

log = logging.getLogger(__name__)

STEPS: Final = 400
# What a program is told of a file that Konifer deletes or replaces meanwhile.
MEANWHILE: Final = {errno.ENOENT, errno.ESTALE, errno.ENOTEMPTY, errno.EEXIST}


@pytest.fixture(params=VERSIONS)
def dialect(request: pytest.FixtureRequest, database: str) -> str:
    """A joined Konifer's database of each dialect; to be asked for before `mounted`."""
    make_joined(database, VERSIONS[request.param], triggers=True)
    return str(request.param)


def disturb(directory: Path, chance: random.Random, steps: int) -> int:
    """Read, rename, annotate, render and remove what is there, whoever stored it; gives how much was refused."""
    refused = 0
    for _ in range(steps):
        try:
            there = sorted(path for path in directory.iterdir() if path.name[0].isdigit())
            if not there:
                continue
            file = chance.choice(there)
            match chance.randrange(5):
                case 0:
                    assert file.read_bytes()[:2] == b"\xff\xd8"
                case 1:
                    os.setxattr(file, "user.by", b"mount")
                case 2:
                    file.with_name(f"{file.name}@").joinpath(f"w={chance.randrange(1, 8)}.jpg").read_bytes()
                case 3:
                    file.rename(directory / f"mine {chance.randrange(4)}.jpeg")
                case _:
                    file.unlink()
        except OSError as error:
            if error.errno not in MEANWHILE:
                raise
            refused += 1
    return refused


def hold_all(mount: Mount, dialect: str) -> None:
    """Hold that rows agree, that Konifer decodes them, and that they have the objects, which are all there is."""
    with opened_database(mount) as connection:
        ledger.check(connection)
        wait_until(lambda: not ledger.told(connection), seconds=60)
        stored = ledger.stored(connection)
    assert stored == {path.name for path in mount.objects.iterdir() if not path.name.startswith(".")}
    hold_rows(mount, dialect)


def test_a_mount_and_a_konifer_lose_and_leak_nothing(
    dialect: str, database: str, mounted: MountFactory, tmp_path: Path
) -> None:
    seed = int(os.environ.get("KONIFER_FS_SEED") or random.randrange(1 << 32))
    log.warning("KONIFER_FS_SEED=%d", seed)
    mount = mounted(config=f"filesystem.dialect = {dialect.lower()}")
    mount.objects.mkdir(parents=True, exist_ok=True)
    places = [mount.path / name for name in ("k0", "k1")]
    with (tmp_path / "manifest").open("w") as manifest, ThreadPoolExecutor(4) as threads:
        konifers = [Konifer(database, mount.objects, dialect, random.Random(f"{seed}/{number}")) for number in range(2)]
        writers = [Writer(f"w{number}", random.Random(f"{seed}/w{number}"), manifest) for number in range(2)]
        for place in (*places, *(mount.path / writer.name for writer in writers)):
            place.mkdir()
        with writing(writers, mount.path):
            work = [threads.submit(one.work, ["root.k0", "root.k1"], STEPS) for one in konifers]
            chances = [random.Random(f"{seed}/{place.name}") for place in places]
            disturbing = [threads.submit(disturb, *one, STEPS) for one in zip(places, chances, strict=True)]
            for done in work:
                done.result(300)
            refused = [done.result(300) for done in disturbing]
    assert all(number < STEPS // 2 for number in refused), "most of what the mount was asked for must have worked"
    assert not any(writer.failure for writer in writers)
    for writer in writers:
        writer.hold(mount.path)
    assert all(konifer.stored for konifer in konifers)
    with psycopg.connect(database, autocommit=True) as connection:
        konifers[0].sweep(connection)
    hold_all(mount, dialect)
    mount.remount()
    hold_all(mount, dialect)
