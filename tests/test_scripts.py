"""Claims about the README's two commands: what they say and refuse, and what they leave alone.

Each runs on a copy of scripts/ beside a `.venv` whose programs only tell how they were called, so nothing is installed.
That they install everything on a fresh machine is what CI shows.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SYSTEM_PATH: Final = "/usr/bin:/bin"


def write_program(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout in which all is installed already; every need of the machine is met by an empty list."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    lib = tmp_path / "scripts" / "lib.sh"
    lib.write_text(lib.read_text().replace("_NEEDS=(\n", "_NEEDS=()\nreadonly unused_list=(\n", 1))
    venv = tmp_path / ".venv"
    write_program(
        venv / "bin" / "python",
        f'case "$*" in *pip*) echo "$@" >>{tmp_path}/pip-calls;; *) exec {sys.executable} "$@";; esac',
    )
    write_program(venv / "bin" / "pip", "")
    write_program(venv / "bin" / "konifer-fs", 'echo "konifer-fs $*"')
    (venv / "pyvenv.cfg").write_text(f"command = python3 -m venv {venv}\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (venv / "installed").write_text("[project]\n")
    return tmp_path


def run(tree: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": SYSTEM_PATH, "PYTHON": sys.executable, **environment}
    return subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True, timeout=60, check=False)


def run_with_lib(tree: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(tree, "/bin/bash", "-c", f"set -euo pipefail; source scripts/lib.sh; {script}", **environment)


def link_programs(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return folder


@pytest.mark.parametrize(("arguments", "mountpoint"), [((), "./mnt"), (("my pictures",), "my pictures")])
def test_up_mounts_at_mnt_unless_told_otherwise(tree: Path, arguments: tuple[str, ...], mountpoint: str) -> None:
    mounted, told = run(tree, "scripts/up", *arguments).stdout.splitlines()
    assert mounted == f"konifer-fs mount {mountpoint}"
    assert told.startswith(f"Mounted at {mountpoint}.")
    assert (tree / mountpoint).is_dir()


def test_up_says_nothing_of_a_mount_that_failed(tree: Path) -> None:
    write_program(tree / ".venv" / "bin" / "konifer-fs", "echo why >&2; exit 7")
    failed = run(tree, "scripts/up")
    assert (failed.returncode, failed.stdout, failed.stderr) == (7, "", "why\n")


def test_up_of_an_installed_tree_installs_nothing(tree: Path) -> None:
    assert run(tree, "scripts/up").stderr == ""
    assert not (tree / "pip-calls").exists()


def test_a_changed_pyproject_is_installed_once(tree: Path) -> None:
    (tree / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert run(tree, "scripts/up").stderr == "Installing konifer-fs and what it needs ...\n"
    assert run(tree, "scripts/up").stderr == ""
    assert len((tree / "pip-calls").read_text().splitlines()) == 1


@pytest.mark.parametrize("arguments", [("one", "two"), ("--help",)])
def test_up_explains_itself_when_misused(tree: Path, arguments: tuple[str, ...]) -> None:
    refused = run(tree, "scripts/up", *arguments)
    assert refused.returncode == 2
    assert refused.stderr == "usage: scripts/up [MOUNTPOINT]\n"


@pytest.mark.parametrize("python", ["/bin/false", "no-such-python"])
def test_an_unfit_python_is_named(tree: Path, python: str) -> None:
    refused = run(tree, "scripts/up", PYTHON=python)
    assert refused.returncode == 1
    assert refused.stderr.startswith("up: needs Python 3.11 or newer")
    assert f"({python})" in refused.stderr


def test_a_machine_without_apt_is_told_what_to_install(tree: Path) -> None:
    tools = link_programs(tree / "tools", ["bash", "dirname"])
    refused = run_with_lib(tree, "require_packages 'one|true|why' 'two|false|why' 'three|false|why'", PATH=str(tools))
    assert refused.returncode == 1
    assert refused.stderr.endswith("please install first (Debian's names): two three\n")


def test_packages_are_installed_from_the_list_at_hand_and_else_from_a_new_one(tree: Path) -> None:
    tools = link_programs(tree / "tools", ["bash", "dirname", "cat", "rm", "mktemp", "env", "touch", "true"])
    write_program(tools / "sudo", 'exec "$@"')
    # Like apt with an old list: installs nothing until it was told to update.
    write_program(
        tools / "apt-get",
        f'cd {tree}; echo "$*" >>apt-calls; case "$*" in *update) touch list;; *) test -e list && touch two;; esac',
    )
    need = f"two|test -e {tree}/two|why"
    done = run_with_lib(tree, f"require_packages {need!r}; require_packages {need!r}", PATH=str(tools))
    assert done.stderr == "Installing two ...\n"
    assert done.returncode == 0
    calls = (tree / "apt-calls").read_text().splitlines()
    assert [call.split()[2] for call in calls] == ["install", "update", "install"]


@pytest.mark.parametrize(
    ("answer", "of_all", "code", "told"),
    [
        ("echo unreachable >&2; exit 1", "exit 1", 0, "skipped pip-audit: "),
        ('echo \'{"skip_reason": "not found"}\'', "exit 1", 0, "skipped pip-audit: "),
        ("echo '{\"vulns\": []}'", "exit 0", 0, "ok      pip-audit "),
        (
            "echo '{\"vulns\": []}'",
            "echo a hole; exit 1",
            1,
            "FAILED  pip-audit --skip-editable --progress-spinner=off\na hole\n",
        ),
        ("echo '{\"vulns\": [1]}'; exit 1", "echo a hole; exit 1", 1, "a hole\n"),
    ],
)
def test_known_vulnerabilities_fail_the_check_and_a_silent_service_does_not(
    tree: Path, answer: str, of_all: str, code: int, told: str
) -> None:
    for name in ("ruff", "mypy", "lint-imports", "hadolint", "shellcheck"):
        write_program(tree / ".venv" / "bin" / name, "")
    write_program(tree / ".venv" / "bin" / "pip-audit", f'case "$*" in *--requirement*) {answer};; *) {of_all};; esac')
    done = run(tree, "/bin/bash", "scripts/check")
    assert done.returncode == code
    assert told in done.stdout


def test_what_a_failed_step_printed_is_shown(tree: Path) -> None:
    failed = run_with_lib(tree, "quietly 'Doing it' bash -c 'echo why; exit 3'; echo not reached")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.splitlines()[:2] == ["Doing it ...", "why"]
    assert failed.stderr.endswith(": failed: Doing it\n")


def test_the_man_pages_are_what_the_commands_and_the_configuration_say() -> None:
    assert shutil.which("go-md2man"), "scripts/test installs it"
    for page, pieces in {"konifer-fs.1": ["fsck", "--repair"], "konifer-fs.conf.5": ["filesystem.spool-dir"]}.items():
        source = subprocess.run(
            [sys.executable, ROOT / "docs" / "man" / "make.py", page], capture_output=True, timeout=60, check=True
        )
        made = subprocess.run(["go-md2man"], input=source.stdout, capture_output=True, timeout=60, check=True)
        text = (ROOT / "docs" / "man" / page).read_text()
        assert text.strip() == made.stdout.decode().strip(), "run scripts/man"
        assert all(piece in text.replace("\\-", "-") for piece in pieces)
