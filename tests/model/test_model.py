"""A mount beside a local directory, and a file system without FUSE beside a model, under the same random operations."""

from contextlib import ExitStack
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from konifer_fs.adapters.postgres.migrate import migrate_database
from konifer_fs.config import load
from konifer_fs.domain.path import AssetPath
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.wiring import wire
from tests.model.machine import TwoDirectories
from tests.model.tree import FileSystemAndModel
from tests.mount.aftermath import hold_clean
from tests.mount.mounting import Mount, MountFactory, spell_database

UNHURRIED = settings(
    deadline=None, suppress_health_check=list(HealthCheck), database=None, print_blob=True, report_multiple_bugs=False
)


@pytest.fixture
def mount(mounted: MountFactory) -> Mount:
    """A mount that gives nothing up when it is unmounted."""
    return mounted(config="filesystem.drain = 60s")


def run_machines(mount: Mount, tmp_path: Path, how: settings) -> None:
    class Machine(TwoDirectories):
        def __init__(self) -> None:
            name = f"t{uuid4().hex}"
            for place in (mount.path, tmp_path):
                (place / name).mkdir()
            super().__init__(mount.path / name, tmp_path / name, mount.remount)

    run_state_machine_as_test(Machine, settings=how)


@pytest.mark.slow
def test_a_mount_does_what_a_local_directory_does(mount: Mount, tmp_path: Path) -> None:
    run_machines(mount, tmp_path, settings(UNHURRIED, max_examples=25, stateful_step_count=40, derandomize=True))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_mount_does_what_a_local_directory_does_for_long(mount: Mount, tmp_path: Path) -> None:
    run_machines(mount, tmp_path, settings(UNHURRIED, max_examples=1000, stateful_step_count=80))


def run_file_systems(database: str, directory: Path, how: settings) -> None:
    migrate_database(database)
    config_file, objects = directory / "konifer.conf", directory / "objects"
    objects.mkdir()
    stores = [
        spell_database(database),
        f'object-store {{ provider = filesystem, filesystem.mount-path = "{objects}" }}',
    ]
    config_file.write_text("\n".join(stores))
    config = load(config_file, {}, data_dir=directory / "data")
    numbers = count()

    class Machine(FileSystemAndModel):
        def __init__(self) -> None:
            self._wired = ExitStack()
            self._subpath = AssetPath.from_konifer(f"/t{next(numbers)}")
            super().__init__(self._begin)

        def _begin(self) -> FileSystem:
            self._wired.close()
            wired = self._wired.enter_context(wire(config, name="model", subpath=self._subpath, read_only=False))
            return wired.filesystem

        def teardown(self) -> None:
            self._wired.close()

    run_state_machine_as_test(Machine, settings=how)
    hold_clean(config_file, directory / "data", "--grace", "0s")


@pytest.mark.slow
def test_a_file_system_does_what_the_model_says(database: str, tmp_path: Path) -> None:
    run_file_systems(database, tmp_path, settings(UNHURRIED, max_examples=25, stateful_step_count=40, derandomize=True))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_file_system_does_what_the_model_says_for_long(database: str, tmp_path: Path) -> None:
    run_file_systems(database, tmp_path, settings(UNHURRIED, max_examples=1000, stateful_step_count=80))
