"""Settings: TOML files and environment in, frozen structs out."""
