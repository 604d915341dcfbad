"""What the log says, where it goes, and what never gets into it."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from konifer_fs.config import LogFormat
from konifer_fs_daemon.logs import LineFormatter, without_secrets

LOGGING = """
import logging, os, sys
from pathlib import Path
from konifer_fs_daemon import logs
logs.MAX_BYTES = 10_000
logs.start_logging(Path(sys.argv[1]))
for number in range(200):
    logging.getLogger("konifer_fs").info("event %d of many, which fill the file after a while", number)
logging.getLogger("botocore").info("noise")
os.write(2, b"last words\\n")
"""


def format_record(
    message: str,
    error: BaseException | None = None,
    *,
    log_format: LogFormat = LogFormat.KEY_VALUE,
    level: int = logging.WARNING,
    with_priority: bool = False,
) -> str:
    found = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("konifer_fs.spool", level, __file__, 1, message, (), found)
    return LineFormatter(log_format, with_priority=with_priority).format(record)


def test_a_line_is_keys_and_values() -> None:
    line = format_record('the spool is "full"\nnow')
    assert 'level=warning logger=konifer_fs.spool message="the spool is \\"full\\"\\nnow"' in line
    assert "\n" not in line


def test_a_line_is_json_where_that_is_wanted() -> None:
    line = format_record('"ü"\nnow, password=geheim', ValueError("no such thing"), log_format=LogFormat.JSON)
    told = json.loads(line)
    assert "\n" not in line
    assert set(told) == {"time", "level", "logger", "message", "error", "trace"}
    assert (told["level"], told["logger"]) == ("warning", "konifer_fs.spool")
    assert (told["message"], told["error"]) == ('"ü"\nnow, password=***', "ValueError('no such thing')")


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7)],
)
def test_the_journal_gets_priorities(level: int, priority: int) -> None:
    for log_format in LogFormat:
        plain = format_record("said", level=level, log_format=log_format)
        told = format_record("said", level=level, log_format=log_format, with_priority=True)
        assert told.startswith(f"<{priority}>{plain[:6]}")


def test_a_priority_is_for_the_journal_alone(tmp_path: Path) -> None:
    script = "import logging; from konifer_fs_daemon import logs; logs.start_logging(None); logging.warning('said')"
    for name, is_journal in (("journal", True), ("file", False)):
        with (tmp_path / name).open("w+") as stderr:
            found = os.fstat(stderr.fileno())
            stream = f"{found.st_dev}:{found.st_ino}" if is_journal else "1:1"
            environ = {**os.environ, "JOURNAL_STREAM": stream}
            subprocess.run([sys.executable, "-c", script], stderr=stderr, env=environ, check=True, timeout=60)
            stderr.seek(0)
            assert stderr.read().startswith("<4>time=" if is_journal else "time=")


def test_an_exception_stays_on_its_line() -> None:
    line = format_record("it failed", ValueError("no such thing"))
    assert "error=\"ValueError('no such thing')\"" in line
    assert "trace=" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "text",
    [
        "connection to host=db password=geheim dbname=konifer failed",
        "postgresql://konifer:geheim@db/konifer is not there",
        '{"secret_key": "geheim", "region": "x"}',
        "aws_secret_access_key: geheim",
        "PGPASSWORD='geheim' psql",
    ],
)
def test_secrets_are_blanked(text: str) -> None:
    assert "geheim" not in without_secrets(text)
    assert "***" in format_record(text)


def test_ordinary_text_is_left_alone() -> None:
    text = "tokens of love/passwords.png: 3 of 4 drafts stay (see http://host:80/path)"
    assert without_secrets(text) == text


def test_the_file_is_bounded_and_stderr_follows_it(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    command = [sys.executable, "-c", LOGGING, str(log)]
    done = subprocess.run(command, timeout=60, check=True, capture_output=True, env={**os.environ, "TZ": "UTC"})
    assert done.stderr == b""
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(file.stat().st_size <= 10_100 for file in files)
    assert log.read_text().endswith("last words\n")
    assert "noise" not in log.read_text()
