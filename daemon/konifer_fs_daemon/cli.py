"""The command `konifer-fs`: reads arguments, calls the module that does it, and says in one sentence what went wrong.

Exit codes: 0 done, 1 it failed, 2 the arguments or the configuration are wrong; `fsck` has those of fsck(8).
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click

from konifer_fs.config import ConfigError
from konifer_fs.domain.errors import KoniferFsError
from konifer_fs.domain.thumbnails import SIZES
from konifer_fs_daemon.fsck import (
    FAILED,
    MISUSED,
    FsckCommand,
    drop_output,
    ending_as_fsck,
    read_grace,
    read_long_grace,
)
from konifer_fs_daemon.launch import LaunchFailed, Readiness
from konifer_fs_daemon.mountpoint import MountRefused, resolve
from konifer_fs_daemon.options import WORDS, OptionError

F = TypeVar("F", bound=Callable[..., Any])


class _Path(click.Path):
    """A path, and no unset variable. What may be anything is not looked at: a mount there may not answer."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if not os.fspath(value):
            self.fail("it is empty", param, ctx)
        return Path(value) if self.file_okay and self.dir_okay else super().convert(value, param, ctx)


MOUNTPOINT = _Path(path_type=Path)
_FILE = _Path(path_type=Path, dir_okay=False)
_DIRECTORY = _Path(path_type=Path, file_okay=False)


def _note(text: str) -> None:
    click.echo(f"konifer-fs: {text}", err=True)


@contextmanager
def explained(readiness: Readiness | None = None, *, failed: int = 1, misused: int = 2) -> Iterator[None]:
    """End with one sentence on stderr instead of a traceback for everything that is expected to go wrong.

    That nobody reads the output any more is left to the caller.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except (ConfigError, OptionError, LaunchFailed, KoniferFsError, MountRefused, OSError) as error:
        is_misuse = error.is_misuse if isinstance(error, LaunchFailed) else isinstance(error, ConfigError | OptionError)
        reason = _spell(error) if isinstance(error, OSError) else str(error)
        if readiness:
            readiness.tell_failure(reason, is_misuse=is_misuse)
        _note(reason)
        drop_output()
        sys.exit(misused if is_misuse else failed)


def _spell(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"


class _Commands(click.Group):
    """The commands, none of which ends with a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own, passed on
        """Run one as the arguments say."""
        with explained():
            return super().main(*args, **kwargs)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("konifer-fs"), prog_name="konifer-fs")
def main() -> None:
    """Mount a store of images (PostgreSQL and an object store) as a local directory."""
    os.umask(0o077)


def _lasting_options(command: F) -> F:
    command = click.option(
        "--data-dir", type=_DIRECTORY, help="Where drafts and the embedded stores lie [~/.local/share/konifer-fs]."
    )(command)
    return click.option("-c", "--config", "config_file", type=_FILE, help="A konifer.conf.")(command)


def _config_options(command: F) -> F:
    command = click.option("--in-memory", is_flag=True, help="Keep everything in memory, until unmounted.")(command)
    return _lasting_options(command)


def _complete_words(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    before, comma, begun = typed.rpartition(",")
    return [f"{before}{comma}{word}" for word in WORDS if word.startswith(begun)]


@main.command()
@_config_options
@click.option("--subpath", default="/", metavar="PATH", help="Mount only this path, such as /users/123.")
@click.option(
    "-o", "options", multiple=True, metavar="WORD,…", shell_complete=_complete_words,
    help="ro, allow_other, root_squash, uid=, gid=, umask=, …",
)  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay, and log to stderr.")
@click.option("--verbose", is_flag=True, help="Log every step.")
@click.option("--mounter", type=_FILE, metavar="SOCKET", help="Have it mounted by who listens there, as the unit has.")
@click.option("--log-file", type=_FILE, hidden=True)
@click.option("--ready-fd", type=int, hidden=True)
@click.argument("mountpoint", type=MOUNTPOINT)
def mount(foreground: bool, ready_fd: int | None, **arguments: Any) -> None:  # noqa: ANN401
    """Mount at MOUNTPOINT, and return once it answers."""
    from konifer_fs_daemon import mount as mounting

    readiness = Readiness(ready_fd)
    with explained(readiness):
        request = mounting.read_request(**arguments)
        if foreground or ready_fd is not None:
            mounting.run(request, readiness)
        else:
            mounting.start(request)


@main.command()
@click.option("--force", is_flag=True, help="Leave what cannot be stored in the spool, for the next mount.")
@click.argument("mountpoint", type=MOUNTPOINT)
def umount(mountpoint: Path, force: bool) -> None:
    """Store what is pending at MOUNTPOINT, unmount it, and return once its daemon is gone."""
    from konifer_fs_daemon.progress import Progress
    from konifer_fs_daemon.running import unmount

    with Progress("storing", lines=True) as progress:
        unmount(resolve(mountpoint), force=force, progress=progress.show, note=_note)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("mountpoint", type=MOUNTPOINT, required=False)
def status(mountpoint: Path | None, as_json: bool) -> None:
    """Tell about the mount at MOUNTPOINT, or about all of this user's."""
    from konifer_fs_daemon.reports import describe
    from konifer_fs_daemon.running import list_running, read_status

    silent: list[str] = []
    found = list_running(silent.append) if mountpoint is None else [read_status(resolve(mountpoint))]
    code = _tell_silent(silent)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif found or not silent:
        click.echo("\n\n".join(map(describe, found)) or "nothing is mounted")
    sys.exit(code)


def _tell_silent(silent: list[str]) -> int:
    """Say which daemons did not answer, so that something may be missing; gives the exit code."""
    for told in dict.fromkeys(silent):
        _note(told)
    return 1 if silent else 0


def _refuse_nan(_context: click.Context, option: click.Parameter, value: float) -> float:
    if math.isnan(value):
        raise click.BadParameter("it is no number", param=option)
    return value


@main.command()
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), callback=_refuse_nan, default=2.0, metavar="SECONDS",
    help="Between looks [2].",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Look twice, print one table, and end.")
@click.argument("mountpoint", type=MOUNTPOINT, required=False)
def top(mountpoint: Path | None, interval: float, once: bool) -> None:
    """Show what the mount at MOUNTPOINT is doing, or all of this user's, until interrupted."""
    from konifer_fs_daemon.top import watch

    watch(mountpoint and resolve(mountpoint), interval, _note, once=once or not sys.stdout.isatty())


@main.command()
@_lasting_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--retry", is_flag=True, help="Try to store what is pending now.")
@click.option("--export", "target", type=_DIRECTORY, metavar="DIR", help="Copy the bytes of all of them into DIR.")
@click.option("--drop", type=_FILE, multiple=True, metavar="FILE", help="Remove this one; the entry under it is back.")
@click.argument("mountpoint", type=MOUNTPOINT, required=False)
def drafts(
    mountpoint: Path | None,
    retry: bool,
    target: Path | None,
    drop: tuple[Path, ...],
    as_json: bool,
    **arguments: Any,  # noqa: ANN401
) -> None:
    """Tell what is not stored: at MOUNTPOINT, mounted or not, or on all of this user's mounts.

    State, age, size, path, and what went wrong last. Local files are among them.
    """
    from konifer_fs_daemon import drafts as found
    from konifer_fs_daemon.progress import Progress
    from konifer_fs_daemon.running import drain, list_running, read_status

    silent: list[str] = []
    with Progress("storing", lines=True) as progress:
        for file in drop:
            found.drop(file)
        if retry:
            for status in [read_status(resolve(mountpoint))] if mountpoint else list_running(silent.append):
                drain(Path(status["mountpoint"]), Path(status["socket"]), progress.show)
        listed = found.list_all(mountpoint, silent.append, **arguments)
    code = _tell_silent(silent)
    if target is not None:
        for copy in found.export(listed, target):
            click.echo(copy)
        sys.exit(code)
    if as_json:
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
    elif listed or not silent:
        click.echo(found.describe(listed))
    sys.exit(1 if retry and any(draft["state"] == "pending" for draft in listed) else code)


@main.command()
@_lasting_options
@click.option("--join", is_flag=True, help="Have konifer-fs beside the Konifer that made the database.")
@click.option("--triggers", is_flag=True, help="Add triggers and indexes to Konifer's tables, or print them.")
def migrate(**arguments: Any) -> None:  # noqa: ANN401
    """Bring the configured database to the schema of this version.

    A database that a Konifer made gets the schema konifer_fs beside its tables, with --join. These are not altered, but
    with --triggers: then mounts are told of changes as they are committed. What only their owner may run is printed.
    """
    from konifer_fs_daemon.mount import migrate_configured

    click.echo(migrate_configured(**arguments))


@main.command()
@_config_options
def doctor(**arguments: Any) -> None:  # noqa: ANN401
    """Check all that a mount needs, and tell how to mend what is missing."""
    from konifer_fs_daemon.doctor import examine

    well = True
    for check in examine(**arguments):
        click.echo(check.describe())
        well = well and check.well
    sys.exit(0 if well else 1)


@main.command(cls=FsckCommand)
@_config_options
@click.option("--repair", is_flag=True, help="Put right what can be without losing anything, as told above.")
@click.option("--data", is_flag=True, help="Read all objects, and compare their checksums where they were recorded.")
@click.option(
    "--grace", default="1h", metavar="TIME", callback=read_grace, help="Younger objects may be uploads under way [1h]."
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each finding, then one with the sums.")
def fsck(**arguments: Any) -> None:  # noqa: ANN401
    """Check both stores against each other, beside running mounts and a running Konifer.

    \b
    It tells of                  and with --repair
      missing object               leaves it: the row is all there is
      damaged object               leaves it: not what was stored
      wrong size                   records the object's
      orphaned object              leaves it to `konifer-fs gc`
      refused object               leaves it
      asset without original       leaves it
      low counter (of entry ids)   raises it
      dead name                    removes the name; its entry shows under a default one

    Exit code, the sum of: 0 clean, 1 corrected, 4 left as it is, 8 a store failed, 16 wrong arguments or
    configuration, 32 interrupted.
    """  # noqa: D301 - click's mark
    with ending_as_fsck(), explained(failed=FAILED, misused=MISUSED):
        from konifer_fs_daemon.checking import check_stores

        sys.exit(check_stores(**arguments))


@main.command()
@_config_options
@click.option(
    "--grace", default="1h", metavar="TIME", callback=read_long_grace, help="Leave younger objects, at least 5m [1h]."
)
@click.option("--dry-run", is_flag=True, help="Only tell.")
def gc(**arguments: Any) -> None:  # noqa: ANN401
    """Remove the objects that `konifer-fs fsck` calls orphaned.

    Run it with the one database that the buckets belong to: what another database refers to is an orphan here, and
    so is what was stored after the backup that a database was restored from.
    """
    from konifer_fs_daemon.checking import collect_garbage

    collect_garbage(**arguments)


@main.command()
@_config_options
def index(**arguments: Any) -> None:  # noqa: ANN401
    """Record the sizes of what Konifer stored, which keeps none, from a listing of the buckets.

    A mount asks the object store for each size that nobody recorded, once. Where it is cut off, it goes on the next
    time.
    """
    from konifer_fs_daemon.checking import index_sizes

    index_sizes(**arguments)


@main.command()
@click.option("--prime", "directory", type=_DIRECTORY, required=True, metavar="DIR", help="For the pictures below DIR.")
@click.option(
    "--size", "sizes", type=click.Choice(list(SIZES)), multiple=True, default=("normal", "large"),
    help="Of up to 128, 256, 512 or 1024 pixels; may be given again [normal, large].",
)  # fmt: skip
def thumbnails(directory: Path, sizes: tuple[str, ...]) -> None:
    """Fill your own cache of thumbnails from a mount, for file managers.

    Those that read shared thumbnails, such as Thunar, need none of this: they find DIR/.sh_thumbnails by themselves.
    """
    from konifer_fs_daemon.progress import Progress
    from konifer_fs_daemon.thumbnails import prime

    with Progress("thumbnails", lines=False) as progress:
        primed = prime(directory.absolute(), sizes, progress.show)
    for failure in primed.failures:
        click.echo(failure, err=True)
    click.echo(f"{primed.made} made, {primed.fresh} up to date, {len(primed.failures)} failed")
    sys.exit(1 if primed.failures else 0)


@main.command()
@click.argument("path", type=MOUNTPOINT)
def warm(path: Path) -> None:
    """Read all files at and below PATH, so that contents from S3 are on local disk when they are wanted."""
    from konifer_fs_daemon.progress import Progress
    from konifer_fs_daemon.reports import spell_size
    from konifer_fs_daemon.warming import warm

    with Progress("warming", lines=False) as progress:
        warmed = warm(resolve(path), progress.show)
    for failure in warmed.failures:
        click.echo(failure, err=True)
    click.echo(f"{warmed.files} files, {spell_size(warmed.bytes)}, {len(warmed.failures)} failed")
    sys.exit(1 if warmed.failures else 0)


@main.command()
@click.argument("path", type=MOUNTPOINT)
def evict(path: Path) -> None:
    """Free the local disk of contents from S3 at and below PATH; they are fetched again when they are read."""
    from konifer_fs_daemon.progress import Progress
    from konifer_fs_daemon.reports import spell_size
    from konifer_fs_daemon.warming import evict

    with Progress("evicting", lines=False) as progress:
        evicted = evict(resolve(path), progress.show)
    click.echo(f"{evicted['done']} entries, {spell_size(evicted['freed'])} freed")
