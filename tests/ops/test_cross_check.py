"""The cross-check can fail: for each of its codes a corruption that it must find, and nothing else."""

import inspect
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4, uuid5

import pytest

from contracts import billing, licensing, notifications, payments
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.outgoing import TimePassed
from contracts.topics import (
    BILLING_EVENTS,
    LICENSING_EVENTS,
    PAYMENTS_REQUESTS,
    TOPIC_OF,
)
from ops import cross_check as judged
from ops.cross_check import Evidence, cross_check
from tests.support.story import POLICIES, Story, utc

_DOMAIN = "tenure.example"


@dataclass
class RecordedStory(Story):
    """A story that keeps what upstream published."""

    upstream: list[Envelope] = field(default_factory=list)

    def receive(self, message: Envelope | TimePassed) -> list[Data]:
        if isinstance(message, Envelope) and message.type.startswith("payments."):
            self.upstream.append(message)
        return super().receive(message)


def envelope(data: Data, subject: str, sequence: int, id: str = "") -> Envelope:
    """A message of ours as it stands on its topic."""
    return ENVELOPES[data.TYPE](
        specversion="1.0",
        id=id or str(uuid4()),
        source=f"/tenure/{TOPIC_OF[data.TYPE].writer}",
        type=data.TYPE,
        subject=subject,
        time=utc("2025-01-01"),
        providerid="online-store",
        sequence=sequence,
        data=data,
    )


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """A subscription that was ordered, reminded, charged and renewed, in perfect order."""
    story = RecordedStory()
    story.subscribe()
    story.advance(utc("2025-12-02T00:00"))
    story.remind()
    reminded_at = story.now
    story.advance(utc("2025-12-18T02:00"))
    story.renew("O-2")
    story.advance(utc("2026-03-01"))
    told: dict[str, list[Envelope]] = defaultdict(list)
    for outgoing in story.said:
        topic = told[TOPIC_OF[outgoing.data.TYPE].name]
        topic.append(envelope(outgoing.data, outgoing.key, len(topic) + 1, str(outgoing.id)))
    mails = _mails(story, told[BILLING_EVENTS.name], reminded_at)
    return Evidence(
        upstream=story.upstream,
        requests=told[PAYMENTS_REQUESTS.name],
        billing=told[BILLING_EVENTS.name],
        licensing=told[LICENSING_EVENTS.name],
        entitlements={str(story.id): story.entitlement},
        notifications=mails,
        mail_copies=Counter(f"{mail.data.notice_id}@{_DOMAIN}" for mail in mails),  # type: ignore[attr-defined]
        dead_letters=0,
        now=story.now,
    )


def _mails(story: Story, told: Sequence[Envelope], reminded_at: Any) -> list[Envelope]:
    """Confirmation, reminder and receipt, accepted."""
    kinds = {"initial": "order-confirmation", "renewal": "receipt"}
    found: list[Data] = []
    for message in told:
        data = message.data
        common = {"notice_id": uuid5(story.id, message.id), "requested_by": message.id}
        if isinstance(data, billing.PaymentSucceeded):
            mail = {**common, "kind": kinds[data.kind], "at": data.effective_at}
        elif isinstance(data, billing.RenewalReminderDue):
            due = {"renews": data.renews, "end": data.end}
            mail = {**common, **due, "kind": "renewal-reminder", "at": reminded_at}
        else:
            continue
        found.append(notifications.MailAccepted.model_validate(mail))
    return [envelope(data, str(story.id), number) for number, data in enumerate(found, 1)]


def without(messages: Sequence[Envelope], unwanted: Callable[[Any], bool]) -> list[Envelope]:
    """The messages but those, numbered anew, as if they had never been said."""
    return renumbered([message for message in messages if not unwanted(message.data)])


def renumbered(messages: Sequence[Envelope]) -> list[Envelope]:
    """The messages with a sequence without gaps."""
    return [m.model_copy(update={"sequence": n}) for n, m in enumerate(messages, 1)]


def the(messages: Sequence[Envelope], kind: type[Data]) -> Envelope:
    """The first message of a type."""
    return next(message for message in messages if isinstance(message.data, kind))


def said_again(messages: Sequence[Envelope], type: type[Data], /, **changes: Any) -> list[Envelope]:
    """The messages and, at their end, the first of a type once more under another id."""
    first = the(messages, type)
    data = first.data.model_copy(update=changes)
    return [*messages, envelope(data, first.subject, len(messages) + 1)]


def payment_unanswered(good: Evidence) -> Evidence:
    def renewal(data: Any) -> bool:
        return isinstance(data, billing.PaymentSucceeded) and data.kind == "renewal"

    return replace(good, billing=without(good.billing, renewal))


def payment_answered_twice(good: Evidence) -> Evidence:
    again = said_again(good.billing, billing.PaymentSucceeded, kind="manual")
    return replace(good, billing=again)


def entitlement_missing(good: Evidence) -> Evidence:
    def granted(data: Any) -> bool:
        return isinstance(data, licensing.EntitlementGranted)

    return replace(good, licensing=without(good.licensing, granted))


def entitlement_unpaid(good: Evidence) -> Evidence:
    def second(data: Any) -> bool:
        return isinstance(data, billing.PeriodScheduled) and data.ordinal == 2

    return replace(good, billing=without(good.billing, second))


def mail_held_twice(good: Evidence) -> Evidence:
    return replace(good, mail_copies=good.mail_copies + Counter([next(iter(good.mail_copies))]))


def mail_not_held(good: Evidence) -> Evidence:
    return replace(good, mail_copies=Counter([*good.mail_copies][1:]))


def confirmation_missing(good: Evidence) -> Evidence:
    def confirmation(data: Any) -> bool:
        return bool(data.kind == "order-confirmation")

    return replace(good, notifications=without(good.notifications, confirmation))


def confirmed_twice(good: Evidence) -> Evidence:
    notice = uuid4()
    again = said_again(good.notifications, notifications.MailAccepted, notice_id=notice)
    copies = good.mail_copies + Counter([f"{notice}@{_DOMAIN}"])
    return replace(good, notifications=again, mail_copies=copies)


def charged_twice(good: Evidence) -> Evidence:
    again = said_again(good.requests, payments.ChargeRequested, charge_id=uuid4())
    return replace(good, requests=again)


def charge_taken_twice(good: Evidence) -> Evidence:
    charge_id = the(good.requests, payments.ChargeRequested).data.charge_id  # type: ignore[attr-defined]
    changes = {"charge_id": charge_id, "fact_id": uuid4(), "kind": "renewal"}
    return replace(good, billing=said_again(good.billing, billing.PaymentSucceeded, **changes))


def reminder_missing(good: Evidence) -> Evidence:
    def reminder(data: Any) -> bool:
        return bool(data.kind == "renewal-reminder")

    return replace(good, notifications=without(good.notifications, reminder))


def reminder_too_late(good: Evidence) -> Evidence:
    charged = the(good.billing, billing.RenewalChargeRequested).data.effective_at  # type: ignore[attr-defined]
    late = charged + timedelta(seconds=1)
    moved = [
        m.model_copy(update={"data": m.data.model_copy(update={"at": late})})
        for m in good.notifications
    ]
    return replace(good, notifications=moved)


def gap(good: Evidence) -> Evidence:
    lost = the(good.licensing, licensing.PeriodStarted)
    return replace(good, licensing=[m for m in good.licensing if m is not lost])


def out_of_order(good: Evidence) -> Evidence:
    return replace(good, notifications=[*reversed(good.notifications)])


def entitlement_stale(good: Evidence) -> Evidence:
    stale = {
        key: cached.model_copy(update={"state": "expired"})
        for key, cached in good.entitlements.items()
    }
    return replace(good, entitlements=stale)


def entitlement_not_cached(good: Evidence) -> Evidence:
    return replace(good, entitlements={})


def dead_letter(good: Evidence) -> Evidence:
    return replace(good, dead_letters=1)


_CORRUPTIONS: tuple[tuple[Callable[[Evidence], Evidence], str], ...] = (
    (payment_unanswered, "PAYMENT_NOT_ANSWERED_ONCE"),
    (payment_answered_twice, "PAYMENT_NOT_ANSWERED_ONCE"),
    (entitlement_missing, "PAID_NOT_ENTITLED"),
    (entitlement_unpaid, "ENTITLED_NOT_PAID"),
    (mail_held_twice, "MAIL_COPIES"),
    (mail_not_held, "MAIL_COPIES"),
    (confirmation_missing, "CONFIRMATION_NOT_ONCE"),
    (confirmed_twice, "CONFIRMATION_NOT_ONCE"),
    (charged_twice, "CHARGED_TWICE"),
    (charge_taken_twice, "CHARGE_TAKEN_TWICE"),
    (reminder_missing, "CHARGED_WITHOUT_REMINDER"),
    (reminder_too_late, "CHARGED_WITHOUT_REMINDER"),
    (gap, "SEQUENCE_GAP"),
    (out_of_order, "SEQUENCE_GAP"),
    (entitlement_stale, "ENTITLEMENT_STALE"),
    (entitlement_not_cached, "ENTITLEMENT_STALE"),
    (dead_letter, "DEAD_LETTERS"),
)


def test_perfect_order_has_no_violation(evidence: Evidence) -> None:
    assert cross_check(evidence, POLICIES) == []
    assert len(evidence.upstream) == 3
    assert len(evidence.notifications) == 3


@pytest.mark.parametrize(("corrupt", "code"), _CORRUPTIONS, ids=lambda v: getattr(v, "__name__", v))
def test_a_corruption_is_found(
    evidence: Evidence, corrupt: Callable[[Evidence], Evidence], code: str
) -> None:
    assert {violation.code for violation in cross_check(corrupt(evidence), POLICIES)} == {code}


def test_every_code_has_its_corruption() -> None:
    codes = set(re.findall(r'Violation\(\s*"([A-Z_]+)"', inspect.getsource(judged)))
    assert codes == {code for _, code in _CORRUPTIONS}
