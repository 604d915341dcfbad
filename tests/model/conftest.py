"""What the model's suite runs on: mounts as tests/mount makes them, and what holds after each test."""

from tests.faults.conftest import mounted, nothing_hangs
from tests.mount.conftest import fuse, runtime_directory, s3_server

__all__ = ["fuse", "mounted", "nothing_hangs", "runtime_directory", "s3_server"]
