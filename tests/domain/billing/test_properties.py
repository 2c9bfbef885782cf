"""Properties over any life of a subscription: the invariants of domain 3f, in billing and licensing together."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import billing, commands, payments
from contracts.outgoing import TimePassed
from contracts.policy import Policies
from ledger.history import History
from services.billing.domain import decide as billing_decide
from services.billing.domain import facts
from tests.support.story import KEY, POLICIES, PRICE, Story, utc

START = utc("2024-01-31T12:00")
STEPS = (
    "pay", "pay", "renew", "renew", "fail", "manual", "new_order", "cancel", "uncancel",
    "provider_cancels", "provider_resumes", "request_refund", "approve", "decline", "settle",
    "refund_fails", "provider_refunds", "refunds_a_part", "remind", "wait", "wait", "wait",
    "dispute_opens", "dispute_opens", "dispute_won", "dispute_lost", "loses_the_last", "undo_renewal",
    "freezes", "runs_unused", "pauses_at_the_end", "resume", "pauses_at_provider", "resumes_at_provider",
    "extends", "changes_settings", "settings_at_provider", "to_the_next_deadline",
)  # fmt: skip
#: Every provider offers every pause here, so that lives meet all of them.
ALL_PAUSES = Policies(
    {
        name: tuple(
            pack.model_copy(
                update={
                    "pause_modes": ("freeze_term", "run_term", "at_period_end"),
                    "max_pause": timedelta(days=90),
                    "settings_changes": ("seats", "term", "product_id"),
                }
            )
            for pack in packs
        )
        for name, packs in POLICIES.packs.items()
    }
)


@dataclass(frozen=True)
class Step:
    """Something that happens: `share` of a term passes before, `late` says how late it arrives."""

    name: str
    share: float
    late: timedelta


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(STEPS),
        st.sampled_from((0.0, 0.02, 0.1, 0.5, 0.97, 1.0)),
        st.sampled_from([timedelta(0)] * 4 + [timedelta(minutes=1), timedelta(days=3)]),
    ),
    max_size=14,
)
lives = st.tuples(
    st.sampled_from(("online-store", "isp-classic", "app-store-like")),
    st.sampled_from((("P1Y", 365), ("P1M", 31), ("P2W", 14), ("P3M", 91))),
    st.booleans(),
    steps,
)


class Life:
    """A story that takes the steps that make sense and checks itself after each."""

    def __init__(self, provider: str, term: tuple[str, int], paid_first: bool) -> None:
        self.story = Story(provider=provider, now=START, policies=ALL_PAUSES)
        self.term, self.days = term
        self.orders = 1
        if paid_first:
            self.story.pay()
        self.story.advance(timedelta(minutes=1))
        self.story.order(term=self.term)

    def take(self, step: Step) -> None:
        """Let time pass, then do the step, if it makes sense."""
        self.story.advance(timedelta(days=self.days * step.share, minutes=1))
        getattr(self, step.name)(self.story.now - step.late)

    def pay(self, at: datetime) -> None:
        self.story.pay(at=at)

    def manual(self, at: datetime) -> None:
        self.story.pay(self.next_order(), "manual", at=at)

    def new_order(self, at: datetime) -> None:
        order_id = self.next_order()
        self.story.order(order_id, self.term)
        self.story.pay(order_id)

    def renew(self, at: datetime) -> None:
        charges = self.story.all(payments.ChargeRequested)
        if charges:
            charge_id = charges[-1].charge_id
            self.story.pay(self.next_order(), "renewal", at=at, charge_id=charge_id)
        elif self.story.provider != "online-store":
            self.story.pay(self.next_order(), "renewal", at=at)

    def fail(self, at: datetime) -> None:
        charges = self.story.all(payments.ChargeRequested)
        if charges:
            self.story.fail(self.next_order(), charges[-1].charge_id)

    def cancel(self, at: datetime) -> None:
        self.story.cancel()

    def uncancel(self, at: datetime) -> None:
        self.story.uncancel()

    def provider_cancels(self, at: datetime) -> None:
        self.story.publish(payments.CancellationRequested(channel="provider"), at)

    def provider_resumes(self, at: datetime) -> None:
        self.story.publish(payments.CancellationWithdrawn(channel="provider"), at)

    def request_refund(self, at: datetime) -> None:
        for period in self.story.known.history.counting[-1:]:
            self.story.request_refund(period.order_id, period.ordered_at.date().isoformat())

    def approve(self, at: datetime) -> None:
        if self.story.all(billing.RefundUnderReview):
            self.story.approve()

    def decline(self, at: datetime) -> None:
        if self.story.all(billing.RefundUnderReview):
            self.story.decline()

    def settle(self, at: datetime) -> None:
        for asked in self.story.all(payments.RefundRequested)[-1:]:
            self.story.refunded(asked.order_id, refund_id=asked.refund_id)

    def refund_fails(self, at: datetime) -> None:
        for asked in self.story.all(payments.RefundRequested)[-1:]:
            self.story.refund_fails(asked.order_id)

    def provider_refunds(self, at: datetime) -> None:
        for period in self.story.known.history.periods[-1:]:
            self.story.refunded(period.order_id, at)

    def refunds_a_part(self, at: datetime) -> None:
        for period in self.story.known.history.periods[-1:]:
            self.story.refunded(period.order_id, at, full=False)

    def dispute_opens(self, at: datetime) -> None:
        for period in self.story.known.history.periods[-2:-1] or self.story.known.history.periods:
            self.speak(payments.DisputeOpened, f"D-{period.order_id}", period.order_id, at)

    def dispute_won(self, at: datetime) -> None:
        for dispute in list(self.story.known.disputes.values())[-1:]:
            self.speak(payments.DisputeWon, dispute.dispute_id, dispute.order_id, at)

    def dispute_lost(self, at: datetime) -> None:
        for dispute in list(self.story.known.disputes.values())[-1:]:
            self.speak(payments.DisputeLost, dispute.dispute_id, dispute.order_id, at)

    def loses_the_last(self, at: datetime) -> None:
        for period in self.story.known.history.periods[-1:]:
            self.speak(payments.DisputeLost, f"D-{period.order_id}", period.order_id, at)

    def speak(
        self, kind: type[payments.DisputeEvent], dispute_id: str, order_id: str, at: datetime
    ) -> None:
        """The bank says something about an order."""
        data = kind(order_id=order_id, dispute_id=dispute_id, amount=PRICE)
        self.story.publish(data, at)

    def undo_renewal(self, at: datetime) -> None:
        self.story.publish(commands.UndoRenewal(channel="provider"))

    def freezes(self, at: datetime) -> None:
        self.story.pause(self.story.now + timedelta(days=self.days / 7), "freeze_term")

    def runs_unused(self, at: datetime) -> None:
        self.story.pause(self.story.now + timedelta(days=min(self.days / 3, 90)), "run_term")

    def pauses_at_the_end(self, at: datetime) -> None:
        running = self.story.known.running(self.story.now)
        until = (running.end if running else None) or self.story.now
        self.story.pause(until + timedelta(days=self.days / 9), "at_period_end")

    def resume(self, at: datetime) -> None:
        self.story.resume()

    def pauses_at_provider(self, at: datetime) -> None:
        data = payments.PauseRequested(resumes_at=at + timedelta(days=self.days / 5))
        self.story.publish(data, at)

    def resumes_at_provider(self, at: datetime) -> None:
        self.story.publish(payments.ResumeRequested(), at)

    def extends(self, at: datetime) -> None:
        self.story.extend(5)

    def changes_settings(self, at: datetime) -> None:
        self.story.change(seats=1 + self.story.count % 5)

    def settings_at_provider(self, at: datetime) -> None:
        term = ("P1M", "P1Y")[self.story.count % 2]
        self.story.publish(payments.SettingsChanged(seats=1 + self.story.count % 5, term=term), at)

    def remind(self, at: datetime) -> None:
        if self.story.all(billing.RenewalReminderDue):
            self.story.remind()

    def wait(self, at: datetime) -> None:
        pass

    def to_the_next_deadline(self, at: datetime) -> None:
        deadlines = (self.story.billing.due_at, self.story.licensing.due_at)
        self.story.advance(min((due for due in deadlines if due), default=self.story.now))

    def next_order(self) -> str:
        self.orders += 1
        return f"O-{self.orders}"


def both_services_agree(story: Story) -> None:
    assert [(*s.identity, s.ends_at) for s in story.billing_stages] == [
        (*s.identity, s.ends_at) for s in story.stages
    ]


def periods_never_overlap(story: Story) -> None:
    """3, 4."""
    counting = story.known.history.counting
    assert all(one.end and one.end <= two.start for one, two in pairwise(counting))


def stages_follow_one_another(story: Story) -> None:
    """14: and nothing but a payment or a failed refund follows a refund."""
    for one, two in pairwise(story.stages):
        assert one.start <= two.start
        back = two.period.taken is not None and two.period.taken.reinstated_at
        if one.reason in ("refunded", "refunded_renewal"):
            assert two.status in ("active", "expired") or back


def entitled_only_when_paid_or_graced(story: Story) -> None:
    """1, 2: checked at every bound and in the middle of every stage."""
    for stage in story.stages:
        access = story.access(stage.start)
        assert access
        paid = any(p.covers(stage.start) for p in story.known.history.periods)
        kept = stage.runs and stage.status in ("hold", "paused")
        assert (access.state == "active") is (paid and not kept)
        if kept and stage.status == "hold":
            assert any(d.open_at(stage.start) for d in story.known.history.disputes)
        if access.state == "grace":
            end, ends = story.known.history.renewal_point(stage.period), stage.ends_at
            assert end
            assert ends
            pack = story.known.policy(stage.period.policy_version)
            assert end <= stage.start < ends == end + pack.grace


def deadlines_lie_ahead(story: Story) -> None:
    for due in (story.billing.due_at, story.licensing.due_at):
        assert due is None or due > story.now


def one_charge_is_open_and_each_period_is_paid_once(story: Story) -> None:
    """5."""
    charges = story.known.charges.values()
    assert sum(charge.open for charge in charges) <= 1
    lasting = [charge.asked.renews for charge in charges if not charge.again]
    assert len(lasting) == len(set(lasting))
    refunds = [a.refund_id for a in story.all(payments.RefundRequested)]
    assert len(refunds) == len(set(refunds))
    orders = [p.order_id for p in story.known.history.periods]
    assert len(orders) == len(set(orders))


def the_cache_says_what_holds_now(story: Story) -> None:
    """13: what was published is what the facts say at this instant."""
    access = story.access(story.now)
    if access:
        latest = story.entitlement
        assert (latest.state, latest.capabilities) == (access.state, access.capabilities)
        assert latest.valid_until == access.valid_until


def a_period_is_taken_once_until_it_is_given_back(story: Story) -> None:
    """5: at most one refund effect per order; a correction repeats what it corrects."""
    away: dict[str, bool] = {}
    for told in story.all(billing.PeriodEnding):
        back = isinstance(told, billing.PeriodReinstated)
        if not told.corrects:
            assert away.get(told.order_id, False) is back
        away[told.order_id] = not back
    for period in story.known.history.periods:
        assert period.is_away is away.get(period.order_id, False)


def nothing_is_charged_while_money_is_disputed(story: Story) -> None:
    """Q16."""
    if story.known.dispute_open:
        assert not any(charge.open for charge in story.known.charges.values())


def ids_are_never_used_twice(story: Story) -> None:
    ids = [outgoing.id for outgoing in story.said]
    assert len(ids) == len(set(ids))


CHECKS = (
    both_services_agree, periods_never_overlap, stages_follow_one_another,
    entitled_only_when_paid_or_graced, deadlines_lie_ahead,
    one_charge_is_open_and_each_period_is_paid_once, the_cache_says_what_holds_now,
    a_period_is_taken_once_until_it_is_given_back, nothing_is_charged_while_money_is_disputed,
    ids_are_never_used_twice,
)  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lives)
def test_the_invariants_hold_after_every_step_of_any_life(life: Any) -> None:
    provider, term, paid_first, taken = life
    lived = Life(provider, term, paid_first)
    for step in taken:
        lived.take(step)
        for check in CHECKS:
            check(lived.story)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lives)
def test_cancelling_never_shortens_paid_time_and_refunding_never_lengthens_it(life: Any) -> None:
    """6."""
    provider, term, paid_first, taken = life
    lived = Life(provider, term, paid_first)
    story = lived.story
    for step in taken:
        story.advance(timedelta(days=lived.days * step.share, minutes=1))
        before = paid_seconds(story)
        getattr(lived, step.name)(story.now - step.late)
        if step.name in ("cancel", "uncancel", "provider_cancels", "provider_resumes"):
            assert paid_seconds(story) == before
        if step.name in ("approve", "provider_refunds", "refunds_a_part"):
            assert paid_seconds(story) <= before


def paid_seconds(story: Story) -> timedelta:
    """How much time of the periods that count is paid for, without what was banked by pauses."""
    history = story.known.history
    spans = [p.end - p.start for p in history.counting if p.end]
    return sum(spans, timedelta(0)) - frozen(history)


def frozen(history: History) -> timedelta:
    """How much of the periods that count is frozen."""
    banked = timedelta(0)
    for span in history.pause_spans():
        for period in history.counting:
            if span.pause.mode == "freeze_term" and period.end:
                start, end = max(span.start, period.start), min(span.end, period.end)
                banked += max(end - start, timedelta(0))
    return banked


deeds = st.lists(
    st.tuples(
        st.sampled_from(("freezes", "pauses_at_the_end", "resume", "resume", "extends", "wait")),
        st.sampled_from((0.0, 0.001, 0.07, 0.2, 0.5, 0.9)),
    ),
    max_size=16,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from((("P1Y", 365), ("P1M", 31))), st.integers(1, 3), deeds)
def test_pausing_and_resuming_conserve_every_second_that_was_paid(
    term: Any, periods: int, done: list[tuple[str, float]]
) -> None:
    """7, 4: all that is bought is usable; what lies ahead starts where the last one, or its pause, ends."""
    lived = Life("online-store", term, paid_first=False)
    story = lived.story
    story.pay()
    for _ in range(periods - 1):
        lived.manual(story.now)
    bought = paid_seconds(story)
    for name, share in done:
        lived.take(Step(name, share, timedelta(0)))
        history = story.known.history
        days = sum(f.days for f in story.billing.facts if isinstance(f, facts.Extended))
        assert paid_seconds(story) == bought + timedelta(days=days)
        assert [history.renewal_point(one) for one in history.periods[:-1]] == [
            two.start for two in history.periods[1:]
        ]
        told = {s.period_id: s.new.end for s in story.all(billing.PeriodShifted)}
        assert all(told.get(p.period_id, p.end) == p.end for p in history.periods)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lives)
def test_a_timer_between_deadlines_says_nothing_and_late_ones_change_no_answer(life: Any) -> None:
    """13: every past instant is answered alike before and after time passed, unless facts came."""
    provider, term, paid_first, taken = life
    lived = Life(provider, term, paid_first)
    story = lived.story
    for step in taken:
        lived.take(step)
    probe = [START + timedelta(days=lived.days * share / 7) for share in range(15)]
    answers = [story.access(instant) for instant in probe if instant <= story.now]
    tick = TimePassed(story.id)
    assert billing_decide.decide(story.billing, tick, story.policies, KEY, story.now)[1] == ()
    story.advance(timedelta(days=3 * lived.days))
    assert [story.access(i) for i in probe[: len(answers)]] == answers
