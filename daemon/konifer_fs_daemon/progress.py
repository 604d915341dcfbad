"""How a command shows how far it is: a bar on a terminal, plain lines or nothing elsewhere. On stderr."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import click

from konifer_fs_daemon.control import Message

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar


class Progress:
    """Shows messages `{"total", "done"}`; nothing when there is nothing to do. `lines` is for where no terminal is.

    A message may say in `why` what is waited for, which those lines tell.
    """

    def __init__(self, label: str, *, lines: bool) -> None:
        self._label = label
        self._lines = lines
        self._stack = ExitStack()
        self._bar: ProgressBar[int] | None = None
        self._shown = -1
        self._why = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, message: Message) -> None:
        """Show one message."""
        done, total = message["done"], message["total"]
        why = message.get("why", "")
        if not total or (done, why) == (self._shown, self._why):
            return
        if sys.stderr.isatty():
            if self._bar is None:
                bar = click.progressbar(length=total, label=self._label, file=sys.stderr)
                self._bar = self._stack.enter_context(bar)
            self._bar.update(done - max(self._shown, 0))
        elif self._lines:
            click.echo(f"{self._label}: {done} of {total}" + (f" ({why})" if why else ""), err=True)
        self._shown, self._why = done, why

    def count(self, total: int) -> "Count":
        """Give what counts up to `total`, which may be an estimate, and shows it."""
        return Count(self, total)

    def clear(self) -> None:
        """Take the bar off its line, for something else to be printed; it comes back with the next message."""
        if self._bar is not None:
            click.echo("\r\033[K", nl=False, err=True)


class Count:
    """How many of an estimated total are done, shown as it grows."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self.done = 0

    def advance(self, more: int) -> None:
        """Count `more` of them."""
        self.done += more
        self._progress.show({"done": min(self.done, self._total), "total": self._total})
