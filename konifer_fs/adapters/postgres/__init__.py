"""PostgreSQL: the metadata store, its migrations, and the embedded server."""
