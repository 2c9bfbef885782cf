"""Compacted topics that become tables; what cannot be read of them is a dead letter like any other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from chassis.aggregate import Projection
from chassis.processing import Processor
from chassis.reading import read
from chassis.records import Record


class Sink:
    """Projected topics become tables, everything else goes into the aggregate."""

    def __init__(
        self, projections: Mapping[str, Projection], pool: asyncpg.Pool, processor: Processor[Any]
    ) -> None:
        self._projections = projections
        self._pool = pool
        self._processor = processor

    async def consume(self, records: Sequence[Record]) -> None:
        """Process records of any topic. Raises as `Processor.consume`."""
        others: list[Record] = []
        projected: dict[str, list[Record]] = {}
        for record in records:
            decoded = self._decoded(record) if record.topic in self._projections else None
            if decoded is None:
                others.append(record)
                continue
            projected.setdefault(record.topic, []).append(decoded)
            if record.redriven:  # its dead letter is settled by it
                others.append(replace(record, discarded=True))
        for topic, found in projected.items():
            async with self._pool.acquire() as connection, connection.transaction():
                await self._projections[topic](connection, found)
        if others:
            await self._processor.consume(others)

    def _decoded(self, record: Record) -> Record | None:
        """The record with its envelope, or None for the processor to judge."""
        if record.discarded:
            return None
        one = read(record)
        if one.problem or one.fatal or one.ignored:
            return None
        return replace(record, envelope=one.envelope)
