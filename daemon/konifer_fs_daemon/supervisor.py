"""What whoever supervises the daemon is told, if that is systemd: sd_notify(3) and its watchdog."""

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Tell systemd a state such as `READY=1`; no effect when it did not start this process, or does not listen."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            channel.send(state.encode())
    except OSError as error:
        log.warning("systemd cannot be told %s: %s", state, error.strerror)


def wants_pings() -> bool:
    """Whether systemd ends this process unless it is told `WATCHDOG=1` now and then."""
    return os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()) and "WATCHDOG_USEC" in os.environ
