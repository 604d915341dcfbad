"""What the log says, where it goes, and what never gets into it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from konifer_fs_daemon.logs import KeyValueFormatter, without_secrets

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


def format_record(message: str, error: BaseException | None = None) -> str:
    found = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("konifer_fs.spool", logging.WARNING, __file__, 1, message, (), found)
    return KeyValueFormatter().format(record)


def test_a_line_is_keys_and_values() -> None:
    line = format_record('the spool is "full"\nnow')
    assert 'level=warning logger=konifer_fs.spool message="the spool is \\"full\\"\\nnow"' in line
    assert "\n" not in line


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
