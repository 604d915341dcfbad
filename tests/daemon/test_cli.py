"""What the commands say and how they end, when nothing gets mounted."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from konifer_fs.adapters.postgres import embedded
from konifer_fs.config import load
from konifer_fs.wiring import describe_places
from konifer_fs_daemon import doctor
from konifer_fs_daemon.__main__ import run
from tests.mount.mounting import konifer_fs, spell_database


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def failure(code: int, done: "subprocess.CompletedProcess[str]") -> str:
    """Give the one sentence a command ended with."""
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("konifer-fs: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_an_unknown_mount_option_is_a_mistake_of_the_caller(place: Path, environ: dict[str, str]) -> None:
    assert "-o sudi: there is no such" in failure(2, konifer_fs("mount", "-o", "sudi", place, environ=environ))


def test_a_mistake_in_the_configuration_names_file_and_key(
    place: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "konifer.conf").write_text("filesystem.drian = 1s")
    done = konifer_fs("mount", "-c", "konifer.conf", place, environ=environ, cwd=tmp_path)
    assert "konifer.conf: filesystem.drian" in failure(2, done)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "config",
    [
        'filesystem.spool-dir = "at/spool"',
        'filesystem.cache-dir = "link/cache"',
        'object-store { provider = filesystem, filesystem.mount-path = "at/../at" }',
    ],
)
def test_what_a_mount_needs_cannot_lie_on_it(environ: dict[str, str], tmp_path: Path, config: str) -> None:
    (tmp_path / "at").mkdir()
    (tmp_path / "link").symlink_to("at")
    (tmp_path / "konifer.conf").write_text(config)
    done = konifer_fs("mount", "-c", tmp_path / "konifer.conf", tmp_path / "at", environ=environ)
    assert f"cannot be at or below {tmp_path}/at" in failure(2, done)
    done = konifer_fs("mount", "--data-dir", tmp_path / "at", tmp_path / "link", environ=environ)
    assert f"cannot be at or below {tmp_path}/at" in failure(2, done)
    assert not list((tmp_path / "at").iterdir())


def test_a_subpath_that_konifer_cannot_have_is_refused(place: Path, environ: dict[str, str]) -> None:
    refused = failure(2, konifer_fs("mount", "--subpath", "/a b", place, environ=environ))
    assert "--subpath /a b" in refused
    assert "is stored as /a__20b" in refused


@pytest.mark.parametrize("command", ["mount", "umount", "status", "warm", "drafts", "doctor --data-dir"])
def test_an_empty_path_is_no_path(environ: dict[str, str], command: str) -> None:
    done = konifer_fs(*command.split(), "", environ=environ)
    assert (done.returncode, "it is empty" in done.stderr) == (2, True)


def test_a_missing_mountpoint_is_named(place: Path, environ: dict[str, str]) -> None:
    assert "does not exist" in failure(1, konifer_fs("mount", place / "missing", environ=environ))


def test_an_unreachable_database_fails_the_mount_with_its_reason(
    place: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    conf = tmp_path / "konifer.conf"
    conf.write_text(
        "data-store { provider = postgresql, postgresql { host = 127.0.0.1, port = 1 } }\n"
        f'object-store {{ provider = filesystem, filesystem.mount-path = "{tmp_path}" }}'
    )
    done = konifer_fs("mount", "-c", conf, place, environ={**environ, "PG_PASSWORD": "geheim"})
    assert "cannot be reached" in failure(1, done)
    assert "geheim" not in "".join(log.read_text() for log in tmp_path.rglob("*.log"))
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ("mount --data-dir file/x pictures", 1, "file/x/logs: Not a directory"),
        (f"mount --data-dir {'n' * 300} pictures", 1, "/logs: File name too long"),
        ("migrate --data-dir file/x", 1, "file/x: Not a directory"),
        (f"index --data-dir {'n' * 300}", 1, "File name too long"),
        (f"fsck --data-dir {'n' * 300}", 8, "File name too long"),
        ("top --interval 9 --once pictures", 1, "no konifer-fs is mounted at"),
    ],
)
def test_what_the_system_refuses_is_told_in_one_sentence(
    place: Path, environ: dict[str, str], tmp_path: Path, arguments: str, code: int, reason: str
) -> None:
    (tmp_path / "file").touch()
    assert reason in failure(code, konifer_fs(*arguments.split(), environ=environ, cwd=tmp_path))


@pytest.fixture
def conf(environ: dict[str, str], tmp_path: Path, database: str) -> Path:
    """A konifer.conf whose stores are there, and empty."""
    (tmp_path / "objects" / "assets").mkdir(parents=True)
    objects = f'object-store {{ provider = filesystem, filesystem.mount-path = "{tmp_path / "objects"}" }}'
    (tmp_path / "konifer.conf").write_text(f"{spell_database(database)}\n{objects}")
    assert konifer_fs("migrate", "-c", tmp_path / "konifer.conf", environ=environ).returncode == 0
    return tmp_path / "konifer.conf"


@pytest.mark.parametrize(
    ("command", "full", "closed"),
    [("status", 1, 1), ("mount --help", 1, 1), ("doctor -c", 1, 1), ("fsck --json -c", 8, 32)],
)
def test_output_that_cannot_be_written_is_no_accident(
    environ: dict[str, str], conf: Path, command: str, full: int, closed: int
) -> None:
    arguments = [*command.split(), *([str(conf)] if command.endswith("-c") else [])]
    reading, writing = os.pipe()
    os.close(reading)
    for output, code, said in (
        (os.open("/dev/full", os.O_WRONLY), full, "konifer-fs: No space left on device\n"),
        (writing, closed, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "konifer_fs_daemon", *arguments],
            stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=environ,
        )  # fmt: skip
        os.close(output)
        assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("status {0}", 1), ("umount {0}", 1), ("mount -o sudi {0}", 2), ("fsck -c {0}/none", 16), ("evict {0}", 1)],
)
def test_a_failure_without_any_output_is_told_in_one_sentence(
    place: Path, environ: dict[str, str], arguments: str, code: int
) -> None:
    command = [sys.executable, "-m", "konifer_fs_daemon", *arguments.format(place).split()]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        capture_output=True, text=True, timeout=60, check=False, env=environ,
    )  # fmt: skip
    failure(code, done)


def test_no_number_is_no_interval(environ: dict[str, str]) -> None:
    assert "it is no number" in konifer_fs("top", "--interval", "nan", environ=environ).stderr


def test_unmounting_what_is_not_mounted_says_so(place: Path, environ: dict[str, str]) -> None:
    assert "no konifer-fs is mounted at" in failure(1, konifer_fs("umount", place, environ=environ))


def test_status_of_nothing_says_so(place: Path, environ: dict[str, str]) -> None:
    assert "no konifer-fs is mounted at" in failure(1, konifer_fs("status", place, environ=environ))


def test_the_doctor_finds_a_machine_well_and_leaves_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    done = konifer_fs("doctor", environ=environ)
    assert done.returncode == (0 if "✗" not in done.stdout else 1)
    for name in ("/dev/fuse", "fusermount3", "version", "ltree", "clock", "spool", "image worker", "sandbox"):
        assert f" {name}: " in done.stdout
    assert "✗ ltree" not in done.stdout
    assert not (tmp_path / "data").exists()


def test_the_doctor_names_what_is_ill_and_how_to_mend_it(
    environ: dict[str, str], tmp_path: Path, database: str
) -> None:
    (tmp_path / "file").touch()
    conf = tmp_path / "konifer.conf"
    objects = f'object-store {{ provider = filesystem, filesystem.mount-path = "{tmp_path / "no"}" }}'
    conf.write_text(f"{spell_database(database)}\n{objects}")
    done = konifer_fs("doctor", "-c", conf, environ=environ)
    assert done.returncode == 1
    assert "✗ schema: " in done.stdout
    assert "konifer-fs migrate" in done.stdout
    assert "✗ bucket assets: " in done.stdout
    assert "✓ ltree" in done.stdout


def test_a_pattern_that_can_match_nothing_is_told_and_no_reason_not_to_mount(
    place: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    conf = tmp_path / "konifer.conf"
    conf.write_text('paths { "/Summer 2026/**" { lqip = [] } }')
    told = f'{conf}: paths."/Summer 2026/**" matches nothing: '
    meant = "is stored as /Summer__202026/**\n"
    done = konifer_fs("doctor", "-c", conf, environ=environ)
    assert (done.returncode, f"✗ configuration: {told}" in done.stdout, meant in done.stdout) == (1, True, True)
    done = konifer_fs("mount", "--in-memory", "-c", conf, place, environ=environ)
    try:
        assert (done.returncode, f"konifer-fs: {told}" in done.stderr, meant in done.stderr) == (0, True, True)
    finally:
        konifer_fs("umount", place, environ=environ)
    (log,) = (tmp_path / "data").rglob("*.log")
    assert "Summer__202026/**" in log.read_text()


@pytest.mark.parametrize(
    ("data_dir", "spool", "ill"),
    [("file/x", "", ["data directory", "spool"]), ("data", "file", ["spool"]), ("file/x", "spool", ["data directory"])],
)
def test_the_doctor_takes_no_file_for_a_directory(
    environ: dict[str, str], tmp_path: Path, data_dir: str, spool: str, ill: list[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "k.conf").write_text(f"filesystem.spool-dir = {spool}" if spool else "")
    done = konifer_fs("doctor", "-c", "k.conf", "--data-dir", data_dir, environ=environ, cwd=tmp_path)
    assert done.returncode == 1
    told = [f"✗ {check}: {tmp_path}/file is not a directory" for check in ill]
    assert [line for line in done.stdout.splitlines() if "is not a directory" in line] == told


def test_the_doctor_makes_no_database_and_knows_what_the_next_mount_does(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "postgres").mkdir()
    assert "✓ database: the first mount makes" in konifer_fs("doctor", "--data-dir", tmp_path, environ=environ).stdout
    assert "nothing is stored" in konifer_fs("fsck", "--data-dir", tmp_path, environ=environ).stderr
    assert not list((tmp_path / "postgres").iterdir())
    embedded.start(tmp_path / "postgres").stop()
    for _ in range(2):
        done = konifer_fs("doctor", "--data-dir", tmp_path, environ=environ)
        assert "✓ schema: the next mount" in done.stdout
    konifer_fs("migrate", "--data-dir", tmp_path, environ=environ)
    assert "✓ schema: as this version" in konifer_fs("doctor", "--data-dir", tmp_path, environ=environ).stdout


def test_the_doctor_tells_no_password_of_a_store(environ: dict[str, str], tmp_path: Path) -> None:
    conf = tmp_path / "konifer.conf"
    address = "http://user:geheim@127.0.0.1:9/geheim"
    conf.write_text(f'object-store {{ provider = s3, s3.endpoint-url = "{address}" }}\nfilesystem.deadline = 1s')
    environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "geheim"}
    assert describe_places(load(conf, environ))["objects"] == "S3 at 127.0.0.1:9"
    done = konifer_fs("doctor", "-c", conf, environ=environ)
    assert "geheim" not in done.stdout + done.stderr


def test_the_doctor_says_how_workers_are_confined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "CONFINING_COMMAND", (sys.executable, "-c", "print('Landlock')"))
    *_, last = doctor.examine(config_file=None, data_dir=tmp_path, in_memory=True)
    assert not last.well
    assert "install libseccomp2" in last.finding


@pytest.mark.parametrize("command", ["migrate", "drafts"])
def test_what_is_in_memory_cannot_be_migrated_or_listed(environ: dict[str, str], command: str) -> None:
    done = konifer_fs(command, "--in-memory", environ=environ)
    assert (done.returncode, "No such option" in done.stderr) == (2, True)


def test_migrating_can_be_repeated(environ: dict[str, str], tmp_path: Path) -> None:
    for _ in range(2):
        done = konifer_fs("migrate", "--data-dir", tmp_path / "here", environ=environ)
        assert done.returncode == 0, done.stderr
        assert "is at this version's schema" in done.stdout


COMPLETING = """
eval "$(_KONIFER_FS_COMPLETE=bash_source konifer-fs)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p konifer-fs | sed 's/.* -F \\([^ ]*\\).*/\\1/') konifer-fs
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["konifer-fs", "um"], ["umount"]),
        (["konifer-fs", "mount", "--in"], ["--in-memory"]),
        (["konifer-fs", "mount", "-o", "ro,allow"], ["ro,allow_other"]),
    ],
)
def test_a_shell_completes_what_is_typed(environ: dict[str, str], typed: list[str], completed: list[str]) -> None:
    environ["PATH"] = f"{sysconfig.get_path('scripts')}:{environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", COMPLETING, "bash", *typed],
        capture_output=True, text=True, timeout=60, check=False, env=environ,
    )  # fmt: skip
    assert done.stdout.split() == completed, done.stderr


class Interrupting:
    """Presses Ctrl-C when the commands are imported."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "konifer_fs_daemon.cli":
            raise KeyboardInterrupt


def test_an_interrupt_while_modules_are_imported_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "konifer_fs_daemon.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 130
