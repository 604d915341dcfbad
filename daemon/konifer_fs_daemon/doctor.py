"""`konifer-fs doctor`: looks at all that a mount needs, and says of each what is well or how to mend it.

It changes nothing: a store that the first mount would make is tried in a temporary place.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from konifer_fs.adapters.pillow.confining import SECCOMP
from konifer_fs.adapters.pillow.engine import CONFINING_COMMAND
from konifer_fs.adapters.postgres.dialects import find_dialect
from konifer_fs.adapters.postgres.examining import examine as examine_server
from konifer_fs.adapters.postgres.migrate import check_database, rehearse_migration
from konifer_fs.adapters.postgres.privileges import list_missing_privileges
from konifer_fs.config import Config, load
from konifer_fs.domain.errors import KoniferFsError, StoreRefused
from konifer_fs.wiring import describe_places, is_fresh, open_database, open_engine, open_objects, spool_directory
from konifer_fs_daemon.mountpoint import is_allow_other_for_everyone, list_mounts

_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "afs", "virtiofs"})
_LITTLE_SPACE: Final = 1 << 30
_CLOCK_SECONDS: Final = 2.0
_PROCESS_SECONDS: Final = 60.0
# A picture of one pixel.
_GIF: Final = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, whether it is well, and either what was found or how to mend it."""

    name: str
    well: bool
    finding: str

    def describe(self) -> str:
        """Give a line for people."""
        return f"{'✓' if self.well else '✗'} {self.name}: {self.finding}"


def examine(*, config_file: Path | None, data_dir: Path | None, in_memory: bool) -> Iterator[Check]:
    """Look at everything, one after the other. Raises ConfigError when the configuration cannot be read."""
    config = load(config_file, os.environ, data_dir=data_dir, in_memory=in_memory)
    yield Check(name="configuration", well=True, finding=str(config_file or "none, the embedded default"))
    for doubt in config.paths.doubts:
        yield Check(name="configuration", well=False, finding=str(doubt))
    yield _check_device()
    yield _check_fusermount()
    yield _check_allow_other()
    yield _check_data_directory(config.data_dir)
    yield from _check_database(config)
    yield from _check_buckets(config)
    yield _check_spool(spool_directory(config, config.data_dir))
    yield _check_engine(config)
    yield _check_confinement()


def _check_device() -> Check:
    device = Path("/dev/fuse")
    if not device.exists():
        mend = "missing: modprobe fuse (in a container: --device /dev/fuse --cap-add SYS_ADMIN)"
        return Check(name="/dev/fuse", well=False, finding=mend)
    usable = os.access(device, os.R_OK | os.W_OK)
    return Check(
        name="/dev/fuse", well=usable, finding="accessible" if usable else "not accessible: chmod 666 /dev/fuse"
    )


def _check_fusermount() -> Check:
    found = shutil.which("fusermount3")
    if found is None:
        return Check(name="fusermount3", well=False, finding="missing: install the package fuse3")
    mode = Path(found).stat()
    if os.getuid() and not (mode.st_uid == 0 and mode.st_mode & stat.S_ISUID):
        return Check(name="fusermount3", well=False, finding=f"not setuid root: chown root {found}; chmod u+s {found}")
    return Check(name="fusermount3", well=True, finding=found)


def _check_allow_other() -> Check:
    try:
        everyone = is_allow_other_for_everyone()
    except OSError:
        everyone = False
    finding = "for everyone" if everyone else "for root only; for others put user_allow_other into /etc/fuse.conf"
    return Check(name="-o allow_other", well=True, finding=finding)


def _check_database(config: Config) -> Iterator[Check]:
    place = describe_places(config)["metadata"]
    fresh = is_fresh(config)
    try:
        with open_database(replace(config, in_memory=True) if fresh else config) as conninfo:
            yield Check(name="database", well=True, finding=f"the first mount makes {place}" if fresh else place)
            yield from _check_server(conninfo)
            if not (fresh or config.in_memory):
                yield from _check_tables(conninfo, config)
    except KoniferFsError as error:
        yield Check(name="database", well=False, finding=str(error))


def _check_server(conninfo: str) -> Iterator[Check]:
    facts = examine_server(conninfo)
    modern = facts.version >= 160000
    number = f"PostgreSQL {facts.version // 10000}.{facts.version % 10000}"
    yield Check(name="version", well=modern, finding=number if modern else f"{number}: 16 or newer is needed")
    found = "available" if facts.has_ltree else "missing: install PostgreSQL's contrib modules on the server"
    yield Check(name="ltree", well=facts.has_ltree, finding=found)
    apart = f"{abs(facts.clock_ahead):.3f} s from the database's"
    near = abs(facts.clock_ahead) < _CLOCK_SECONDS
    yield Check(name="clock", well=near, finding=apart if near else f"{apart}: set both by NTP")


def _check_tables(conninfo: str, config: Config) -> Iterator[Check]:
    schema = _check_schema(conninfo)
    if schema.well:
        yield schema
        yield _check_privileges(conninfo)
        yield _check_dialect(conninfo, config)
    else:
        yield _check_migration(conninfo) if config.data_store is None else schema


def _check_schema(conninfo: str) -> Check:
    def judge() -> str:
        check_database(conninfo)
        return "as this version needs it"

    return _judged("schema", judge)


def _check_privileges(conninfo: str) -> Check:
    def judge() -> str:
        if missing := list_missing_privileges(conninfo):
            raise StoreRefused(f"only -o ro: the role lacks {', '.join(missing)} (docs/OPERATING.md, Roles)")
        return "the role may read and write"

    return _judged("privileges", judge)


def _check_migration(conninfo: str) -> Check:
    def judge() -> str:
        rehearse_migration(conninfo)
        return "the next mount that is not read-only brings it to this version's"

    return _judged("schema", judge)


def _check_dialect(conninfo: str, config: Config) -> Check:
    def judge() -> str:
        dialect = find_dialect(conninfo, config.filesystem.dialect, read_only=False)
        return f"Konifer's rows are written in dialect {dialect.value}"

    return _judged("dialect", judge)


def _judged(name: str, judge: Callable[[], str]) -> Check:
    try:
        return Check(name=name, well=True, finding=judge())
    except KoniferFsError as error:
        return Check(name=name, well=False, finding=str(error))


def _check_buckets(config: Config) -> Iterator[Check]:
    place = describe_places(config)["objects"]
    if config.object_store is None and not (config.data_dir / "objects").exists():
        yield Check(name="objects", well=True, finding=f"the first mount makes {place}")
        return
    with closing(open_objects(config, config.data_dir)) as objects:
        for bucket in sorted(config.paths.buckets):
            try:
                objects.check(bucket)
            except KoniferFsError as error:
                yield Check(name=f"bucket {bucket}", well=False, finding=str(error))
            else:
                yield Check(name=f"bucket {bucket}", well=True, finding=f"can be written to, {place}")


def _check_data_directory(directory: Path) -> Check:
    obstacle = _find_obstacle(_find_existing(directory))
    return Check(name="data directory", well=not obstacle, finding=obstacle or str(directory))


def _find_existing(directory: Path) -> Path:
    return next(place for place in (directory, *directory.parents) if os.path.exists(place))  # noqa: PTH110 (never fails)


def _find_obstacle(existing: Path) -> str:
    if not existing.is_dir():
        return f"{existing} is not a directory"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} is not writable by this user"


def _check_spool(directory: Path) -> Check:
    existing = _find_existing(directory)
    kind = _find_type(existing)
    free = shutil.disk_usage(existing).free
    finding = f"{directory} on {kind}, {free / 2**30:.1f} GiB free"
    if kind in _NETWORK or kind.startswith("fuse."):
        return Check(name="spool", well=False, finding=f"{finding}: set filesystem.spool-dir to a local disk")
    if free < _LITTLE_SPACE:
        return Check(name="spool", well=False, finding=f"{finding}: make room, or set filesystem.spool-dir elsewhere")
    if obstacle := _find_obstacle(existing):
        return Check(name="spool", well=False, finding=obstacle)
    return Check(name="spool", well=True, finding=finding)


def _find_type(place: Path) -> str:
    mounts = list_mounts()
    real = place.resolve()
    return next((mounts[above] for above in (real, *real.parents) if above in mounts), "unknown")


def _check_engine(config: Config) -> Check:
    with TemporaryDirectory(prefix="konifer-fs-") as directory, closing(open_engine(config)) as engine:
        picture = Path(directory, "pixel.gif")
        picture.write_bytes(_GIF)
        try:
            engine.probe(picture)
        except KoniferFsError as error:
            return Check(name="image worker", well=False, finding=f"it cannot read a picture: {error}")
    return Check(name="image worker", well=True, finding="reads pictures")


def _check_confinement() -> Check:
    """Have a process confine itself as workers do, for nobody can undo that."""
    done = subprocess.run(CONFINING_COMMAND, capture_output=True, text=True, check=False, timeout=_PROCESS_SECONDS)
    layers = done.stdout.split()
    if SECCOMP not in layers:
        mend = "workers may make any system call: install libseccomp2 (in a container: let it use seccomp)"
        return Check(name="sandbox", well=False, finding=mend)
    return Check(name="sandbox", well=True, finding=f"workers are confined by {' and '.join(layers)}")
