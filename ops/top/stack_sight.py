"""Looking at all parts of a stack side by side: none waits for another that is slow or away."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from contracts.topics import SERVICES
from ops.connection import Stack
from ops.top.parts import Alerts, Database, Followed, Lags, Metrics
from ops.top.sight import WATCH, Sight


class StackSight:
    """`async with StackSight(stack)` keeps what was seen of each part last."""

    def __init__(self, stack: Stack) -> None:
        """Nothing was looked at yet."""
        self._stack = stack
        self._metrics = {name: Followed(Metrics(stack, name)) for name in (*SERVICES, WATCH)}
        self._lag = Followed(Lags(stack))
        self._backlog = Followed(Database(stack))
        self._alerts = Followed(Alerts(stack))
        self._following: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """What clients log about a part that is away would tear the screen; the panels say it."""
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop looking and disconnect."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await asyncio.gather(*(part.close() for part in self._parts()))

    async def look_twice(self, apart_s: float) -> Sight:
        """Look at all parts, and once more after a while: rates need two looks."""
        for pause_s in (apart_s, 0.0):
            await asyncio.gather(*(part.look() for part in self._parts()))
            await asyncio.sleep(pause_s)
        return self.now()

    def follow(self, every_s: float) -> None:
        """Look at every part again and again from now on."""
        self._following = [asyncio.ensure_future(p.follow(every_s)) for p in self._parts()]

    def check(self) -> None:
        """Raises the error of a look that failed otherwise than by a part that is away."""
        for task in self._following:
            if task.done():
                task.result()

    def now(self) -> Sight:
        """What is known at this moment."""
        return Sight(
            at=datetime.now(UTC),
            virtual=self._stack.virtual,
            prefix=self._stack.topic(""),
            metrics={name: part.seen for name, part in self._metrics.items()},
            lag=self._lag.seen,
            backlog=self._backlog.seen,
            alerts=self._alerts.seen,
        )

    def _parts(self) -> Iterator[Followed[Any]]:
        yield from self._metrics.values()
        yield from (self._lag, self._backlog, self._alerts)
