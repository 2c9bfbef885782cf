"""13: late timers, stopped workers and mixed deliveries change no answer about access (idea 1, 8)."""

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts import licensing
from ledger.access import access_at, access_of, holds_until, position_at
from ledger.stage import Stage
from ledger.timeline import stage_at, timeline
from tests.domain.licensing.lives import LAST, START, Telling, life

seeds = st.integers(0, 10**9)
_STAGES = TypeAdapter(tuple[Stage, ...])
_slowly = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def instants(seed: int, telling: Telling) -> list:  # type: ignore[type-arg]
    """Random instants, and every bound with the ticks around it."""
    random = Random(seed)
    span = (LAST - START) / 1000
    bounds = [stage.start for stage in telling.stages]
    return [START + span * random.randint(0, 1000) for _ in range(10)] + bounds


@_slowly
@given(seeds, seeds, st.booleans())
def test_any_delivery_gives_the_same_access_and_timeline(
    seed: int, mixed: int, hurried: bool
) -> None:
    one = life(seed)
    in_time, other = one.told(None, False), one.told(mixed, hurried)
    assert other.license.history == in_time.license.history
    assert _STAGES.dump_json(other.stages) == _STAGES.dump_json(in_time.stages)
    for at in instants(mixed, in_time):
        answers = [access_at(t.license.history, t.policy, at) for t in (in_time, other)]
        assert answers[0] == answers[1]


@_slowly
@given(seeds, st.one_of(st.none(), seeds), st.booleans())
def test_what_is_cached_and_told_last_is_what_holds(
    seed: int, mixed: int | None, hurried: bool
) -> None:
    """Also after corrections; that every untruth is corrected is asserted at each step of the telling."""
    telling = life(seed).told(mixed, hurried)
    access = telling.access(telling.now)
    cached = telling.entitlement
    told = [o.data for o in telling.said if isinstance(o.data, licensing.EntitlementEvent)][-1]
    assert told.state == cached.state == access.state
    assert told.capabilities == cached.capabilities == access.capabilities
    assert (cached.seats, cached.valid_until) == (access.seats, access.valid_until)
    assert (cached.paid_through, cached.renewal_pending) == (
        access.paid_through, access.renewal_pending,
    )  # fmt: skip


@_slowly
@given(seeds)
def test_the_timeline_is_what_holds_at_each_instant(seed: int) -> None:
    telling = life(seed).told(None, False)
    history = telling.license.history
    for at in instants(seed, telling):
        position = position_at(telling.stages, at)
        stage = stage_at(history, telling.policy, at)
        assert (stage is None) == (position is None)
        if stage and position is not None:
            assert stage.identity == telling.stages[position].identity


@_slowly
@given(seeds)
def test_what_happens_later_changes_no_earlier_answer(seed: int) -> None:
    """Told in time, the answer of that day is the answer that is given later about that day."""
    telling = life(seed).told(None, False)
    history = telling.license.history
    stages = timeline(history, telling.policy)
    for at in instants(seed, telling):
        access = access_at(history, telling.policy, at)
        position = position_at(stages, at)
        assert (access is None) == (position is None)
        if access and position is not None:
            known = access_of(stages[position], holds_until(stages, position))
            assert (access.state, access.capabilities) == (known.state, known.capabilities)
            assert access.valid_until is None or access.valid_until > at
            assert access.rules
            assert all(cause.at <= at for cause in access.causes)


@_slowly
@given(seeds)
def test_nothing_is_told_early_and_nothing_twice(seed: int) -> None:
    telling = life(seed).told(None, False)
    told = [o.data for o in telling.said if isinstance(o.data, licensing.LicensingEvent)]
    assert all(data.effective_at <= data.derived_at for data in told)
    new = [
        (data.TYPE, data.effective_at, getattr(data, "period_id", None))
        for data in told
        if not isinstance(data, licensing.EntitlementEvent)
    ]
    assert len(new) == len(set(new)) or any(data.corrects for data in told)
