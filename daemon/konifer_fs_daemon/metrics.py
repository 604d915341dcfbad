"""The figures of `-/stats` over HTTP, for Prometheus. Used by `serve`."""

from collections.abc import Iterator
from contextlib import contextmanager

from konifer_fs.vfs.virtual.reports import Reports
from konifer_fs_daemon.mountpoint import MountRefused


@contextmanager
def telling_figures(address: tuple[str, int] | None, reports: Reports) -> Iterator[None]:
    """Answer Prometheus at `address` until the block ends; do nothing where there is none.

    Raises:
        MountRefused: nobody can listen there.
    """
    if address is None:
        yield
        return
    from prometheus_client import start_http_server

    host, port = address
    try:
        server, thread = start_http_server(port, host, reports.make_registry())
    except OSError as error:
        raise MountRefused(f"filesystem.metrics-address {host}:{port}: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
