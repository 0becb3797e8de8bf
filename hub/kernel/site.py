"""A gateway as plugins see it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from hub.contract.driver import Command, Outcome, Result
from hub.contract.points import Point
from hub.contract.readings import ReadingBatch
from hub.kernel.gateway import Gateway


class GatewaySite:
    """`hub.Site` of a gateway that runs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def points(self) -> Mapping[str, Point]:
        return self._gateway.points.by_key

    @property
    def local(self) -> bool:
        return self._gateway.operator.local

    def now(self) -> int:
        return self._gateway.clock.now()

    def latest(self, points: Sequence[Point]) -> ReadingBatch:
        ids = np.array([point.id for point in points], np.uint32)
        return self._gateway.points.latest(ids)

    @contextlib.contextmanager
    def listen(self, take: Callable[[ReadingBatch], None]) -> Iterator[None]:
        listeners = self._gateway.points.listeners
        listeners.append(take)
        try:
            yield
        finally:
            listeners.remove(take)

    async def operate(self, command: Command) -> Result:
        if self.local:
            return Result(outcome=Outcome.LOCAL, detail="a person on site has taken over")
        return await self._gateway.commands.operate(command, direct=True)
