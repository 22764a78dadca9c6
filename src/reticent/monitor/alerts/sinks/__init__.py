"""A file per kind of sink."""
