"""The cross-check: do money, periods, access and mail agree over all services and topics?

It shares no code with the services' decisions: paid time comes from what billing told, entitled time
from what licensing told, mails from what the mail server holds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts import billing, licensing, notifications, payments
from contracts.envelope import Envelope
from contracts.licensing import Entitlement
from contracts.policy import Policies
from contracts.values import subscription_id
from ops.intervals import Interval, minus, union


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be: a stable code, one sentence, and where to look."""

    code: str
    sentence: str
    subscription_id: str


@dataclass(frozen=True)
class Evidence:
    """Everything that was published up to `now`, without duplicates, in order per key."""

    upstream: Sequence[Envelope]
    requests: Sequence[Envelope]
    billing: Sequence[Envelope]
    licensing: Sequence[Envelope]
    entitlements: dict[str, Entitlement]
    notifications: Sequence[Envelope]
    #: Copies of each mail that the mail server holds, by Message-ID.
    mail_copies: Counter[str]
    dead_letters: int
    now: datetime


def cross_check(evidence: Evidence, policies: Policies) -> list[Violation]:
    """All violations, none when everything agrees."""
    found: list[Violation] = []
    for check in _CHECKS:
        found.extend(check(evidence, policies))
    return found


def _by_key(messages: Sequence[Envelope]) -> dict[str, list[Envelope]]:
    grouped: dict[str, list[Envelope]] = defaultdict(list)
    for message in messages:
        grouped[message.subject].append(message)
    return grouped


def _payments_answered(evidence: Evidence, _: Policies) -> Iterator[Violation]:
    """Every success from upstream became one paid period, or was refused with a reason."""
    told: Counter[tuple[str, UUID]] = Counter()
    unknown: set[tuple[str, UUID]] = set()
    for message in evidence.billing:
        data = message.data
        if not isinstance(data, billing.PaymentSucceeded | billing.PaymentRefused):
            continue
        if isinstance(data, billing.PaymentSucceeded) or data.code != "ORDER_UNKNOWN":
            told[message.subject, data.fact_id] += 1
        else:
            unknown.add((message.subject, data.fact_id))
    for message in evidence.upstream:
        if isinstance(message.data, payments.PaymentSucceeded):
            id = str(subscription_id(message.providerid, message.subject))
            # Without its order it is refused for as long as the order does not come.
            waits = (id, message.cause_id) in unknown and not told[id, message.cause_id]
            if told[id, message.cause_id] != 1 and not waits:
                order = message.data.order_id
                yield Violation(
                    "PAYMENT_NOT_ANSWERED_ONCE",
                    f"Payment of order {order} was answered {told[id, message.cause_id]} times.",
                    id,
                )


def paid_time(messages: Sequence[Envelope], now: datetime) -> list[Interval]:
    """When a subscription was paid for, by what billing told, up to now."""
    bounds: dict[UUID, Interval] = {}
    away: dict[UUID, list[Interval]] = defaultdict(list)
    for message in messages:
        match message.data:
            case billing.PeriodScheduled() as data:
                bounds[data.period_id] = (max(data.start, data.effective_at), data.end or now)
            case billing.PeriodShifted() as data:
                bounds[data.period_id] = (data.new.start, data.new.end or now)
            case billing.PeriodVoided() | billing.PeriodRevoked() as data:
                away[data.period_id].append(
                    (data.effective_at, datetime.max.replace(tzinfo=now.tzinfo))
                )
            case billing.PeriodReinstated() as data:
                away[data.period_id][-1] = (away[data.period_id][-1][0], data.effective_at)
    paid = []
    for period_id, interval in bounds.items():
        paid += minus([interval], away[period_id])
    return union((start, min(end, now)) for start, end in paid)


def graced_time(messages: Sequence[Envelope], policies: Policies, now: datetime) -> list[Interval]:
    """When grace could have entitled, by the policies stamped on the periods."""
    graced: list[Interval] = []
    for message in messages:
        data = message.data
        if isinstance(data, billing.PeriodScheduled) and data.end:
            grace = policies.stamped(data.provider_id, data.policy_version).grace
            graced.append((data.end, min(data.end + grace, now)))
    return union(graced)


def entitled_time(messages: Sequence[Envelope], now: datetime) -> list[Interval]:
    """When the application worked in full, by what licensing told, up to now."""
    changes: list[tuple[datetime, bool]] = []
    for message in messages:
        data = message.data
        if isinstance(data, licensing.EntitlementEvent) and data.effective_at <= now:
            changes.append((data.effective_at, data.state in ("active", "grace")))
    changes.sort(key=lambda change: change[0])
    entitled: list[Interval] = []
    since: datetime | None = None
    for at, on in changes:
        if since is not None and not on:
            entitled.append((since, at))
            since = None
        elif since is None and on:
            since = at
    if since is not None:
        entitled.append((since, now))
    return union(entitled)


def _paid_is_entitled(evidence: Evidence, policies: Policies) -> Iterator[Violation]:
    """Every paid instant is entitled, and no instant is entitled that is neither paid nor in grace."""
    told = _by_key(evidence.licensing)
    for id, messages in _by_key(evidence.billing).items():
        paid = paid_time(messages, evidence.now)
        entitled = entitled_time(told.get(id, ()), evidence.now)
        graced = graced_time(messages, policies, evidence.now)
        for start, end in minus(paid, entitled):
            yield Violation(
                "PAID_NOT_ENTITLED", f"Paid but not entitled from {start} to {end}.", id
            )
        for start, end in minus(entitled, [*paid, *graced]):
            yield Violation(
                "ENTITLED_NOT_PAID", f"Entitled but not paid from {start} to {end}.", id
            )


def _one_confirmation(evidence: Evidence, _: Policies) -> Iterator[Violation]:
    """Each first payment was confirmed by exactly one mail, which the mail server holds once."""
    accepted: Counter[tuple[str, str]] = Counter()
    held: Counter[str] = Counter()
    for message_id, count in evidence.mail_copies.items():
        held[message_id.strip("<>").split("@")[0]] += count
    for message in evidence.notifications:
        data = message.data
        if isinstance(data, notifications.MailAccepted):
            copies = held[str(data.notice_id)]
            if copies != 1:
                sentence = f"The mail {data.kind} is held {copies} times."
                yield Violation("MAIL_COPIES", sentence, message.subject)
            if data.kind == "order-confirmation":
                accepted[message.subject, data.requested_by] += 1
    for message in evidence.billing:
        data = message.data
        if isinstance(data, billing.PaymentSucceeded) and data.kind == "initial":
            count = accepted[message.subject, message.id]
            if count != 1:
                sentence = f"Order {data.order_id} was confirmed {count} times."
                yield Violation("CONFIRMATION_NOT_ONCE", sentence, message.subject)


def _no_charge_twice(evidence: Evidence, _: Policies) -> Iterator[Violation]:
    """At most one charge stands per period, asked and not withdrawn, and none is taken twice."""
    standing: dict[UUID, tuple[UUID, UUID]] = {}
    for message in evidence.requests:
        data = message.data
        if isinstance(data, payments.ChargeRequested):
            standing[data.charge_id] = (data.subscription_id, data.renews)
        elif isinstance(data, payments.ChargeWithdrawn):
            standing.pop(data.charge_id, None)
    for (id, renews), count in Counter(standing.values()).items():
        if count != 1:
            yield Violation(
                "CHARGED_TWICE", f"Period {renews} was charged for {count} times.", str(id)
            )
    taken: Counter[tuple[str, UUID]] = Counter()
    for message in evidence.billing:
        data = message.data
        if isinstance(data, billing.PaymentSucceeded) and data.charge_id:
            taken[message.subject, data.charge_id] += 1
    for (subject, charge_id), count in taken.items():
        if count != 1:
            yield Violation(
                "CHARGE_TAKEN_TWICE", f"Charge {charge_id} was taken {count} times.", subject
            )


def _reminded_before_charged(evidence: Evidence, _: Policies) -> Iterator[Violation]:
    """Each charge follows an accepted reminder of the period it renews, or says why it does not (S-52)."""
    proven: dict[tuple[str, UUID], datetime] = {}
    for message in evidence.notifications:
        data = message.data
        if not isinstance(data, notifications.MailAccepted) or data.renews is None:
            continue
        if data.kind == "renewal-reminder":
            proven.setdefault((message.subject, data.renews), data.at)
    waived = {
        (message.subject, message.data.renews)
        for message in evidence.billing
        if isinstance(message.data, billing.ReminderWaived)
    }
    for message in evidence.billing:
        data = message.data
        if isinstance(data, billing.RenewalChargeRequested):
            key = (message.subject, data.renews)
            at = proven.get(key)
            if key not in waived and (at is None or at > data.effective_at):
                sentence = f"Charge {data.charge_id} was not preceded by a reminder."
                yield Violation("CHARGED_WITHOUT_REMINDER", sentence, message.subject)


def _nothing_missing(evidence: Evidence, _: Policies) -> Iterator[Violation]:
    """Sequences have no gap, the cached entitlement is the last one told, and there is no dead letter."""
    for topic in (evidence.billing, evidence.licensing, evidence.notifications, evidence.requests):
        for subject, messages in _by_key(topic).items():
            numbers = [message.sequence for message in messages]
            if numbers != list(range(1, len(numbers) + 1)):
                yield Violation("SEQUENCE_GAP", f"Sequence {numbers} has a gap.", subject)
    for subject, messages in _by_key(evidence.licensing).items():
        states = [m.data.state for m in messages if isinstance(m.data, licensing.EntitlementEvent)]
        cached = evidence.entitlements.get(subject)
        if states and (cached is None or cached.state != states[-1]):
            sentence = (
                f"The cached entitlement is {cached and cached.state}, told was {states[-1]}."
            )
            yield Violation("ENTITLEMENT_STALE", sentence, subject)
    if evidence.dead_letters:
        yield Violation("DEAD_LETTERS", f"There are {evidence.dead_letters} dead letters.", "")


_CHECKS: tuple[Callable[[Evidence, Policies], Iterator[Violation]], ...] = (
    _payments_answered,
    _paid_is_entitled,
    _one_confirmation,
    _no_charge_twice,
    _reminded_before_charged,
    _nothing_missing,
)
