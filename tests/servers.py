"""Real object stores on loopback: moto's server and `rclone serve s3`, each a process with a port of its own.

`with s3_servers["moto"](directory) as server:` starts one; `server.make_store(server.make_bucket())` is ready to use.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import boto3
from botocore.config import Config

from konifer_fs.adapters.s3 import S3ObjectStore

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ACCESS_KEY: Final = "konifer-fs-tests"
SECRET_KEY: Final = "only-for-servers-on-loopback"
_START_SECONDS: Final = 60
_SCRIPTS: Final = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """An S3 server that is running, and how to reach it."""

    name: str
    endpoint_url: str

    def make_store(
        self,
        *,
        through: str = "",
        access_key: str | None = ACCESS_KEY,
        secret_key: str | None = SECRET_KEY,
        deadline: float = 30,
    ) -> S3ObjectStore:
        """Make a store on this server, or on what relays to it at the address `through`; the caller closes it."""
        return S3ObjectStore(
            endpoint_url=through or self.endpoint_url,
            access_key=access_key,
            secret_key=secret_key,
            path_style=True,
            deadline=deadline,
        )

    def make_bucket(self, bucket: str | None = None) -> str:
        """Make a bucket, by default one with a name of its own; gives the name."""
        bucket = bucket or f"bucket-{uuid4().hex}"
        with self.client() as client:
            client.create_bucket(Bucket=bucket)
        return bucket

    def spell_objects(self, bucket: str) -> str:
        """Give the blocks of a konifer.conf for a bucket of this server."""
        return f"""
            object-store {{ provider = s3, s3 {{
              endpoint-url = "{self.endpoint_url}"
              access-key = "{ACCESS_KEY}"
              secret-key = "{SECRET_KEY}"
              force-path-style = true
            }} }}
            paths."/**".object-store.bucket = "{bucket}"
        """

    def list_keys(self, bucket: str) -> list[str]:
        """Give the keys in `bucket`, in order."""
        with self.client() as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    @contextmanager
    def client(self) -> "Iterator[S3Client]":
        """Give a bare client, to see what the server sees."""
        client = _session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, connect_timeout=10, read_timeout=60),
        )
        with closing(client):
            yield client


@cache
def _session() -> boto3.session.Session:
    """Make the session once: it reads the SDK's large models."""
    return boto3.session.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)


@contextmanager
def run_moto(directory: Path) -> Iterator[S3Server]:
    """Run moto's server; it keeps its objects in its own temporary files, `directory` gets its log."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _running(command, directory / "moto.log", r"Running on (http://127\.0\.0\.1:\d+)") as url:
        yield S3Server(name="moto", endpoint_url=url)


@contextmanager
def run_rclone(directory: Path) -> Iterator[S3Server]:
    """Run `rclone serve s3` over `directory`/rclone, where a bucket is a directory."""
    root = directory / "rclone"
    root.mkdir()
    command = [
        str(_SCRIPTS / "rclone"), "serve", "s3", str(root), "--config", "", "--addr", "127.0.0.1:0",
        "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}",
    ]  # fmt: skip
    with _running(command, directory / "rclone.log", r"(http://127\.0\.0\.1:\d+)") as url:
        yield S3Server(name="rclone", endpoint_url=url)


s3_servers: Final = MappingProxyType[str, Callable[[Path], AbstractContextManager[S3Server]]](
    {"moto": run_moto, "rclone": run_rclone}
)


@contextmanager
def _running(command: list[str], log: Path, announcement: str) -> Iterator[str]:
    """Run a server until the block ends; gives the address that it announces in its log."""
    # The server goes with us even when we are killed.
    tied = ["setpriv", "--pdeathsig", "TERM", *command]
    with log.open("wb") as output, subprocess.Popen(tied, stdout=output, stderr=subprocess.STDOUT) as server:
        try:
            yield _wait_for(server, log, announcement)
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(server: "subprocess.Popen[bytes]", log: Path, announcement: str) -> str:
    until = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        if found := re.search(announcement, log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"{server.args!r} did not start: {log.read_text(errors='replace')}")
