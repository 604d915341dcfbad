"""The pyfuse3 adapter: the only async code of the library."""
