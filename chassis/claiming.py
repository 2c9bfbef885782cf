"""Which messages of a batch are new, which are repetitions, and which settle a dead letter."""

from collections.abc import Sequence
from typing import Any, Literal

from chassis import inbox
from chassis.batch import Batch
from chassis.inbox import Known, Mark, Settled
from chassis.postgres import Connection
from chassis.records import Incoming, Problem, spot
from chassis.telemetry import log

Verdict = Literal["duplicate", "conflicting", "corrected"]


async def claim(
    connection: Connection, consumer: str, incoming: Sequence[Incoming], batch: Batch[Any]
) -> list[Incoming]:
    """The messages that are to be processed, redriven ones first, the rest in their order."""
    fresh = [
        one
        for one in incoming
        if one.record.redriven and await _claim_redriven(connection, consumer, one, batch)
    ]
    first: dict[Mark, Incoming] = {}
    again: list[Incoming] = []
    for one in incoming:
        if not one.record.redriven and first.setdefault(one.mark, one) is not one:
            again.append(one)
    claimed = await inbox.claim(connection, consumer, list(first.values())) if first else set()
    seen = {mark: one for mark, one in first.items() if mark not in claimed}
    known = await inbox.known(connection, consumer, list(seen)) if seen else {}
    accepted = {id(one) for mark, one in first.items() if mark in claimed}
    conflicting: list[Incoming] = []
    judged = [(one, known[mark]) for mark, one in seen.items()]
    for one, before in [*judged, *((one, _as_known(first[one.mark])) for one in again)]:
        verdict = "duplicate" if one.mark in batch.statuses else _verdict(one, before)
        if verdict == "corrected":
            one.settles, one.repeated = spot(before.place), one.sha == before.sha
            batch.statuses[one.mark] = Settled("done", one.sha, one.at)
            accepted.add(id(one))
        elif verdict == "conflicting":
            conflicting.append(one)
        else:
            batch.count(one, "duplicate")
    accepted |= await _claim_conflicting(connection, consumer, conflicting)
    return [*fresh, *(one for one in incoming if id(one) in accepted)]


def _as_known(one: Incoming) -> Known:
    return Known(one.sha, one.at, "parked" if one.problem else "done")


def _verdict(one: Incoming, known: Known) -> Verdict:
    """A message without a fault, under the id of a dead letter, may take its place."""
    if one.problem is None and known.status == "parked" and known.place != one.at:
        return "corrected"
    return "duplicate" if one.sha == known.sha else "conflicting"


async def _claim_conflicting(
    connection: Connection, consumer: str, conflicting: list[Incoming]
) -> set[int]:
    """The same id with other content: a dead letter, known by its place from now on."""
    if not conflicting:
        return set()
    for one in conflicting:
        one.problem = Problem(
            "conflicting_duplicate", "A message of this id with other content came before."
        )
        one.conflicting = True
    claimed = await inbox.claim(connection, consumer, conflicting, place=True)
    return {id(one) for one in conflicting if one.place_mark in claimed}


async def _claim_redriven(
    connection: Connection, consumer: str, one: Incoming, batch: Batch[Any]
) -> bool:
    """A dead letter sent back settles the parked row of its origin, and only once."""
    mark = await inbox.parked_at(connection, consumer, *one.at)
    if mark is None or mark in batch.statuses:
        batch.count(one, "duplicate")
        return False
    one.settles = spot(one.at)
    if one.record.discarded:
        batch.statuses[mark] = Settled("done")
        return True
    if one.problem:
        log.warning("redriven message is refused again", code=one.problem.code, place=one.at)
        return False
    if one.mark == mark:
        batch.statuses[mark] = Settled("done", one.sha)
        return True
    if one.mark not in await inbox.claim(connection, consumer, [one]):
        log.warning("redriven message has an id that was used before", place=one.at)
        return False
    batch.statuses[mark] = Settled("done")
    return True
