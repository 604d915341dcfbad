"""What the store looks like as a file system; no FUSE, no trio."""
