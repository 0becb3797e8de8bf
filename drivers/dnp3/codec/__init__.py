"""Octets in, structures out: nothing here does I/O or keeps time."""
