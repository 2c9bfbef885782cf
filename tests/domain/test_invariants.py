"""The invariants 1-7 and 10-14 over any life: a state machine over the three services in memory, decades long.

Operations are everything that upstream and operators can do, late, repeated, at any time. After each
step the whole audit judges what is stored and what was said; `SOAK=1` lives longer and more lives.
"""

import os
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts import billing, commands, payments
from contracts.envelope import Envelope
from ledger.history import History
from ledger.timeline import timeline
from ops.audit.told import paid_time
from ops.intervals import Interval, minus
from ops.scenario.scene import StoryError
from services.billing.domain.fold import standing
from tests.support.life import Life

_SOAK = os.environ.get("SOAK") == "1"
_LIVES = settings(
    max_examples=2000 if _SOAK else 120,
    stateful_step_count=60 if _SOAK else 25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    # Shrinking a life takes minutes: only where somebody waits for it.
    phases=tuple(Phase) if _SOAK else (Phase.explicit, Phase.reuse, Phase.generate),
)
pytestmark = pytest.mark.timeout(0 if _SOAK else 300)

_PROVIDERS = ("online-store", "isp-classic", "ksc-like", "app-store-like")
_TERMS = ("P1Y", "P1M", "P2W", "P3M", "P6M", "unlimited")
_SPANS = ("1s", "3h", "1d", "6d", "15d", "40d", "100d", "370d")
#: How long before its delivery an event occurred: at once mostly, or late.
_late = st.sampled_from(("now",) * 5 + ("now-1m", "now-20h", "now-4d", "now-40d"))
_repeats = st.sampled_from((1, 1, 1, 1, 2, 3))
_kinds = st.sampled_from(("renewal", "manual", "prepayment"))
_spans = st.sampled_from(_SPANS)
_modes = st.sampled_from((None, "freeze_term", "run_term", "at_period_end"))
_channels = st.sampled_from(("account", "support", "provider"))
_which = st.integers(0, 7)


class Lives(RuleBasedStateMachine):
    """One subscription, whatever happens to it."""

    life: Life

    @initialize(
        provider=st.sampled_from(_PROVIDERS),
        term=st.sampled_from(_TERMS),
        type=st.sampled_from(("update", "update-and-protection")),
        auto_renew=st.booleans(),
        start=st.sampled_from(("2024-01-31T12:00Z", "2024-02-29T23:30Z", "2025-03-30T01:15Z")),
        tz=st.sampled_from((None, "Europe/Berlin", "America/New_York")),
        paid=st.booleans(),
    )
    def begin(
        self,
        provider: str,
        term: str,
        type: str,
        auto_renew: bool,
        start: str,
        tz: str | None,
        paid: bool,
    ) -> None:
        """An order, or a payment that comes before it."""
        plan = {"term": term, "product_type": type}
        given = {"billing_tz": tz} if tz else {}
        self.life = Life(provider, plan=plan, auto_renew=auto_renew, start=start, **given)
        self.orders = 1
        self.paid = 0
        self.disputes = 0
        if paid:
            self.life.subscribe()
            self.paid = 1
        else:
            self.life.upstream("payment-succeeded")

    # what upstream tells

    def _tell(self, type: str, late: str = "now", repeat: int = 1, **data: Any) -> None:
        """An event that makes no sense yet (it answers what was never asked) is not told."""
        event = {"type": type, "occurred": late, "repeat": repeat, **data}
        try:
            self.life.upstream({k: v for k, v in event.items() if v is not None})
        except StoryError:
            return

    def _order(self, which: int) -> str | int:
        """One of the orders that were told, the newest among them most often."""
        known = [m.data.order_id for m in self.life.play.heard if isinstance(m.data, _ORDERING)]
        names = list(dict.fromkeys(known))
        if not names:
            return 1
        return names[-1 - min(which, len(names) - 1)].removeprefix(f"{self.life.play.reference}-")

    def _next(self) -> int:
        self.orders += 1
        return self.orders

    @rule(late=_late, repeat=_repeats)
    def first_order(self, late: str, repeat: int) -> None:
        self._tell("order-placed", late, repeat)

    @rule(late=_late, pays=st.booleans(), auto_renew=st.booleans(), term=st.sampled_from(_TERMS))
    def another_order(self, late: str, pays: bool, auto_renew: bool, term: str) -> None:
        order = self._next()
        plan = {"term": term}
        self._tell("order-placed", late, order=order, auto_renew=auto_renew, plan=plan)
        if pays:
            self._tell("payment-succeeded", late, order=order, kind="initial")

    @rule(late=_late, repeat=_repeats)
    def first_payment(self, late: str, repeat: int) -> None:
        self._tell("payment-succeeded", late, repeat, order=1)

    @rule(late=_late, kind=_kinds, repeat=_repeats)
    def payment(self, late: str, kind: str, repeat: int) -> None:
        self._tell("payment-succeeded", late, repeat, order=self._next(), kind=kind)

    @rule(late=_late, repeat=_repeats)
    def charge_paid(self, late: str, repeat: int) -> None:
        self._tell("payment-succeeded", late, repeat, order=self._next(), charge="last")

    @rule(late=_late, final=st.booleans())
    def charge_fails(self, late: str, final: bool) -> None:
        again = None if final else "now+2d"
        self._tell("payment-failed", late, order=self._next(), charge="last", next_attempt_at=again)

    @rule(late=_late, kind=_kinds)
    def payment_fails(self, late: str, kind: str) -> None:
        self._tell("payment-failed", late, order=self._next(), kind=kind)

    @rule(late=_late, which=_which, full=st.booleans())
    def provider_refunds(self, late: str, which: int, full: bool) -> None:
        amount = None if full else "5.00 EUR"
        before = self._paid()
        self._tell("refund-succeeded", late, order=self._order(which), full=full, amount=amount)
        self._never_longer(before, late)

    @rule(late=_late)
    def refund_paid(self, late: str) -> None:
        self._tell("refund-succeeded", late, order=self._refunding(), refund="last")

    @rule(late=_late)
    def refund_fails(self, late: str) -> None:
        self._tell("refund-failed", late, order=self._refunding(), refund="last")

    def _refunding(self) -> str | int:
        asked = self.life.told(payments.RefundRequested)
        if not asked:
            return 1
        return str(asked[-1].order_id).removeprefix(f"{self.life.play.reference}-")

    @rule(late=_late, which=_which)
    def dispute_opens(self, late: str, which: int) -> None:
        self.disputes += 1
        name = f"D-{self.disputes}"
        self._tell("dispute-opened", late, order=self._order(which), dispute=name)

    @rule(late=_late, outcome=st.sampled_from(("won", "lost")), last=st.booleans())
    def dispute_ends(self, late: str, outcome: str, last: bool) -> None:
        """Also one that was never opened: its opening is still on its way."""
        opened = self.life.told(payments.DisputeOpened)
        order = self._order(0) if not opened else opened[-1].order_id
        order = str(order).removeprefix(f"{self.life.play.reference}-")
        number = max(self.disputes, 1) if last else self.disputes + 1
        self.disputes = max(self.disputes, number)
        self._tell(f"dispute-{outcome}", late, order=order, dispute=f"D-{number}")

    @rule(late=_late, repeat=_repeats)
    def provider_cancels(self, late: str, repeat: int) -> None:
        before = self._paid()
        self._tell("cancellation-requested", late, repeat)
        self._never_shorter(before, late)

    @rule(late=_late)
    def provider_uncancels(self, late: str) -> None:
        self._tell("cancellation-withdrawn", late)

    @rule(late=_late, mode=_modes, span=_spans)
    def provider_pauses(self, late: str, mode: str | None, span: str) -> None:
        self._tell("pause-requested", late, mode=mode, resumes_at=self._resumes(span, mode))

    @rule(late=_late)
    def provider_resumes(self, late: str) -> None:
        self._tell("resume-requested", late)

    @rule(
        late=_late, seats=st.sampled_from((None, 1, 3, 10)), term=st.sampled_from((None, *_TERMS))
    )
    def provider_changes_settings(self, late: str, seats: int | None, term: str | None) -> None:
        if seats or term:
            self._tell("settings-changed", late, seats=seats, term=term)

    # what is asked for

    def _ask(self, type: str, **data: Any) -> None:
        command = {"type": type, **data}
        try:
            self.life.command({k: v for k, v in command.items() if v is not None})
        except StoryError:
            return

    def _resumes(self, span: str, mode: str | None) -> str:
        """A pause at the end of the period has to reach beyond it."""
        end = self._history().paid_through
        if mode == "at_period_end" and end and end > self.life.now:
            return f"{end:%Y-%m-%dT%H:%M:%SZ} +{span}"
        return f"now+{span}"

    @rule(channel=_channels, repeat=_repeats)
    def cancel(self, channel: str, repeat: int) -> None:
        before = self._paid()
        self._ask("cancel", channel=channel, repeat=repeat)
        self._never_shorter(before)

    @rule(channel=_channels)
    def uncancel(self, channel: str) -> None:
        self._ask("uncancel", channel=channel)

    @rule(mode=_modes, span=_spans)
    def pause(self, mode: str | None, span: str) -> None:
        self._ask("pause", mode=mode, resumes_at=self._resumes(span, mode))

    @rule()
    def resume(self) -> None:
        self._ask("resume")

    @rule(which=_which, approve=st.sampled_from((True, True, False, None)))
    def refund(self, which: int, approve: bool | None) -> None:
        before, order = self._paid(), self._order(which)
        self._ask("request-refund", order=order)
        if approve is not None:
            self._ask("approve-refund" if approve else "decline-refund", order=order)
        self._never_longer(before)

    @rule(approve=st.booleans())
    def decide_refund(self, approve: bool) -> None:
        self._ask("approve-refund" if approve else "decline-refund")

    @rule(which=_which)
    def refund_asked_by_another(self, which: int) -> None:
        self._ask("request-refund", order=self._order(which), name="Somebody Else")

    @rule()
    def undo_renewal(self) -> None:
        self._ask("undo-renewal")

    @rule(days=st.integers(1, 60))
    def goodwill(self, days: int) -> None:
        self._ask("extend-period", days=days)

    @rule(seats=st.sampled_from((None, 1, 3, 10)), term=st.sampled_from((None, *_TERMS)))
    def change_settings(self, seats: int | None, term: str | None) -> None:
        if seats or term:
            self._ask("change-settings", seats=seats, term=term)

    # what time brings, and how the world answers

    @rule(span=_spans)
    def time_passes(self, span: str) -> None:
        self.life.advance(f"now+{span}")

    @precondition(lambda self: self._yearly())
    @rule(span=st.sampled_from(("2y", "5y", "9y")))
    def years_pass(self, span: str) -> None:
        self.life.advance(f"now+{span}")

    def _yearly(self) -> bool:
        """Whether what is sold is long: a decade of weeks takes minutes, and shows nothing more."""
        terms = [
            m.data.plan.term for m in self.life.on("billing.events") if hasattr(m.data, "plan")
        ]
        changed = [c.term for c in self.life.told(billing.SettingsChanged) if c.term]
        return {*terms, *changed} <= {"P6M", "P1Y", "unlimited"}

    @rule(
        before=st.sampled_from((timedelta(0), timedelta(0), timedelta(hours=1), timedelta(days=3)))
    )
    def to_the_end(self, before: timedelta) -> None:
        """To the end of what is paid, or just before it."""
        ends = self._history().paid_through
        if ends and ends - before > self.life.now:
            self.life.advance(ends - before)

    @rule(span=_spans)
    def sleep(self, span: str) -> None:
        """Every timer of the span fires late, at its end."""
        self.life.oversleep(f"now+{span}")

    @rule(charges=st.sampled_from(("pays", "declines", "silent")))
    def charges_are_answered(self, charges: str) -> None:
        self.life.answer(charges=charges)

    @rule(refunds=st.sampled_from(("pays", "fails", "silent")))
    def refunds_are_answered(self, refunds: str) -> None:
        self.life.answer(refunds=refunds)

    @rule(mail=st.sampled_from(("accepted", "refused", "unknown")))
    def mail_is_answered(self, mail: str) -> None:
        self.life.answer(mail=mail)

    # what always holds

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        """All invariants, by what is stored and what was said (1-7, 10-14 and what must agree)."""
        found = self.life.violations()
        assert not found, "\n".join(str(violation) for violation in found)
        # What we tell ourselves is always understood.
        assert {letter.service for letter in self.life.play.dead} <= {"billing"}

    @precondition(lambda self: any(p.covers(self.life.now) for p in self._history().periods))
    @rule(which=_which)
    def refund_and_cancel_commute(self, which: int) -> None:
        """11: refund and cancellation of one instant end alike, whichever comes first.

        A command is answered when it comes: after the refund there is nothing left to cancel, so
        then only paid time and will are compared. After the end the first of the two ends access.
        """
        order = f"{self.life.play.reference}-{self._order(which)}"
        price = self.life.play.scenario.amount
        told = payments.RefundSucceeded(order_id=order, amount=price, full=True)
        refund = self.life.message(told, "refund")
        at_provider = payments.CancellationRequested(channel="provider")
        cancel = self.life.message(at_provider, "cancel")
        ends = [self._end(list(both)) for both in permutations((refund, cancel))]
        assert ends[0] == ends[1]
        cancel = self.life.message(commands.Cancel(channel="account"), "cancel")
        asked = [self._end(list(both)) for both in permutations((refund, cancel))]
        assert asked[0][1:] == asked[1][1:]

    def _end(self, messages: list[Envelope]) -> tuple[object, ...]:
        """Where billing would stand after some messages; nothing is changed."""
        room = self.life.world.rooms["billing"]
        state = room.row(self.life.play.id).state
        for message in messages:
            state, _ = room.aggregate.decide(state, message, self.life.now)
        known = standing(state, self.life.policies)
        stages = timeline(known.history, known.policy)
        shape = [(s.status, s.start, s.period.period_id, s.reason) for s in stages]
        periods = [(p.period_id, p.start, p.end, bool(p.taken)) for p in known.history.periods]
        return shape, periods, known.history.auto_renew

    def _history(self) -> History:
        history: History = self.life.world.rooms["licensing"].row(self.life.play.id).state.history
        return history

    def _paid(self) -> list[Interval]:
        # At one instant a cancellation counts before a pause (Q2), which it then prevents.
        self.life.advance("now+1s")
        return self._told()

    def _told(self) -> list[Interval]:
        return paid_time(self.life.on("billing.events"))

    def _never_shorter(self, before: list[Interval], late: str = "now") -> None:
        """6: cancelling takes nothing away. What came late may have moved what was paid after it."""
        if late == "now":
            assert minus(before, self._told()) == []

    def _never_longer(self, before: list[Interval], late: str = "now") -> None:
        """6: a refund gives nothing."""
        if late == "now":
            assert minus(self._told(), before) == []


_ORDERING = (payments.OrderPlaced, payments.PaymentSucceeded, billing.PeriodScheduled)

TestLives = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")(
    Lives.TestCase
)
TestLives.settings = _LIVES


def _start(
    provider: str, term: str, start: str, *, auto_renew: bool = True, paid: bool = True
) -> dict[str, Any]:
    """How a life begins."""
    tz = "Europe/Berlin" if provider == "online-store" else None
    return {
        "provider": provider,
        "term": term,
        "type": "update",
        "auto_renew": auto_renew,
        "start": start,
        "tz": tz,
        "paid": paid,
    }


def _order(*, term: str, late: str = "now", pays: bool = True) -> dict[str, Any]:
    """Another order."""
    return {"late": late, "pays": pays, "auto_renew": True, "term": term}


Steps = tuple[tuple[str, dict[str, Any]], ...]
#: Lives that once broke an invariant, as short as they could be made.
_ONCE: dict[str, Steps] = {
    "two open periods that were to begin where a refunded one ended both move up": (
        (
            "begin",
            {**_start("online-store", "P1M", "2024-01-31T12:00Z", auto_renew=False), "tz": None},
        ),
        ("payment", {"kind": "renewal", "late": "now", "repeat": 1}),
        ("another_order", {**_order(term="P1Y"), "auto_renew": False}),
        ("provider_refunds", {"full": True, "late": "now", "which": 0}),
        ("payment", {"kind": "manual", "late": "now", "repeat": 1}),
        ("another_order", {**_order(term="unlimited"), "auto_renew": False}),
    ),
    "a pause counts again, so its end is not told before it comes": (
        ("begin", _start("isp-classic", "P1M", "2025-03-30T01:15Z", auto_renew=False)),
        ("provider_pauses", {"late": "now", "mode": None, "span": "1d"}),
        ("first_payment", {"late": "now-1m", "repeat": 2}),
        ("refund_fails", {"late": "now-40d"}),
    ),
    "an older payment gives a pause back that a refund had ended": (
        ("begin", _start("isp-classic", "P6M", "2024-01-31T12:00Z", paid=False)),
        ("another_order", _order(late="now-20h", pays=False, term="P1Y")),
        ("another_order", _order(term="P2W")),
        ("pause", {"mode": "freeze_term", "span": "40d"}),
        ("provider_refunds", {"late": "now-20h", "which": 0, "full": True}),
        ("payment", {"late": "now-40d", "kind": "renewal", "repeat": 1}),
    ),
    "limited periods lie behind each other, not side by side, beside an open one": (
        ("begin", _start("app-store-like", "unlimited", "2025-03-30T01:15Z")),
        ("another_order", _order(term="P1Y")),
        ("payment", {"late": "now-4d", "kind": "renewal", "repeat": 1}),
        ("provider_changes_settings", {"late": "now", "seats": 1, "term": "P6M"}),
    ),
    "two refunds of one order that wait for it": (
        ("begin", _start("isp-classic", "unlimited", "2024-01-31T12:00Z", paid=False)),
        ("provider_refunds", {"late": "now", "which": 4, "full": True}),
        ("provider_refunds", {"late": "now", "which": 7, "full": False}),
        ("first_order", {"late": "now", "repeat": 2}),
    ),
    "two refunds cross an order and its payment": (
        ("begin", _start("ksc-like", "P1M", "2024-01-31T12:00Z", paid=False)),
        ("payment", {"late": "now", "kind": "manual", "repeat": 1}),
        ("provider_refunds", {"late": "now", "which": 7, "full": True}),
        ("another_order", _order(late="now-20h", term="P1M")),
        ("provider_refunds", {"late": "now", "which": 6, "full": True}),
        ("first_order", {"late": "now", "repeat": 3}),
    ),
    "a second success of a charge, older than the one that was accepted": (
        ("begin", _start("online-store", "P3M", "2024-01-31T12:00Z", paid=False)),
        ("first_order", {"late": "now", "repeat": 3}),
        ("to_the_end", {"before": timedelta(0)}),
        ("charge_paid", {"late": "now-40d", "repeat": 3}),
    ),
    "a failed payment of an instant with two payments and a lost dispute": (
        ("begin", _start("ksc-like", "P1M", "2024-01-31T12:00Z", paid=False)),
        ("time_passes", {"span": "3h"}),
        ("charge_fails", {"late": "now-20h", "final": True}),
        ("payment", {"late": "now", "kind": "renewal", "repeat": 2}),
        ("another_order", _order(term="P3M")),
        ("payment_fails", {"late": "now", "kind": "prepayment"}),
        ("dispute_ends", {"late": "now-1m", "outcome": "lost", "last": True}),
    ),
    "an open period counts again only when the limited one that lies over it has ended": (
        ("begin", _start("app-store-like", "P1M", "2024-01-31T12:00Z")),
        ("provider_changes_settings", {"late": "now-4d", "seats": None, "term": "unlimited"}),
        ("payment", {"late": "now-1m", "kind": "renewal", "repeat": 1}),
        ("dispute_opens", {"late": "now", "which": 3}),
        ("payment", {"late": "now", "kind": "renewal", "repeat": 1}),
        (
            "another_order",
            {"late": "now-1m", "pays": False, "auto_renew": False, "term": "P1Y"},
        ),
    ),
    "a refund by the provider that is older than what gave the period back": (
        ("begin", _start("online-store", "P2W", "2024-01-31T12:00Z", auto_renew=False)),
        ("dispute_ends", {"late": "now", "outcome": "lost", "last": False}),
        ("refund", {"approve": True, "which": 0}),
        ("dispute_ends", {"late": "now", "outcome": "won", "last": True}),
        ("provider_refunds", {"late": "now-40d", "which": 0, "full": True}),
        ("provider_refunds", {"late": "now", "which": 0, "full": True}),
    ),
    "a dispute of an open period under a limited one": (
        ("begin", _start("app-store-like", "P1M", "2024-01-31T12:00Z")),
        ("provider_changes_settings", {"late": "now-4d", "seats": None, "term": "unlimited"}),
        ("payment", {"late": "now-1m", "kind": "renewal", "repeat": 1}),
        ("dispute_opens", {"late": "now", "which": 0}),
        (
            "another_order",
            {"late": "now-1m", "pays": False, "auto_renew": False, "term": "P1Y"},
        ),
    ),
    "a refund that failed, a lost dispute, and only then that the refund had gone through before": (
        ("begin", _start("app-store-like", "P1M", "2024-01-31T12:00Z")),
        ("refund", {"approve": True, "which": 0}),
        ("refund_fails", {"late": "now"}),
        ("dispute_ends", {"last": False, "late": "now", "outcome": "lost"}),
        ("refund_paid", {"late": "now-20h"}),
    ),
    "a refund that failed, one by the provider, and only then that the first had gone through": (
        ("begin", _start("app-store-like", "P1Y", "2024-01-31T12:00Z")),
        ("time_passes", {"span": "6d"}),
        ("refund", {"approve": True, "which": 0}),
        ("time_passes", {"span": "1d"}),
        ("refund_fails", {"late": "now"}),
        ("provider_refunds", {"late": "now", "which": 0, "full": True}),
        ("refund_paid", {"late": "now-20h"}),
    ),
    "an older failure moves the end of a refund, not of the dispute that was lost since": (
        ("begin", _start("online-store", "P1M", "2024-01-31T12:00Z")),
        ("refund", {"approve": True, "which": 1}),
        ("time_passes", {"span": "3h"}),
        ("refund_fails", {"late": "now"}),
        ("dispute_ends", {"last": False, "late": "now", "outcome": "lost"}),
        ("refund_fails", {"late": "now-1m"}),
    ),
    "an older dispute is lost and won after a younger one was lost and won": (
        ("begin", _start("app-store-like", "P1Y", "2024-01-31T12:00Z")),
        ("time_passes", {"span": "15d"}),
        ("dispute_ends", {"last": False, "late": "now", "outcome": "lost"}),
        ("time_passes", {"span": "1d"}),
        ("dispute_ends", {"last": True, "late": "now", "outcome": "won"}),
        ("dispute_ends", {"last": False, "late": "now-4d", "outcome": "lost"}),
        ("dispute_ends", {"last": True, "late": "now-4d", "outcome": "won"}),
    ),
    "an older dispute that was lost takes a failed refund's give-back away, until it is won": (
        ("begin", _start("app-store-like", "P1Y", "2024-01-31T12:00Z")),
        ("time_passes", {"span": "6d"}),
        ("refund", {"approve": True, "which": 0}),
        ("time_passes", {"span": "1d"}),
        ("refund_fails", {"late": "now"}),
        ("time_passes", {"span": "1s"}),
        ("dispute_ends", {"last": False, "late": "now", "outcome": "lost"}),
        ("dispute_ends", {"last": True, "late": "now", "outcome": "won"}),
        ("dispute_ends", {"last": False, "late": "now-20h", "outcome": "lost"}),
        ("dispute_ends", {"last": True, "late": "now-20h", "outcome": "won"}),
    ),
}


@pytest.mark.parametrize("steps", _ONCE.values(), ids=_ONCE)
def test_what_once_broke_an_invariant(steps: Steps) -> None:
    lives = Lives()
    for name, given in steps:
        getattr(Lives, name)(lives, **given)
        lives.the_audit_finds_nothing()
