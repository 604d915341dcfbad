"""Objects pass through the daemon in pieces: its memory does not grow with them."""

import json
import subprocess
import sys
from pathlib import Path

from tests.servers import ACCESS_KEY, SECRET_KEY, S3Server

SIZE = 200 << 20
MAX_GROWTH = 64 << 20
SCRIPT = """
import json, re, sys
from pathlib import Path
from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.adapters.s3 import S3ObjectStore
from konifer_fs.domain.variant import ObjectRef

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

def round_trip(name):
    with open("/dev/null", "wb") as target:
        store.put(ObjectRef(bucket, name), directory / name, "image/jpeg")
        store.fetch(ObjectRef(bucket, name), target)

directory, bucket, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
store = S3ObjectStore(**settings) if settings else DirectoryObjectStore(directory)
round_trip("small")
before = peak()
round_trip("large")
print(peak() - before)
store.close()
"""


def growth(directory: Path, bucket: str, settings: dict[str, object]) -> int:
    """Give the bytes by which a process grows that puts and fetches a large object."""
    (directory / "small").write_bytes(b"small")
    with (directory / "large").open("wb") as file:
        file.truncate(SIZE)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(directory), bucket, json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return int(done.stdout)


def test_the_directory_store_stays_flat(tmp_path: Path) -> None:
    assert growth(tmp_path, "assets", {}) < MAX_GROWTH
    (tmp_path / "assets" / "large").unlink()


def test_the_s3_store_stays_flat(rclone: S3Server, tmp_path: Path) -> None:
    bucket = rclone.make_bucket()
    settings: dict[str, object] = {
        "endpoint_url": rclone.endpoint_url,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "path_style": True,
    }
    assert growth(tmp_path, bucket, settings) < MAX_GROWTH
    with rclone.client() as client:
        client.delete_object(Bucket=bucket, Key="large")
