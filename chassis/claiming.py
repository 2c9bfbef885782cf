"""Which messages of a batch are new, which are repetitions, and which settle a dead letter."""

from collections.abc import Sequence
from typing import Any, Literal

from chassis import inbox
from chassis.batch import Batch
from chassis.dead_letters import dead_letter
from chassis.inbox import Known, Mark, Parked, Settled
from chassis.postgres import Connection
from chassis.records import Incoming, Problem, spot

Verdict = Literal["duplicate", "conflicting", "corrected"]


async def claim(
    connection: Connection, consumer: str, incoming: Sequence[Incoming], batch: Batch[Any]
) -> list[Incoming]:
    """The messages that are to be processed, redriven ones first, the rest in their order."""
    redriven = [one for one in incoming if one.record.redriven]
    fresh = await _claim_redriven(connection, consumer, redriven, batch) if redriven else []
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
    connection: Connection, consumer: str, redriven: Sequence[Incoming], batch: Batch[Any]
) -> list[Incoming]:
    """A dead letter sent back settles the parked row of its origin, and only once."""
    found = await inbox.parked_at(connection, consumer, list({one.at for one in redriven}))
    fresh = []
    for one in redriven:
        parked = found.get(one.at)
        if parked is None or parked.mark in batch.statuses:
            batch.count(one, "duplicate")
            continue
        one.settles = spot(one.at)
        if await _takes_its_place(connection, consumer, one, parked.mark):
            same = one.mark == parked.mark and not one.record.discarded
            batch.statuses[parked.mark] = Settled("done", one.sha if same else None)
            fresh.append(one)
        else:
            _refuse(consumer, one, parked, batch)
    return fresh


async def _takes_its_place(
    connection: Connection, consumer: str, one: Incoming, parked: Mark
) -> bool:
    """Whether a message sent back can settle its dead letter; if not, its problem says why."""
    if one.record.discarded:
        return True
    if one.problem is None and one.mark != parked:
        if one.mark in await inbox.claim(connection, consumer, [one]):
            return True
        one.problem = Problem(
            "conflicting_duplicate", "Another message had this id before: send it under a new one."
        )
    return one.problem is None


def _refuse(consumer: str, one: Incoming, parked: Parked, batch: Batch[Any]) -> None:
    """It stays parked, and one more letter says why this attempt was refused."""
    attempts = batch.attempts.get(parked.mark, parked.attempts) + 1
    batch.attempts[parked.mark] = attempts
    batch.out.append(dead_letter(consumer, one, batch.now, attempts))
    batch.refused.append(one)
    batch.count(one, "refused")
