"""Writes the man pages as Markdown for go-md2man, from the commands and docs/CONFIGURATION.md. Run by scripts/man."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from konifer_fs_daemon.cli import main

_CONFIGURATION = Path(__file__).parents[1] / "CONFIGURATION.md"
_CELL = re.compile(r"(?<!\\)\|")


def write_commands() -> Iterator[str]:
    """Give konifer-fs(1): each command with its arguments, its help and its options."""
    yield _head("konifer-fs", 1)
    yield f"# NAME\n\nkonifer-fs - {_sentence(main.help)}\n"
    yield "# SYNOPSIS\n\n**konifer-fs** *COMMAND* [*OPTIONS*] [*ARGUMENTS*]\n"
    yield "# COMMANDS\n"
    for name, command in sorted(main.commands.items()):
        context = click.Context(command, info_name=name, parent=click.Context(main, **main.context_settings))
        yield f"## konifer-fs {name} {_escape(' '.join(command.collect_usage_pieces(context)))}\n"
        yield _paragraphs(command.help or "")
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None:
                yield f"**{_escape(record[0])}**\n: {_escape(record[1] or ' ')}\n"
    yield (
        "# EXIT STATUS\n\n0 when it was done; 1 when it was not; 2 when it was asked for wrongly, in a file too."
        " **konifer-fs fsck** has those of fsck(8), as told above.\n"
    )
    yield "# SEE ALSO\n\n**konifer-fs.conf**(5), **mount**(8), **fuse**(4)\n"


def write_configuration() -> Iterator[str]:
    """Give konifer-fs.conf(5): the page on configuration, its tables as lists, which fit any terminal."""
    yield _head("konifer-fs.conf", 5)
    yield "# NAME\n\nkonifer-fs.conf - how konifer-fs is configured\n\n# DESCRIPTION\n"
    header: list[str] = []
    for line in _CONFIGURATION.read_text().splitlines()[1:]:
        if not line.startswith("|"):
            header = []
            yield re.sub(r"^##", "#", line)
        elif not header:
            header = _cells(line)
        elif not set(line) <= set("|- :"):
            yield _definition(header, _cells(line))
    yield "\n# SEE ALSO\n\n**konifer-fs**(1)"


def _definition(header: list[str], cells: list[str]) -> str:
    """Give a row as a term, its first cell, and what the others say of it."""
    *facts, meaning = [(name, cell) for name, cell in zip(header[1:], cells[1:], strict=False)]
    told = [f"{name}: {cell}" if name == "default" else cell for name, cell in facts if cell]
    text = ". ".join(part for part in ("; ".join(told), meaning[1]) if part)
    return f"\n{cells[0]}\n: {text or ' '}\n"


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip())[1:-1]]


def _head(name: str, section: int) -> str:
    return f'{name} {section} "" "konifer-fs" "konifer-fs"\n===\n'


def _sentence(text: str | None) -> str:
    return (text or "").strip().splitlines()[0].rstrip(".")


def _paragraphs(text: str) -> str:
    """Give a help text; what click is told not to wrap stays as it is."""
    told = []
    for part in text.strip().split("\n\n"):
        kept = part.removeprefix("\b\n")
        told.append(_escape(part) if kept == part else f"```\n{kept}\n```")
    return "\n\n".join(told) + "\n"


def _escape(text: str) -> str:
    return re.sub(r"([*_<>`\[\]])", r"\\\1", text)


if __name__ == "__main__":
    pages = {"konifer-fs.1": write_commands, "konifer-fs.conf.5": write_configuration}
    sys.stdout.write("\n".join(pages[sys.argv[1]]()) + "\n")
