"""Tariffs, and what a use of electricity costs by them."""
