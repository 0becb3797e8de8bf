"""Readings at the centre, in PostgreSQL with or without TimescaleDB."""
