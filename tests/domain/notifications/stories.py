"""Words for tests of the notification rules: events as they arrive, and what was said."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from contracts import billing, licensing, values
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.outgoing import Outgoing, TimePassed
from services.notifications.domain.correspondence import Correspondence, MailOutcome, empty
from services.notifications.domain.decide import decide

SUBSCRIPTION = values.subscription_id("online-store", "ref-1")
CUSTOMER = values.customer_id("online-store", "customer-1")
T0 = datetime(2025, 6, 15, 10, tzinfo=UTC)
YEAR = timedelta(days=365)
PLAN = {"product_id": "antivirus", "product_type": "update", "term": "P1Y", "seats": 3}
PRICE = {"minor": 4990, "currency": "EUR"}
PERIOD = values.period_id(SUBSCRIPTION, "order-1")

Heard = Envelope | TimePassed | MailOutcome


def named(name: str) -> UUID:
    """A stable id for a name."""
    return uuid5(NAMESPACE_URL, name)


def event(message: type[Data], id: str | None = None, **data: Any) -> Envelope:
    """An event of billing or licensing about SUBSCRIPTION; what is not given gets a usual value."""
    usual = {**_USUAL, **_USUAL_OF.get(message, {}), **data}
    fields = {name: usual[name] for name in message.model_fields if usual.get(name) is not None}
    owner = message.TYPE.split(".")[0]
    checked = message.model_validate(fields, strict=False)
    return ENVELOPES[message.TYPE](
        specversion="1.0",
        id=str(named(id or checked.model_dump_json())),
        source=f"/tenure/{owner}",
        type=message.TYPE,
        subject=str(SUBSCRIPTION),
        time=T0,
        providerid="online-store",
        data=checked,
    )


def traced(message: Envelope, trace: str) -> Envelope:
    """The same event as part of another trace, which is named by one hexadecimal digit."""
    return message.model_copy(update={"traceparent": f"00-{trace * 32}-{trace * 16}-01"})


_USUAL: dict[str, Any] = {
    "fact_id": named("fact"),
    "effective_at": T0,
    "derived_at": T0,
    "policy_version": "2020-01-01",
    "provider_id": "online-store",
    "reference": "ref-1",
    "customer_id": CUSTOMER,
    "plan": PLAN,
    "amount": PRICE,
    "auto_renew": True,
    "billing_tz": "Europe/Berlin",
    "order_id": "order-1",
    "kind": "initial",
    "period_id": PERIOD,
    "ordinal": 1,
    "ordered_at": T0,
    "start": T0,
    "end": T0 + YEAR,
    "basis": "from_now",
    "renews": PERIOD,
    "auto_charge": True,
    "hard_decline": False,
    "attempt": 1,
    "case_id": named("case"),
    "full": True,
    "requested_at": T0,
    "code": "OUTSIDE_WINDOW",
    "cancellation_id": named("cancellation"),
    "cancel_at": T0 + YEAR,
    "channel": "account",
    "ends_at": T0 + timedelta(days=7),
    "resumes_at": T0 + timedelta(days=30),
    "pause_id": named("pause"),
    "mode": "freeze_term",
    "dispute_id": "D-1",
}
_USUAL_OF: dict[type[Data], dict[str, Any]] = {
    billing.PaymentFailed: {"kind": "renewal", "reason": "card expired", "order_id": "order-2"},
    billing.CancellationDateChanged: {"old": T0 + YEAR, "new": T0 + 2 * YEAR},
    licensing.Expired: {"reason": "lapsed"},
    licensing.ExpiryReasonCorrected: {"old": "lapsed", "new": "canceled"},
    billing.PeriodShifted: {
        "old": {"ordinal": 1, "start": T0, "end": T0 + YEAR},
        "new": {"ordinal": 2, "start": T0 + YEAR, "end": T0 + 2 * YEAR},
        "reason": "reordered",
    },
    billing.PeriodVoided: {"reason": "refunded", "auto_renew": False},
}

CREATED = event(billing.SubscriptionCreated)
SCHEDULED = event(billing.PeriodScheduled)
PAID = event(billing.PaymentSucceeded)
REMINDER = event(billing.RenewalReminderDue)
TIME = TimePassed(named("time"))


def tell(
    messages: Sequence[Heard], state: Correspondence | None = None, now: datetime = T0
) -> tuple[Correspondence, list[Outgoing]]:
    """Fold decide over the messages."""
    state = state or empty(SUBSCRIPTION)
    said: list[Outgoing] = []
    for message in messages:
        state, more = decide(state, message, now)
        said += more
    return state, said


def steps(said: Sequence[Outgoing]) -> list[str]:
    """What was said, such as `mail-requested order-confirmation`."""
    return [f"{_type(one)} {one.data.kind}" for one in said]  # type: ignore[attr-defined]


def _type(one: Outgoing) -> str:
    return one.data.TYPE.split(".")[1]


def outcome(
    state: Correspondence, kind: str, what: str, attempt: int = 1, **more: Any
) -> MailOutcome:
    """The mailer's report about the only notice of this kind."""
    (notice,) = [one for one in state.notices if one.kind == kind]
    return MailOutcome(named(f"{kind}{what}{attempt}"), notice.notice_id, what, **more)  # type: ignore[arg-type]
