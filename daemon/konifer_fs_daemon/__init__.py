"""The process: command line, mounting, control socket, logs."""
