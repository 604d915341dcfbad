"""What one can do: a verb a module, over ports; no FUSE, no adapter."""
