"""Draws docs/tour.svg: a terminal in which the commands of README's tour are run, for real, on a mount of its own.

Needs what scripts/test installs. Run it again when what the commands print has changed: .venv/bin/python docs/tour.py
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

# Rich names a font that it would have loaded from afar.
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_COMMANDS: Final = (
    "konifer-fs mount ~/pictures",
    "cp -r ~/camera ~/pictures/Summer && cd ~/pictures/Summer && ls",
    'setfattr -n user.xdg.tags -v "desert,tree" tree.jpeg && setfattr -n user.team -v red tree.jpeg',
    "getfattr -d tree.jpeg",
    "ls -l tree.jpeg@/w=256,h=256,fit=fill.webp",
    "ls -l ./-/labels/team=red",
    'echo "not a picture" > note.txt',
    "mv ~/pictures/Summer ~/pictures/2026 && ls ~/pictures",
    "cd && konifer-fs umount ~/pictures",
)


def main() -> None:
    """Run the commands in a home directory that is gone afterwards, and write the picture."""
    console = Console(record=True, width=100, file=io.StringIO())
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for directory in ("pictures", "camera"):
            (home / directory).mkdir()
        for number, picture in enumerate(("tree.jpeg", "dune.jpeg", "road.jpeg")):
            Image.effect_mandelbrot((1200, 800), (-2, -1, 1 - number / 10, 1), 40).convert("RGB").save(
                home / "camera" / picture
            )
        for command, printed in _run(home):
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            if printed:
                console.print(Text(printed))
    svg = _FONTS.sub("", console.export_svg(title="konifer-fs", theme=MONOKAI))
    (Path(__file__).parent / "tour.svg").write_text(svg)


def _run(home: Path) -> list[tuple[str, str]]:
    """Give each command with what it printed, as one would see it at home."""
    end = "--- end of a command ---"
    script = "cd\n" + "".join(f"{command}\necho '{end}'\n" for command in _COMMANDS)
    environ = {**os.environ, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environ.pop("XDG_DATA_HOME", None)
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        env=environ, stdout=subprocess.PIPE, text=True, timeout=120, check=True,
    )  # fmt: skip
    told = done.stdout.replace(str(home), "/home/you").replace(" root root ", " you you ")
    told = re.sub(r"^bash: line \d+: ", "bash: ", told, flags=re.MULTILINE)
    return list(zip(_COMMANDS, (part.strip("\n") for part in told.split(end)), strict=False))


if __name__ == "__main__":
    main()
