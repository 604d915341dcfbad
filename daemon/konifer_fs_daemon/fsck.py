"""How the commands `fsck` and `gc` read their arguments, and how `fsck` ends: as fsck(8) does.

Light, for every command imports it; what they do is in `checking`.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from konifer_fs.config.convert import duration

# The exit code is the sum of those that apply.
CLEAN: Final = 0
CORRECTED: Final = 1
UNCORRECTED: Final = 4
FAILED: Final = 8
MISUSED: Final = 16
CANCELLED: Final = 32

SHORTEST_GRACE: Final = timedelta(minutes=5)


class _Misused(click.UsageError):
    exit_code = MISUSED


class FsckCommand(click.Command):
    """A command whose exit code for wrong arguments is fsck(8)'s."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401 - click's own, passed on
        """Read the arguments."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise _Misused(error.format_message(), error.ctx) from error


def read_grace(_context: click.Context, option: click.Parameter, value: str) -> timedelta:
    """Read a duration such as `1h`."""
    try:
        grace = timedelta(seconds=duration(value))
        datetime.now(UTC) - grace
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param=option) from error
    return grace


def read_long_grace(context: click.Context, option: click.Parameter, value: str) -> timedelta:
    """Read a duration that no upload needs to be recorded, once its object was put."""
    grace = read_grace(context, option, value)
    if grace < SHORTEST_GRACE:
        raise click.BadParameter("at least 5m: what is younger may be an upload under way", param=option)
    return grace


def drop_output() -> None:
    """Have what could not be printed not be tried again when Python ends, which would be another failure."""
    if sys.stdout is not None:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())


@contextmanager
def ending_as_fsck() -> Iterator[None]:
    """Exit as fsck(8) does also where Python itself would exit with 1, which means "corrected" there."""
    try:
        yield
    except BrokenPipeError:
        drop_output()
        sys.exit(CANCELLED)
    except KeyboardInterrupt:
        sys.exit(CANCELLED)
    except Exception:  # noqa: BLE001 - it is told
        traceback.print_exc()
        sys.exit(FAILED)
