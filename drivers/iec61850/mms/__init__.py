"""MMS (ISO 9506): values, types, names and services as pure functions of octets."""
