"""What a timeline makes licensing say: one announcement per change of access, in order, each with its anchor."""

from collections.abc import Iterator
from datetime import timedelta

from contracts import licensing
from ledger.history import History
from ledger.stage import Stage
from services.licensing.domain.announcement import DISPUTED, Announcement
from services.licensing.domain.change import Change, changes
from services.licensing.domain.entitlement_news import entitlement_news

#: Access that ended longer ago is not resubscribed to but granted anew (T27, Q5).
RESUBSCRIBED_WITHIN = timedelta(days=60)


def announcements(history: History, stages: tuple[Stage, ...]) -> tuple[Announcement, ...]:
    """Everything that the timeline says, past and foreseen, in the order of its instants (T2-T28).

    A stage that counts since before it could be known (Q7) is said at its start with its anchor.
    """
    said: list[Announcement] = []
    for change in changes(history, stages):
        said.extend(_left(change))
        said.extend(_begun(change))
        said.extend(_entered(change))
        said.append(entitlement_news(change, _anew(change)))
    said.sort(key=lambda a: a.at)  # stable: what happens at one instant keeps its order
    return tuple(said)


def present_status(change: Change) -> Announcement:
    """The announcement of the stage's own status, for saying it once more."""
    stage = change.stage
    period_id = stage.period.period_id
    match stage.status:
        case "grace":
            return change.say(
                licensing.GraceStarted, period_id, period_id=period_id, ends_at=stage.ends_at
            )
        case "hold":
            return change.say(
                licensing.HoldStarted,
                f"{DISPUTED} {period_id}" if stage.disputed else period_id,
                period_id=period_id,
                ends_at=stage.ends_at,
            )
        case "paused":
            pause = change.pause
            return change.say(
                licensing.Paused,
                period_id,
                period_id=period_id,
                resumes_at=pause.resumes_at if pause else stage.ends_at,
            )
        case "expired":
            return change.say(licensing.Expired, stage.reason, reason=stage.reason)
    return change.say(licensing.PeriodStarted, period_id, period_id=period_id)


def _left(change: Change) -> Iterator[Announcement]:
    """The paid period or the grace that is over."""
    before = change.before
    if before is None:
        return
    period_id, end = before.period.period_id, before.period.end
    if before.runs and not change.goes_on:
        # Kept for an answer past its end, it is over as of its end all the same.
        since = min(change.stage.anchor, end or change.stage.anchor)
        yield change.say(
            licensing.PeriodEnded, period_id, of=before, effective_at=since, period_id=period_id
        )
    over = change.stage.status in ("hold", "expired") and not change.stage.disputed
    if before.status == "grace" and over:
        yield change.say(licensing.GraceEnded, period_id, of=before, period_id=period_id)


def _begun(change: Change) -> Iterator[Announcement]:
    """The paid period that begins; not one that had begun before and only counts again."""
    period = change.stage.period
    back = change.given_back and change.stage.start > period.begins
    if change.stage.runs and not change.goes_on and not back:
        yield change.say(licensing.PeriodStarted, period.period_id, period_id=period.period_id)


def _entered(change: Change) -> Iterator[Announcement]:
    before, stage = change.before, change.stage
    period_id = stage.period.period_id
    for event in _how_back(change):
        # The end of a pause or of a dispute tells that fact, not the payment.
        interrupted = before and (before.status == "paused" or before.runs)
        of = before if interrupted and event is not licensing.SubscriptionRenewed else None
        yield change.say(event, period_id, of=of, period_id=period_id)
    if stage.status == "active" or (before and before.status == "paused" and change.same_pause):
        return
    if before and before.disputed and stage.disputed and before.period == stage.period:
        return  # held beyond the end of its period by the same dispute
    yield present_status(change)


def _how_back(change: Change) -> Iterator[type[licensing.LicensingEvent]]:
    """How paid time, or grace, goes on: after a pause, a dispute, an unpaid end, an end of access."""
    before, stage = change.before, change.stage
    if before is None:
        return
    usable = stage.runs or stage.status in ("active", "grace")
    if before.status == "paused" and stage.status != "paused" and usable:
        yield licensing.Resumed
    if not stage.runs:
        return
    if before.status == "expired":
        if change.given_back:
            yield licensing.Reinstated
        elif not _anew(change):
            yield licensing.Resubscribed
    elif before.disputed and change.goes_on:
        yield licensing.Reinstated
    elif stage.status == "active" and before.status in ("grace", "hold") and not before.runs:
        yield licensing.Recovered
    elif before.runs and not change.goes_on:
        yield licensing.SubscriptionRenewed


def _anew(change: Change) -> bool:
    """Whether access begins so long after its end that it is granted anew (T27)."""
    ended = change.access_ended_at
    too_late = ended is not None and change.stage.start > ended + RESUBSCRIBED_WITHIN
    return too_late and not change.given_back
