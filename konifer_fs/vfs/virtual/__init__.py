"""What the mount makes up rather than keeps: variants of an entry as files, selectors of a path as directories."""
