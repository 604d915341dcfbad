"""The command `konifer-fs`, and `python -m konifer_fs_daemon`, which is how a background daemon is started."""

import signal
import sys


def run() -> None:
    """Run the command; Ctrl-C ends it without a traceback also while its modules are imported."""
    try:
        from konifer_fs_daemon.cli import main
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    main(prog_name="konifer-fs")


if __name__ == "__main__":
    run()
