"""A server proves by its certificate who it is, or nothing is said to it; the sentence tells what to set."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import trustme
from psycopg.conninfo import conninfo_to_dict

from konifer_fs.adapters.postgres.examining import examine, spell_conninfo
from konifer_fs.domain.errors import KoniferFsError
from tests.contracts.relay import answering
from tests.mount.mounting import konifer_fs
from tests.securing import secured, trust_nothing_else

_SSL_REQUEST_BYTES: Final = 8


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def port(database: str, authority: trustme.CA) -> Iterator[int]:
    """Where a server with a certificate for `localhost` listens."""
    where = conninfo_to_dict(database)

    def connect() -> socket.socket:
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(f"{where['host']}/.s.PGSQL.{where['port']}")
        return upstream

    def agree(client: socket.socket) -> None:
        client.recv(_SSL_REQUEST_BYTES, socket.MSG_WAITALL)
        client.sendall(b"S")

    with secured(authority, connect, agree) as port:
        yield port


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Of a user who has told libpq nothing."""
    trust_nothing_else(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


def reach(database: str, port: int, root: Path | None = None, *, host: str = "localhost") -> int:
    """Give the version of the server on loopback."""
    name = str(conninfo_to_dict(database)["dbname"])
    conninfo = spell_conninfo(
        host=host, port=port, database=name, user="konifer", password="", ssl_mode="verify-full", ssl_root_cert=root
    )
    return examine(conninfo).version


def refusal(database: str, port: int, root: Path | None = None, *, host: str = "localhost") -> str:
    with pytest.raises(KoniferFsError) as refused:
        reach(database, port, root, host=host)
    return str(refused.value)


def test_a_certificate_of_no_authority_of_the_system_is_refused(database: str, port: int) -> None:
    said = refusal(database, port)
    assert "certificate verify failed: unless it has expired, set data-store.postgresql.ssl-root-cert" in said
    assert "\n" not in said


def test_a_certificate_of_the_stated_authority_is_accepted(database: str, port: int, authority_file: Path) -> None:
    assert reach(database, port, authority_file) >= 160000


def test_a_certificate_for_another_name_is_refused(database: str, port: int, authority_file: Path) -> None:
    said = refusal(database, port, authority_file, host="127.0.0.1")
    assert 'does not match host name "127.0.0.1": set data-store.postgresql.host' in said


def test_the_authorities_of_the_system_are_found(
    database: str, port: int, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    assert reach(database, port) >= 160000


def test_the_authorities_that_libpq_was_given_win_over_the_systems(
    database: str, port: int, authority_file: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(authority_file))
    assert reach(database, port) >= 160000
    monkeypatch.delenv("PGSSLROOTCERT")
    (home / ".postgresql").mkdir(parents=True)
    authority_file.rename(home / ".postgresql" / "root.crt")
    assert reach(database, port) >= 160000


def test_a_file_of_authorities_that_is_missing_is_named(database: str, port: int, tmp_path: Path) -> None:
    said = refusal(database, port, tmp_path / "no.pem")
    assert f'"{tmp_path / "no.pem"}" does not exist: set data-store.postgresql.ssl-root-cert' in said


def test_a_server_without_tls_is_refused(database: str) -> None:
    with answering(b"N") as plain:
        port = urlsplit(plain.endpoint_url).port or 0
        assert "SSL was required: set data-store.postgresql.ssl-mode = disable" in refusal(database, port)


def test_a_configuration_reaches_the_server_by_its_authority(
    database: str, port: int, authority_file: Path, tmp_path: Path
) -> None:
    conf = tmp_path / "konifer.conf"
    where = f"host = localhost, port = {port}, user = konifer, database = {conninfo_to_dict(database)['dbname']}"
    conf.write_text(f"data-store.postgresql {{ {where}, ssl-mode = verify-full }}")
    refused = konifer_fs("migrate", "-c", conf)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "set data-store.postgresql.ssl-root-cert" in refused.stderr
    conf.write_text(f"data-store.postgresql {{ {where}, ssl-root-cert = {authority_file.name} }}")
    done = konifer_fs("migrate", "-c", conf)
    assert (done.returncode, done.stderr) == (0, "")
