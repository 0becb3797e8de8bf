"""Protocol drivers, one package a protocol."""
