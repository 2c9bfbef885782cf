"""Invariants of order: 11 cancel and refund commute, 12 facts in any order give the stored state."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from random import Random

from contracts import payments
from contracts.base import Data
from contracts.envelope import Envelope
from ledger.history import History
from ledger.timeline import timeline
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes
from services.billing.domain import facts
from services.billing.domain.facts import AnyFact
from services.billing.domain.subscription import Subscription
from services.licensing.domain.license import License, learn

_CANCELS = ("canceled", "uncanceled")
_REFUNDS = ("case-opened", "case-declined", "case-approved", "refund-settled", "refund-failed")


def arrived(dossier: Dossier, told: Iterable[AnyFact]) -> Subscription:
    """Billing's subscription after facts arrived in this order."""
    empty = Subscription(
        subscription_id=dossier.subscription_id,
        provider_id=dossier.provider_id,
    )
    return empty.knowing(told)


def cancel_and_refund_commute(dossier: Dossier, notes: Notes) -> None:
    """11: whichever of cancellation and refund arrived first, their facts are those that are stored.

    The state is a pure function of the facts in their canonical order, so it is the same then.
    """
    cancels = [fact for fact in dossier.facts if fact.fact in _CANCELS]
    refunds = [fact for fact in dossier.facts if fact.fact in _REFUNDS]
    if not cancels or not refunds:
        return
    notes.saw()
    others = [fact for fact in dossier.facts if fact not in cancels and fact not in refunds]
    stored = [fact for fact in dossier.facts if fact in cancels or fact in refunds]
    for first, second in ((cancels, refunds), (refunds, cancels)):
        state = arrived(dossier, [*others, *first, *second])
        again = [fact for fact in state.facts if fact in cancels or fact in refunds]
        if again != stored:
            _disorder(notes, "CANCEL_AND_REFUND", again, stored)
            return


def any_order(dossier: Dossier, notes: Notes) -> None:
    """12: the same facts in another order, and the same messages once more, end in the stored states."""
    _facts_in_any_order(dossier, notes)
    _messages_are_facts(dossier, notes)
    _history_from_messages(dossier, notes)


def _facts_in_any_order(dossier: Dossier, notes: Notes) -> None:
    if not dossier.facts:
        return
    shuffled = list(dossier.facts)
    Random(dossier.subscription_id.int).shuffle(shuffled)
    for order in (tuple(reversed(dossier.facts)), tuple(shuffled)):
        notes.saw()
        state = arrived(dossier, order)
        if state.facts != dossier.facts:
            _disorder(notes, "FACTS_IN_ANOTHER_ORDER", state.facts, dossier.facts)
            return


def _disorder(
    notes: Notes, code: str, wanted: Sequence[AnyFact], stored: Sequence[AnyFact]
) -> None:
    at = next((b.at for a, b in zip(wanted, stored, strict=False) if a != b), None)
    notes.wrong(code, f"The facts are not stored in their canonical order (at {at}).", at=[at])


def _messages_are_facts(dossier: Dossier, notes: Notes) -> None:
    """Every message of the payment system is a fact, with its content, not before it happened."""
    by_id = {fact.fact_id: fact for fact in dossier.facts}
    orders = {fact.order_id for fact in dossier.facts if isinstance(fact, facts.Ordered)}
    for message in dossier.upstream:
        notes.saw()
        fact = by_id.get(message.cause_id)
        if fact is None:
            # An order_id is used once: placed again it is no other fact.
            data = message.data
            if not (isinstance(data, payments.OrderPlaced) and data.order_id in orders):
                sentence = f"The message {message.type} of {message.time} is no fact of billing."
                notes.wrong("MESSAGE_NOT_KEPT", sentence, at=[message.time], events=[message])
        elif fact.at < message.time or _changed(fact, message.data):
            sentence = f"The message {message.type} of {message.time} is kept with other content."
            notes.wrong("FACT_CHANGED", sentence, at=[message.time, fact.at], events=[message])


def _changed(fact: AnyFact, data: Data) -> bool:
    """Whether a fact says something else than its message, in the fields that both have."""
    told = type(data).model_fields
    return any(
        getattr(fact, each.name) != getattr(data, each.name)
        for each in fields(fact)
        if each.name in told and each.name != "refund_id" and getattr(data, each.name) is not None
    )


def _history_from_messages(dossier: Dossier, notes: Notes) -> None:
    """Licensing's history is what billing's events make, read once more from the first one."""
    if dossier.history is None or not dossier.complete:
        return
    read = dossier.row("licensing").positions.get("billing.events", 0)
    notes.saw()
    license = License(subscription_id=dossier.subscription_id)
    for message in dossier.billing:
        if (message.sequence or 0) <= read:
            license = learn(license, message)
    if license.history != dossier.history:
        instant = _first_difference(dossier, license.history)
        notes.wrong(
            "HISTORY_DIFFERS",
            "Licensing keeps another history than billing's events make.",
            at=[instant],
            events=_about(dossier, instant),
        )


def _first_difference(dossier: Dossier, replayed: History) -> datetime | None:
    one, other = timeline(replayed, dossier.policy), dossier.stages
    differing = (min(a.start, b.start) for a, b in zip(one, other, strict=False) if a != b)
    longer = [stage.start for stage in (*one[len(other) :], *other[len(one) :])]
    return next(differing, min(longer, default=None))


def _about(dossier: Dossier, instant: datetime | None) -> list[Envelope]:
    """The messages of billing nearest to an instant."""
    if instant is None:
        return []
    near = [m for m in dossier.billing if abs(m.time - instant) < timedelta(days=1)]
    return near[:3]
