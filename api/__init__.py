"""The web API of the centre and the local API of a gateway."""
