"""Business domains, one package a domain."""
