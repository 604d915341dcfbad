"""`konifer-fs mount` and `migrate`: from arguments to a request, and from a request to a running daemon.

What the daemon does once it runs is in `serve`.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from konifer_fs.config import Config, ConfigError, FilesystemStoreSettings, load
from konifer_fs.domain.errors import NameTooLong
from konifer_fs.domain.path import AssetPath, encode_name
from konifer_fs_daemon.guardian import Guardian
from konifer_fs_daemon.launch import Readiness, launch
from konifer_fs_daemon.logs import start_logging
from konifer_fs_daemon.mountpoint import make_ready, resolve
from konifer_fs_daemon.options import MountOptions, OptionError, parse_options
from konifer_fs_daemon.running import wait_for_predecessor
from konifer_fs_daemon.runtime import mount_name

_PLACES: Final = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "REQUESTS_CA_BUNDLE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRequest:
    """What is to be mounted where. `arguments` say the same to another process, whatever its working directory."""

    mountpoint: Path
    subpath: AssetPath
    options: MountOptions
    config: Config
    verbose: bool
    log_file: Path | None
    mounter: Path | None
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """What this mount's spool, log and socket are called: the same each time for a mountpoint."""
        return mount_name(self.mountpoint)


def read_request(
    *,
    config_file: Path | None,
    data_dir: Path | None,
    in_memory: bool,
    subpath: str,
    options: Sequence[str],
    verbose: bool,
    log_file: Path | None,
    mounter: Path | None = None,
    mountpoint: Path,
) -> MountRequest:
    """Read all arguments of `mount`. Raises ConfigError, OptionError."""
    words = parse_options(options)
    config_file, data_dir, mounter = _absolute(config_file), _absolute(data_dir), _absolute(mounter)
    config = load(
        config_file, os.environ,
        data_dir=data_dir, in_memory=in_memory, uid=words.uid, gid=words.gid, umask=words.umask,
    )  # fmt: skip
    place = resolve(mountpoint)
    _check_outside(place, config)
    arguments = [
        *(["--config", str(config_file)] if config_file else []),
        *(["--data-dir", str(data_dir)] if data_dir else []),
        *(["--in-memory"] if in_memory else []),
        *(["--verbose"] if verbose else []),
        *(["--mounter", str(mounter)] if mounter else []),
        *(["--subpath", subpath]),
        *(["-o", ",".join(options)] if options else []),
    ]
    return MountRequest(
        mountpoint=place, subpath=_read_subpath(subpath), options=words, config=config, verbose=verbose,
        log_file=log_file, mounter=mounter, arguments=("mount", *arguments, "--", str(place)),
    )  # fmt: skip


def start(request: MountRequest) -> None:
    """Mount in the background and return once it answers. Raises LaunchFailed, MountRefused."""
    _warn_of_memory(request)
    for doubt in request.config.paths.doubts:
        _say(str(doubt))
    wait_for_predecessor(request.mountpoint, _say)
    if request.mounter is None:
        make_ready(request.mountpoint, allow_other=request.options.allow_other)
    logs = request.config.data_dir / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    launch(request.arguments, logs / f"{request.name}.log")


def run(request: MountRequest, readiness: Readiness) -> None:
    """Mount and stay until unmounted, logging to stderr when no log file was named.

    Raises:
        MountRefused, KoniferFsError: it cannot be mounted.
    """
    from konifer_fs_daemon.serve import serve

    start_logging(request.log_file, verbose=request.verbose, log_format=request.config.filesystem.log_format)
    if request.log_file is None:
        _warn_of_memory(request)
    wait_for_predecessor(request.mountpoint, _say)
    _fix_places()
    os.chdir("/")
    serve(request, readiness, Guardian())


def migrate_configured(*, config_file: Path | None, data_dir: Path | None, join: bool, triggers: bool) -> str:
    """Migrate the configured database, and say so, and what is left to the owner of Konifer's tables.

    Raises ConfigError, SchemaMismatch, StoreUnreachable.
    """
    from konifer_fs.adapters.postgres.migrate import migrate_database
    from konifer_fs.wiring import describe_places, open_database

    config = load(config_file, os.environ, data_dir=data_dir)
    with open_database(config) as conninfo:
        done = migrate_database(conninfo, join=join, triggers=triggers)
    lines = [f"{describe_places(config)['metadata']} is at this version's schema"]
    if not done.is_attached:
        lines.append(
            "Konifer's tables are as they were: mounts ask each second for what others changed; to be told at once,"
            " and for faster queries, run `konifer-fs migrate --triggers`"
        )
    wanted = "to see changes at once and for faster queries, the owner of Konifer's tables may run"
    lines += [f"{wanted}: {sql};" for sql in done.left]
    if done.long_paths:
        lines.append(
            f"{done.long_paths} assets lie at paths of over 1,900 bytes, where nothing can be made or renamed;"
            " such paths put Konifer's own index at risk"
        )
    return "\n".join(lines)


def _warn_of_memory(request: MountRequest) -> None:
    if request.config.in_memory:
        _say("everything is kept in memory and in a temporary directory, and is gone when unmounted")


def _say(text: str) -> None:
    sys.stderr.write(f"konifer-fs: {text}\n")


def _read_subpath(text: str) -> AssetPath:
    try:
        return AssetPath.from_konifer(text)
    except ValueError as error:
        reason = f"--subpath {text}: letters, digits, `-` and `_` between slashes, as /users/123"
        with suppress(UnicodeEncodeError, NameTooLong):
            reason += f"; a directory that is shown so is stored as {'/'.join(map(encode_name, text.split('/')))}"
        raise OptionError(reason) from error


def _check_outside(mountpoint: Path, config: Config) -> None:
    """Raise ConfigError where the daemon would wait for itself: what it needs lies on its own mount."""
    own, objects = config.filesystem, config.object_store
    stored = objects.mount_path if isinstance(objects, FilesystemStoreSettings) else None
    for place in filter(None, (config.data_dir, own.spool_dir, own.cache_dir, stored)):
        spelled = Path(os.path.abspath(place))  # noqa: PTH100 (Path.absolute keeps `..`)
        if spelled.is_relative_to(mountpoint) or Path(os.path.realpath(spelled)).is_relative_to(mountpoint):
            raise ConfigError(f"{place} is to hold what the mount needs, and so cannot be at or below {mountpoint}")


def _fix_places() -> None:
    """Have files that variables name for the SDK, as AWS_CA_BUNDLE, found from any working directory."""
    for name in _PLACES:
        if place := os.environ.get(name):
            os.environ[name] = str(_absolute(Path(place)))


def _absolute(path: Path | None) -> Path | None:
    return path and Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 (Path keeps `..`, and fails without a home)
