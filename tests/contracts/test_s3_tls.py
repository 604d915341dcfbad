"""An S3 store behind TLS: whom it trusts, and that what is put there arrives."""

import os
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from konifer_fs.domain.errors import KoniferFsError, StoreUnreachable
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import StoredObject
from tests.securing import secured, trust_nothing_else
from tests.servers import S3Server


def test_a_server_is_verified_by_its_certificate_and_no_empty_setting_ends_that(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust_nothing_else(monkeypatch, tmp_path)
    address = urlsplit(server.endpoint_url)

    def ask(port: int, host: str = "localhost") -> StoredObject | None:
        with closing(server.make_store(through=f"https://{host}:{port}")) as store:
            return store.find_object(ObjectRef(server.make_bucket(), "nothing.jpeg"))

    with secured(authority, lambda: socket.create_connection((address.hostname, address.port or 80), 60)) as port:
        with pytest.raises(StoreUnreachable, match=r"not trusted \(.*issuer.*\).* AWS_CA_BUNDLE"):
            ask(port)
        for empty in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(empty, "")
            with pytest.raises(KoniferFsError):
                ask(port)
            monkeypatch.delenv(empty)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        with pytest.raises(StoreUnreachable, match="for another name"):
            ask(port, "127.0.0.1")
        assert ask(port) is None


@pytest.mark.parametrize("size", [1, 20 << 20], ids=["whole", "in parts"])
def test_what_is_put_over_tls_is_what_is_fetched(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    source, ref = tmp_path / "source", ObjectRef(server.make_bucket(), "key.jpeg")
    source.write_bytes(os.urandom(size))
    address = urlsplit(server.endpoint_url)
    with (
        secured(authority, lambda: socket.create_connection((address.hostname, address.port or 80), 60)) as port,
        closing(server.make_store(through=f"https://localhost:{port}")) as store,
        (tmp_path / "target").open("w+b") as target,
    ):
        store.put(ref, source, "image/jpeg")
        store.fetch(ref, target)
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
