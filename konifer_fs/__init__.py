"""konifer-fs: a dual store of images (PostgreSQL and an object store) as a local directory."""
