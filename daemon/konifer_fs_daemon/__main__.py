"""`python -m konifer_fs_daemon`: how a background daemon is started."""

from konifer_fs_daemon.cli import main

main(prog_name="konifer-fs")
