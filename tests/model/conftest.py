"""What the model's suite runs on: mounts as tests/mount makes them."""

from tests.mount.conftest import fuse, runtime_directory, s3_server, shared_mounts

__all__ = ["fuse", "runtime_directory", "s3_server", "shared_mounts"]
