"""The checks of the audit on evidence in memory: each finds what is spoilt, and nothing in lives that are well."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

from contracts import billing, licensing, notifications, payments
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.topics import TOPIC_OF
from ops.audit import access, agreement, days, invariants, mail, money, order, periods, run
from ops.audit.dossier import Dossier, Mail, Row
from ops.audit.findings import Findings, Violation
from ops.audit.gather import by_notice
from ops.audit.invariants import INVARIANTS, examine_all
from tests.ops import test_audit
from tests.support.life import Life

Corrupt = Callable[[Dossier], Dossier]
_DAY = timedelta(days=1)


@cache
def life(name: str) -> Dossier:
    """A life that is well, as it is known at its end."""
    return _held(_LIVES[name]().dossier())


def _renewed() -> Life:
    """Reminded, charged and renewed; in its second year."""
    lived = Life().subscribe()
    lived.advance("+14mo")
    return lived


def _ahead() -> Life:
    """Its second year is paid and has not begun."""
    lived = Life().subscribe()
    lived.advance("+1y-5d")
    return lived


def _paused() -> Life:
    """Frozen for three weeks, resumed earlier than planned."""
    lived = Life("isp-classic").subscribe()
    lived.advance("+2mo")
    lived.command({"type": "pause", "mode": "freeze_term", "resumes_at": "now+40d"})
    lived.advance("now+21d")
    lived.command("resume")
    lived.advance("now+1mo")
    return lived


def _refunded() -> Life:
    """Cancelled, and the money paid back by the provider in the next days."""
    lived = Life().subscribe()
    lived.advance("+10d")
    lived.command("cancel")
    lived.advance("+12d")
    lived.upstream("refund-succeeded")
    lived.advance("+1mo")
    return lived


_LIVES = {"renewed": _renewed, "ahead": _ahead, "paused": _paused, "refunded": _refunded}


def _held(dossier: Dossier) -> Dossier:
    """With what a mail server and the mail ledger would hold."""
    accepted = [
        m.data for m in dossier.notifications if isinstance(m.data, notifications.MailAccepted)
    ]
    copies = by_notice(f"<{each.notice_id}@tenure.example>" for each in accepted)
    mails = tuple(Mail(each.notice_id, each.kind, "done", "accepted") for each in accepted)
    return replace(dossier, copies=copies, mails=mails)


def said(dossier: Dossier, data: Data, **head: Any) -> Dossier:
    """The dossier in which a service has told one thing more."""
    topic = TOPIC_OF[data.TYPE]
    field = topic.name.split(".")[0]
    field = "requests" if data.TYPE.startswith("payments.") else field
    messages: tuple[Envelope, ...] = getattr(dossier, field)
    message = ENVELOPES[data.TYPE](
        specversion="1.0",
        id=str(uuid4()),
        source=f"/tenure/{topic.writer}",
        type=data.TYPE,
        subject=str(dossier.subscription_id),
        providerid=dossier.provider_id,
        sequence=len(messages) + 1,
        data=data,
        **{"time": dossier.now, "causationid": str(uuid4()), **head},
    )
    row = dossier.rows[topic.writer]
    counted = replace(row, sequences={**row.sequences, topic.name: len(messages) + 1})
    more: dict[str, Any] = {field: (*messages, message)}
    if isinstance(data, licensing.LicensingEvent):
        more["in_force"] = dossier.in_force | {message.id}
    return replace(dossier, rows={**dossier.rows, topic.writer: counted}, **more)


def renumbered(dossier: Dossier, field: str, messages: Sequence[Envelope]) -> Dossier:
    """The dossier with other messages on one topic, numbered as if nothing else had been said."""
    name = {"requests": "payments.requests"}.get(field, f"{field}.events")
    counted = tuple(m.model_copy(update={"sequence": n}) for n, m in enumerate(messages, 1))
    rows = {
        service: replace(row, sequences={**row.sequences, name: len(counted)})
        if name in row.sequences
        else row
        for service, row in dossier.rows.items()
    }
    return replace(dossier, rows=rows, **{field: counted})  # type: ignore[arg-type]


def without(dossier: Dossier, field: str, unwanted: Callable[[Any], bool]) -> Dossier:
    """The dossier as if some messages had never been said."""
    kept = [m for m in getattr(dossier, field) if not unwanted(m.data)]
    return renumbered(dossier, field, kept)


def changed(dossier: Dossier, field: str, kind: type[Data], **changes: Any) -> Dossier:
    """The dossier in which the last message of a type says something else."""
    messages = list(getattr(dossier, field))
    place = max(n for n, m in enumerate(messages) if isinstance(m.data, kind))
    data = messages[place].data.model_copy(update=changes)
    messages[place] = messages[place].model_copy(update={"data": data})
    return replace(dossier, **{field: tuple(messages)})


def the(dossier: Dossier, field: str, kind: type[Data]) -> Any:
    """The last message of a type."""
    return [m for m in getattr(dossier, field) if isinstance(m.data, kind)][-1]


def moved(dossier: Dossier, number: int, **changes: Any) -> Dossier:
    """Licensing keeps other facts of one period."""
    assert dossier.history is not None
    period = dossier.history.periods[number]
    return replace(dossier, history=dossier.history.with_period(replace(period, **changes)))


# 1, 2, 13, 14


def unpaid_access(good: Dossier) -> Dossier:
    return without(good, "billing", lambda d: getattr(d, "ordinal", 1) == 2)


def unknown_cause(good: Dossier) -> Dossier:
    return changed(good, "licensing", licensing.EntitlementExtended, fact_id=uuid4())


def never_granted(good: Dossier) -> Dossier:
    return without(good, "licensing", lambda d: isinstance(d, licensing.EntitlementGranted))


def granted_in_part(good: Dossier) -> Dossier:
    granted = the(good, "licensing", licensing.EntitlementGranted).data
    part = granted.capabilities.model_copy(update={"scan": False})
    return changed(good, "licensing", licensing.EntitlementGranted, capabilities=part)


def told_when_the_timer_fired(good: Dossier) -> Dossier:
    ended = the(good, "licensing", licensing.EntitlementEnded).data
    late = ended.effective_at + 2 * _DAY
    return changed(good, "licensing", licensing.EntitlementEnded, effective_at=late)


def not_announced(good: Dossier) -> Dossier:
    return replace(good, in_force=frozenset())


def grace_for_a_refunded_period(good: Dossier) -> Dossier:
    revoked = the(good, "billing", billing.PeriodRevoked).data
    started = licensing.GraceStarted(
        effective_at=revoked.effective_at,
        derived_at=good.now,
        policy_version="2020-01-01",
        fact_id=revoked.fact_id,
        period_id=revoked.period_id,
        ends_at=good.now,
    )
    return said(good, started)


# 3, 4, 6, 7


def overlapping(good: Dossier) -> Dossier:
    assert good.history is not None
    second = good.history.periods[1]
    return moved(good, 1, start=second.start - 20 * _DAY)


def upcoming_late(good: Dossier) -> Dossier:
    assert good.history is not None
    return moved(good, 1, start=good.history.periods[1].start + _DAY)


def upcoming_after_a_shorter_one(good: Dossier) -> Dossier:
    assert good.history is not None
    end = good.history.periods[0].end
    assert end is not None
    return moved(good, 0, end=end - _DAY)


def cancel_names_an_early_date(good: Dossier) -> Dossier:
    fact = uuid4()
    told = {"fact_id": fact, "cancellation_id": fact, "effective_at": good.now}
    data = billing.CancellationScheduled(**told, cancel_at=good.now, channel="account")
    return said(good, data)


def cancel_takes_the_period(good: Dossier) -> Dossier:
    fact, cause = uuid4(), str(uuid4())
    period = the(good, "billing", billing.PeriodScheduled).data
    told = {"fact_id": fact, "cancellation_id": fact, "effective_at": good.now}
    bad = said(
        good,
        billing.CancellationScheduled(**told, cancel_at=period.end, channel="account"),
        causationid=cause,
    )
    taken = billing.PeriodRevoked(
        fact_id=fact,
        effective_at=good.now,
        period_id=period.period_id,
        ordinal=period.ordinal,
        order_id=period.order_id,
        start=period.start,
        end=period.end,
        reason="refunded",
        auto_renew=False,
    )
    return said(bad, taken, causationid=cause)


def refund_gives_more_time(good: Dossier) -> Dossier:
    """By the message that refunds, the period before the refund gets longer too."""
    reinstated = billing.PeriodRevoked
    cause = the(good, "billing", reinstated).causationid
    period = the(good, "billing", billing.PeriodScheduled).data
    earlier = the(good, "billing", billing.PeriodScheduled).data
    again = changed(good, "billing", billing.PeriodScheduled, end=earlier.start + 5 * _DAY)
    place = next(n for n, m in enumerate(again.billing) if isinstance(m.data, reinstated))
    old = billing.PeriodBounds(ordinal=1, start=period.start, end=period.start + 5 * _DAY)
    data = billing.PeriodShifted(
        fact_id=uuid4(),
        effective_at=good.now,
        period_id=period.period_id,
        old=old,
        new=old.model_copy(update={"end": period.start + 11 * _DAY}),
        reason="pause",
    )
    longer = said(again, data, causationid=cause).billing[-1]
    messages = [*again.billing[: place + 1], longer, *again.billing[place + 1 :]]
    return renumbered(again, "billing", messages)


def days_from_nowhere(good: Dossier) -> Dossier:
    assert good.history is not None
    end = good.history.periods[1].end
    assert end is not None
    return moved(good, 1, end=end + 3 * _DAY)


def days_lost_in_a_pause(good: Dossier) -> Dossier:
    assert good.history is not None
    end = good.history.periods[0].end
    assert end is not None
    return moved(good, 0, end=end - 21 * _DAY)


# 5 and money


def charged_twice(good: Dossier) -> Dossier:
    first = the(good, "requests", payments.ChargeRequested).data
    return said(good, first.model_copy(update={"charge_id": uuid4()}))


def charge_taken_twice(good: Dossier) -> Dossier:
    first = the(good, "billing", billing.PaymentSucceeded).data
    assert first.charge_id
    return said(good, first.model_copy(update={"fact_id": uuid4()}))


def refunded_twice(good: Dossier) -> Dossier:
    return said(good, the(good, "billing", billing.PeriodRevoked).data)


def refunded_twice_after_a_correction(good: Dossier) -> Dossier:
    """Told anew once, which is well, and then once more."""
    revoked = the(good, "billing", billing.PeriodRevoked).data
    corrected = said(good, revoked.model_copy(update={"corrects": (uuid4(),)}))
    later = revoked.effective_at + _DAY
    return said(corrected, revoked.model_copy(update={"effective_at": later}))


def unanswered(good: Dossier) -> Dossier:
    return without(
        good, "billing", lambda d: isinstance(d, billing.PaymentSucceeded) and d.kind == "renewal"
    )


def answered_twice(good: Dossier) -> Dossier:
    return said(good, the(good, "billing", billing.PaymentSucceeded).data)


def request_repeated(good: Dossier) -> Dossier:
    return said(good, the(good, "requests", payments.ChargeRequested).data)


def request_untold(good: Dossier) -> Dossier:
    first = the(good, "requests", payments.ChargeRequested).data
    return said(good, first.model_copy(update={"charge_id": uuid4(), "renews": uuid4()}))


# 10 and mail


def accepted_twice(good: Dossier) -> Dossier:
    return said(good, the(good, "notifications", notifications.MailAccepted).data)


def asked_twice(good: Dossier) -> Dossier:
    first = the(good, "notifications", notifications.MailRequested).data
    return said(good, first.model_copy(update={"notice_id": uuid4()}))


def not_reminded(good: Dossier) -> Dossier:
    return without(good, "notifications", lambda d: d.kind == "renewal-reminder")


def reminded_late(good: Dossier) -> Dossier:
    charged = the(good, "billing", billing.RenewalChargeRequested).data
    late = charged.effective_at + timedelta(seconds=1)
    messages = [
        m.model_copy(update={"data": m.data.model_copy(update={"at": late})})
        for m in good.notifications
    ]
    return replace(good, notifications=tuple(messages))


def not_confirmed(good: Dossier) -> Dossier:
    return without(good, "notifications", lambda d: d.kind == "order-confirmation")


def held_twice(good: Dossier) -> Dossier:
    assert good.copies
    return replace(good, copies={**good.copies, next(iter(good.copies)): 2})


def not_held(good: Dossier) -> Dossier:
    return replace(good, copies={})


def ended_otherwise(good: Dossier) -> Dossier:
    return replace(good, mails=(replace(good.mails[0], outcome="refused"), *good.mails[1:]))


# 11, 12


def swapped(good: Dossier, one: str, other: str) -> Dossier:
    facts = list(good.facts)
    names = [fact.fact for fact in facts]
    i, k = names.index(one), names.index(other)
    facts[i], facts[k] = facts[k], facts[i]
    return replace(good, facts=tuple(facts))


def cancel_and_refund_swapped(good: Dossier) -> Dossier:
    return swapped(good, "canceled", "case-approved")


def facts_swapped(good: Dossier) -> Dossier:
    return swapped(good, "ordered", "paid")


def message_forgotten(good: Dossier) -> Dossier:
    return replace(good, facts=tuple(f for f in good.facts if f.fact != "refund-settled"))


def fact_dearer(good: Dossier) -> Dossier:
    def dearer(fact: Any) -> Any:
        more = fact.amount.model_copy(update={"minor": 1})
        return replace(fact, amount=more)

    return replace(good, facts=tuple(dearer(f) if f.fact == "paid" else f for f in good.facts))


def history_of_another(good: Dossier) -> Dossier:
    return replace(good, history=life("renewed").history)


# what must agree


def another_price(good: Dossier) -> Dossier:
    assert good.history is not None
    amount = good.history.periods[0].amount.model_copy(update={"minor": 1})
    return moved(good, 0, amount=amount)


def will_forgotten(good: Dossier) -> Dossier:
    assert good.history is not None
    return replace(good, history=replace(good.history, wills=good.history.wills[:1]))


def pause_forgotten(good: Dossier) -> Dossier:
    assert good.history is not None
    return replace(good, history=replace(good.history, pauses=()))


def gap(good: Dossier) -> Dossier:
    return replace(good, licensing=good.licensing[:1] + good.licensing[2:])


def cut_off(good: Dossier) -> Dossier:
    return replace(good, billing=good.billing[:-1])


def out_of_order(good: Dossier) -> Dossier:
    return replace(good, notifications=tuple(reversed(good.notifications)))


def stale(good: Dossier) -> Dossier:
    assert good.cached is not None
    old = good.cached.data.model_copy(update={"valid_until": good.now})
    return replace(good, cached=good.cached.model_copy(update={"data": old}))


def not_cached(good: Dossier) -> Dossier:
    return replace(good, cached=None)


def unreadable(good: Dossier) -> Dossier:
    return replace(good, unreadable=("Of billing's facts, 0.at cannot be read.",))


def unknown_policy(good: Dossier) -> Dossier:
    return moved(good, 0, policy_version="1999-01-01")


_SPOILT: tuple[tuple[Corrupt, str, str, str], ...] = (
    (unpaid_access, "renewed", "1", "ENTITLED_NOT_PAID"),
    (unknown_cause, "renewed", "1", "CAUSE_UNKNOWN"),
    (never_granted, "renewed", "2", "PAID_NOT_ENTITLED"),
    (granted_in_part, "ahead", "2", "PAID_NOT_ENTITLED"),
    (overlapping, "renewed", "3", "PERIODS_OVERLAP"),
    (upcoming_late, "ahead", "4", "UPCOMING_ELSEWHERE"),
    (upcoming_after_a_shorter_one, "ahead", "4", "UPCOMING_ELSEWHERE"),
    (charged_twice, "ahead", "5", "CHARGED_TWICE"),
    (charge_taken_twice, "renewed", "5", "CHARGE_TAKEN_TWICE"),
    (refunded_twice, "refunded", "5", "REFUNDED_TWICE"),
    (refunded_twice_after_a_correction, "refunded", "5", "REFUNDED_TWICE"),
    (cancel_names_an_early_date, "renewed", "6", "CANCEL_SHORTENED"),
    (cancel_takes_the_period, "renewed", "6", "CANCEL_SHORTENED"),
    (refund_gives_more_time, "refunded", "6", "REFUND_LENGTHENED"),
    (days_from_nowhere, "renewed", "7", "DAYS_NOT_CONSERVED"),
    (days_lost_in_a_pause, "paused", "7", "DAYS_NOT_CONSERVED"),
    (accepted_twice, "renewed", "10", "MAILED_TWICE"),
    (asked_twice, "renewed", "10", "MAILED_TWICE"),
    (not_reminded, "renewed", "10", "CHARGED_WITHOUT_REMINDER"),
    (reminded_late, "renewed", "10", "CHARGED_WITHOUT_REMINDER"),
    (cancel_and_refund_swapped, "refunded", "11", "CANCEL_AND_REFUND"),
    (facts_swapped, "renewed", "12", "FACTS_IN_ANOTHER_ORDER"),
    (message_forgotten, "refunded", "12", "MESSAGE_NOT_KEPT"),
    (fact_dearer, "renewed", "12", "FACT_CHANGED"),
    (history_of_another, "paused", "12", "HISTORY_DIFFERS"),
    (told_when_the_timer_fired, "refunded", "13", "ANNOUNCED_OTHERWISE"),
    (not_announced, "renewed", "13", "ANNOUNCED_OTHERWISE"),
    (grace_for_a_refunded_period, "refunded", "14", "GRACE_AFTER_REFUND"),
    (another_price, "renewed", "periods", "PERIODS_DISAGREE"),
    (will_forgotten, "refunded", "periods", "WILL_DISAGREES"),
    (pause_forgotten, "paused", "periods", "TIMELINES_DISAGREE"),
    (stale, "renewed", "cache", "ENTITLEMENT_STALE"),
    (not_cached, "renewed", "cache", "ENTITLEMENT_STALE"),
    (gap, "renewed", "sequences", "SEQUENCE_GAP"),
    (cut_off, "renewed", "sequences", "SEQUENCE_GAP"),
    (out_of_order, "renewed", "sequences", "SEQUENCE_GAP"),
    (unanswered, "renewed", "payments", "PAYMENT_NOT_ANSWERED_ONCE"),
    (answered_twice, "renewed", "payments", "PAYMENT_NOT_ANSWERED_ONCE"),
    (request_repeated, "renewed", "requests", "REQUEST_NOT_TOLD"),
    (request_untold, "renewed", "requests", "REQUEST_NOT_TOLD"),
    (not_confirmed, "renewed", "confirmed", "CONFIRMATION_NOT_ONCE"),
    (ended_otherwise, "renewed", "ledger", "MAIL_TOLD_OTHERWISE"),
    (held_twice, "renewed", "copies", "MAIL_COPIES"),
    (not_held, "renewed", "copies", "MAIL_COPIES"),
    (unreadable, "renewed", "readable", "UNREADABLE"),
    (unknown_policy, "renewed", "13", "NOT_JUDGED"),
)


@pytest.mark.parametrize("name", _LIVES)
def test_a_life_that_is_well_has_no_violation(name: str) -> None:
    findings = examine_all([life(name)])
    assert findings.violations == []
    assert life(name).moving() == ()


@pytest.mark.parametrize(
    ("corrupt", "name", "invariant", "code"), _SPOILT, ids=lambda v: getattr(v, "__name__", v)
)
def test_what_is_spoilt_is_found(corrupt: Corrupt, name: str, invariant: str, code: str) -> None:
    found = examine_all([corrupt(life(name))]).violations
    assert (invariant, code) in {(violation.invariant, violation.code) for violation in found}


def test_every_code_is_found_somewhere() -> None:
    modules = (access, agreement, days, invariants, mail, money, order, periods, run)
    written = {
        code
        for module in modules
        for code in re.findall(r'"([A-Z]+_[A-Z_]+|STUCK|UNREADABLE)"', inspect.getsource(module))
    }
    tried = {code for *_, code in _SPOILT} | {code for *_, code in test_audit._ALL}
    # The first is a code of billing, the second is no matter of one subscription.
    assert written - tried == {"ORDER_UNKNOWN", "DEAD_LETTERS"}


def test_every_invariant_with_a_check_looked_at_something() -> None:
    findings = examine_all(life(name) for name in _LIVES)
    unchecked = {each.name for each in INVARIANTS if each.check and not findings.checked[each.name]}
    assert unchecked == set()


def test_devices_are_not_reported_as_passed() -> None:
    notes = {each.name: (each.check, each.note) for each in INVARIANTS}
    assert notes["8"] == notes["9"] == (None, "comes with devices")


def test_what_is_still_to_do_is_named() -> None:
    good = life("renewed")
    row = good.rows["licensing"]
    due = replace(good, rows={**good.rows, "licensing": replace(row, due_at=good.now)})
    assert due.moving() == (f"licensing is due since {good.now:%Y-%m-%d %H:%M:%S}",)
    waiting = replace(good, rows={**good.rows, "billing": replace(row, waiting=True)})
    assert "billing holds messages back" in waiting.moving()
    unread = replace(good, rows={**good.rows, "licensing": Row(None, False, {}, row.sequences)})
    count = len(good.billing)
    assert unread.moving() == (f"licensing has read billing.events to 0 of {count}",)
    unpublished = replace(good, notifications=good.notifications[:-1])
    count = len(good.notifications)
    assert unpublished.moving() == (f"notifications.events holds {count - 1} of {count} messages",)


def test_more_violations_than_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.audit.findings.KEPT_MAX", 2)
    findings = Findings()
    for number in range(5):
        findings.add(Violation("3", "PERIODS_OVERLAP", f"number {number}", "id"))
    assert (findings.wrong["3"], len(findings.violations)) == (5, 2)
