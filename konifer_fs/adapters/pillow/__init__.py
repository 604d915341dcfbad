"""The image engine, in worker processes. Headers are read by our own readers; no image library is loaded for that."""
