"""Typed names, so that a misspelt service is found by the type checker."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Key(Generic[T]):
    """The typed name of a service; compared by identity."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Key({self.name!r})"
