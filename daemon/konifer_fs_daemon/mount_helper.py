"""`mount.konifer-fs`: what mount(8) runs for `mount -t konifer-fs SOURCE MOUNTPOINT -o …`, and for lines of fstab.

SOURCE is a konifer.conf, or the data directory of a mount without one. Exit codes are those of mount(8): 0 mounted,
1 the arguments or the configuration are wrong, 32 it failed.
"""

import sys
from pathlib import Path
from typing import Final

import click

from konifer_fs_daemon.cli import MOUNTPOINT, explained
from konifer_fs_daemon.options import split_words

_MISUSED: Final = 1
_FAILED: Final = 32


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-o", "options", multiple=True, metavar="WORD,…", help="As konifer-fs mount has, and subpath=, data-dir=."
)
@click.option("-f", "fake", is_flag=True, help="Read the arguments and the configuration, but do not mount.")
@click.option("-v", "verbose", is_flag=True, help="Log every step.")
@click.option("-s", "-n", "ignored", is_flag=True, expose_value=False, help="Nothing: mount(8) may say so.")
@click.option("-t", "kind", expose_value=False, hidden=True)
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("mountpoint", type=MOUNTPOINT)
def _command(source: Path, mountpoint: Path, options: tuple[str, ...], fake: bool, verbose: bool) -> None:
    """Mount what SOURCE configures at MOUNTPOINT: a konifer.conf, or a data directory."""
    from konifer_fs_daemon import mount

    places, words = _take_places(options)
    data_dir = places.get("data-dir", str(source) if source.is_dir() else None)
    with explained(failed=_FAILED, misused=_MISUSED):
        request = mount.read_request(
            config_file=None if source.is_dir() else source,
            data_dir=None if data_dir is None else Path(data_dir),
            in_memory=False,
            subpath=places.get("subpath", "/"),
            options=[f"fsname={source}", *words],
            verbose=verbose,
            log_file=None,
            mountpoint=mountpoint,
        )
        if not fake:
            mount.start(request)


def _take_places(options: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Part what `konifer-fs mount` has arguments for from the words behind its `-o`."""
    places: dict[str, str] = {}
    words = []
    for word in split_words(options):
        key, _, value = word.partition("=")
        if key in {"subpath", "data-dir"}:
            places[key] = value
        else:
            words.append(word)
    return places, words


def main() -> None:
    """Run as mount(8) does."""
    try:
        _command(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(_MISUSED)
    except click.Abort:
        sys.exit(_FAILED)


if __name__ == "__main__":
    main()
