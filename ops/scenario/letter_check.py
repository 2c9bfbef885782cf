"""Letters in memory: rendered as they would be sent, so that one that cannot be written shows."""

from datetime import datetime
from functools import cache

from ops.scenario.play import Play
from services.notifications.domain.correspondence import Correspondence
from services.notifications.domain.letter import letter
from services.notifications.ledger import Contact, StartedMail
from services.notifications.packing import Packed, packed
from services.notifications.render import Letterhead
from services.notifications.verdicts import Attempt, Verdict

_SENDER = "no-reply@example.com"


@cache
def _letterhead() -> Letterhead:
    return Letterhead()


def spoilt_mail(
    play: Play, state: Correspondence, attempt: Attempt, now: datetime
) -> Verdict | None:
    """Why a mail cannot leave; None when it can."""
    notice = state.notice(attempt.notice_id)
    if notice is None:
        raise ValueError("a mail without its notice")
    customer = play.scenario.customer
    contact = Contact(
        play.erased,
        customer.name,
        customer.email or play.email,
        customer.locale,
        customer.time_zone,
    )
    shown = letter(state, notice, play.file.policies, now)
    mail = StartedMail(attempt, play.id, f"<{attempt.notice_id}@example.com>", shown, contact)
    try:
        found = packed(mail, _letterhead(), _SENDER, now)
    except Exception:  # as the mailer does: whatever is wrong with a letter
        return Verdict("suppressed", code="NOT_RENDERED")
    return None if isinstance(found, Packed) else found
