"""The daemon's log: one line an event, of `key=value` or JSON, to stderr or to a bounded file.

To systemd's journal each line begins with its priority, as sd-daemon(3) spells it. What a line says is up to who logs
it; secrets are kept out there (settings hide them from `repr`), and what looks like one in a library's message is
blanked here.
"""

import json
import logging
import os
import re
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from konifer_fs.config import LogFormat

MAX_BYTES: Final = 5 * 1024 * 1024
_KEPT: Final = 2
_PLAIN: Final = re.compile(r"[\w./:@+-]+")
_SECRET: Final = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|secret[_-]?key|secret[_-]?access[_-]?key|token|signature)[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
_USERINFO: Final = re.compile(r"(://[^\s:/@]*:)[^\s@/]+(@)")
_INFORMATIONAL: Final = 6
_PRIORITIES: Final = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.DEBUG: 7}
_QUIET: Final = ("psycopg", "psycopg.pool", "botocore", "boto3", "s3transfer", "urllib3", "PIL")


class LineFormatter(logging.Formatter):
    """Spells a record in one line: `time=… level=… logger=… message="…"`, or as JSON.

    It has an `error` and a `trace` for an exception.
    """

    def __init__(self, log_format: LogFormat, *, with_priority: bool = False) -> None:
        super().__init__()
        self._format = log_format
        self._with_priority = with_priority

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1]:
            fields["error"] = repr(record.exc_info[1])
            fields["trace"] = self.formatException(record.exc_info)
        told = {key: without_secrets(value) for key, value in fields.items()}
        if self._format is LogFormat.JSON:
            line = json.dumps(told, ensure_ascii=False)
        else:
            line = " ".join(f"{key}={_quoted(value)}" for key, value in told.items())
        return f"<{_PRIORITIES.get(record.levelno, _INFORMATIONAL)}>{line}" if self._with_priority else line


class BoundedFileHandler(RotatingFileHandler):
    """A rotating log file that stderr follows, so that a crash's last words reach the file in use."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=_KEPT, encoding="utf-8")
        self._lead_stderr()

    def doRollover(self) -> None:  # noqa: N802 (logging's own name)
        """Begin a new file."""
        super().doRollover()
        self._lead_stderr()

    def _lead_stderr(self) -> None:
        if self.stream:
            os.dup2(self.stream.fileno(), sys.stderr.fileno())


def start_logging(path: Path | None, *, verbose: bool = False, log_format: LogFormat = LogFormat.KEY_VALUE) -> None:
    """Send everything that is logged to the file `path`, or to stderr when None."""
    handler = BoundedFileHandler(path) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(log_format, with_priority=path is None and _leads_to_journal()))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def without_secrets(text: str) -> str:
    """Blank what follows `password=` and its like, and passwords in URLs."""
    return _USERINFO.sub(r"\1***\2", _SECRET.sub(r"\1***", text))


def _leads_to_journal() -> bool:
    """Whether stderr is what systemd has connected with its journal."""
    told = os.environ.get("JOURNAL_STREAM")
    if told is None:
        return False
    found = os.fstat(sys.stderr.fileno())
    return told == f"{found.st_dev}:{found.st_ino}"


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
