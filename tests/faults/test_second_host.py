"""Two hosts that share PostgreSQL and S3: the second is a network namespace with a name and a cable of its own."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.calls import run_all
from tests.faults.proxy import connecting_to, proxying
from tests.mount.elsewhere import PICTURE, names, wait_until
from tests.mount.mounting import SECONDS, CommandFailed, Mount, MountFactory, spell_database
from tests.servers import S3Server

DEADLINE: Final = 3
# For measuring networks (RFC 2544): no machine is reached there. Each cable takes a network of four addresses.
NETWORKS: Final = ip_network("198.18.0.0/15")
HOST: Final = "second-host"

pytestmark = [
    pytest.mark.semantics("A change made elsewhere, by another mount or by SQL, is told to each mount"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks"),
]


@dataclass(slots=True)
class Cable:
    """What joins the hosts: `near` is this host's address, `namespace` the other's network."""

    namespace: str
    device: str
    near: str

    def pull(self) -> None:
        ip("link", "set", self.device, "down")

    def plug(self) -> None:
        ip("link", "set", self.device, "up")


class SecondHost(Mount):
    """A mount whose daemon runs on the second host."""

    __slots__ = ("namespace",)
    namespace: str

    def run(self, *arguments: str | Path) -> str:
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--uts"]
        named = ["sh", "-c", f'hostname {HOST} && exec "$@"', "sh", sys.executable, "-m", "konifer_fs_daemon"]
        done = subprocess.run(
            [*inside, *named, *map(str, arguments)],
            capture_output=True, text=True, timeout=SECONDS, check=False, env=self.environ,
        )  # fmt: skip
        if done.returncode:
            raise CommandFailed(f"{arguments[0]} ended with {done.returncode}: {done.stderr}\n{self.log()}")
        return done.stdout + done.stderr


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=SECONDS, capture_output=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    name = uuid4().hex[:8]
    first = int(NETWORKS.network_address) + int(name, 16) % (NETWORKS.num_addresses // 4) * 4
    near, far = str(ip_address(first + 1)), str(ip_address(first + 2))
    ip("netns", "add", f"kfs-{name}")
    try:
        ip("link", "add", f"kn{name}", "type", "veth", "peer", "name", f"kf{name}", "netns", f"kfs-{name}")
        ip("address", "add", f"{near}/30", "dev", f"kn{name}")
        ip("-n", f"kfs-{name}", "address", "add", f"{far}/30", "dev", f"kf{name}")
        ip("-n", f"kfs-{name}", "link", "set", "lo", "up")
        ip("-n", f"kfs-{name}", "link", "set", f"kf{name}", "up")
        cable = Cable(f"kfs-{name}", f"kn{name}", near)
        cable.plug()
        yield cable
    finally:
        ip("netns", "delete", f"kfs-{name}")


def listen(stack: ExitStack, near: str, family: socket.AddressFamily, address: str | tuple[str, int]) -> int:
    """Pass on what comes over the cable to an address of this host; gives the port."""

    listener = socket.create_server((near, 0))
    stack.enter_context(proxying(listener, connecting_to(family, address)))
    return int(listener.getsockname()[1])


@pytest.fixture
def hosts(
    mounted: MountFactory, cable: Cable, s3_server: Mapping[str, S3Server], tmp_path: Path
) -> Iterator[tuple[Mount, Mount]]:
    first = mounted("rclone", config=f"filesystem.deadline = {DEADLINE}s")
    behind = conninfo_to_dict(first.conninfo)
    with ExitStack() as stack:
        at = f"{behind['host']}/.s.PGSQL.{behind.get('port', 5432)}"
        database = listen(stack, cable.near, socket.AF_UNIX, at)
        objects_at = urlsplit(s3_server["rclone"].endpoint_url)
        objects = listen(stack, cable.near, socket.AF_INET, ("127.0.0.1", objects_at.port or 0))
        (tmp_path / "second" / "at").mkdir(parents=True)
        text = first.config_file.read_text().replace(
            spell_database(first.conninfo),
            spell_database(make_conninfo(first.conninfo, host=cable.near, port=database)),
        )
        config_file = tmp_path / "second" / "konifer.conf"
        config_file.write_text(f'{text}\nobject-store.s3.endpoint-url = "http://{cable.near}:{objects}"\n')
        second = SecondHost(
            path=tmp_path / "second" / "at", conninfo=first.conninfo, objects=first.objects, config_file=config_file,
            data_dir=tmp_path / "second" / "data", arguments=first.arguments, environ=first.environ,
        )  # fmt: skip
        second.namespace = cable.namespace
        try:
            second.mount()
            yield first, second
        finally:
            second.clean_up()


def hold_told(here: Mount, there: Mount) -> None:
    """Hold that one host sees within a second what the other does."""
    place = here.path / f"of {here.path.parent.name}"
    seen, moved = there.path / place.name, there.path / f"{place.name}, moved"
    assert not seen.exists()
    place.mkdir()
    wait_until(seen.is_dir, seconds=1)
    (place / "a.jpg").write_bytes(PICTURE)
    wait_until(lambda: names(seen) == ["a.jpg"], seconds=1)
    assert (seen / "a.jpg").read_bytes() == PICTURE
    os.setxattr(place / "a.jpg", "user.team", b"red")
    wait_until(lambda: "user.team" in os.listxattr(seen / "a.jpg"), seconds=1)
    (place / "a.jpg").write_bytes(PICTURE + b"more")
    wait_until(lambda: (seen / "a.jpg").read_bytes() == PICTURE + b"more", seconds=1)
    place.rename(here.path / moved.name)
    wait_until(lambda: not seen.exists() and (moved / "a.jpg").exists(), seconds=1)


def test_what_one_host_does_the_other_sees(hosts: tuple[Mount, Mount]) -> None:
    first, second = hosts
    hold_told(first, second)
    hold_told(second, first)


def listed(place: Path) -> list[str]:
    """Give the names in a directory, none while it cannot be listed."""
    try:
        return names(place)
    except OSError:
        return []


def test_a_host_whose_cable_is_pulled_is_told_so_and_catches_up(hosts: tuple[Mount, Mount], cable: Cable) -> None:
    first, second = hosts
    here, there = first.path / "a", second.path / "a"
    here.mkdir()
    (here / "1.jpg").write_bytes(PICTURE)
    wait_until(lambda: listed(there) == ["1.jpg"], seconds=1)
    cable.pull()
    (here / "1.jpg").rename(here / "2.jpg")
    asked = run_all({"look": (there / "unknown").stat, "write": lambda: (there / "mine.jpg").write_bytes(PICTURE)})
    assert {name: outcome.number for name, outcome in asked.items()} == {"look": errno.EIO, "write": errno.EIO}
    assert all(outcome.seconds < DEADLINE + 1 for outcome in asked.values()), asked
    cable.plug()
    wait_until(lambda: "2.jpg" in listed(there) and "1.jpg" not in listed(there))
    (there / "mine.jpg").write_bytes(PICTURE)
    wait_until(lambda: "mine.jpg" in listed(here), seconds=1)
    assert (here / "mine.jpg").read_bytes() == PICTURE
