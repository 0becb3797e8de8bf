"""The hub at work. Private to `hub`, `api` and `sync`."""
