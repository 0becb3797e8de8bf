"""A whole site, and people at its centre."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from api.testing import sign_in
from tests.integration.scada.site import Site, site

__all__ = ["sign_in"]

Enter = Callable[..., Awaitable[dict[str, str]]]


@pytest_asyncio.fixture
async def place(tmp_path: Path, database: str) -> AsyncIterator[Site]:
    async with site(tmp_path, database) as made:
        yield made


@pytest.fixture
def central(place: Site) -> Any:
    return place.centre


@pytest.fixture
def person(sign_in: Any) -> Enter:
    """A new member of the company that the gateway belongs to."""

    async def enter(*patterns: str) -> dict[str, str]:
        made: dict[str, str] = await sign_in(*patterns, tenant="main")
        return made

    return enter
