"""A started mail becomes bytes, or the reason why it must not leave. Pure."""

from dataclasses import dataclass
from datetime import datetime

from services.notifications.ledger import StartedMail
from services.notifications.mime import Labels, UnsafeMail, compose, safe_name
from services.notifications.render import Letterhead
from services.notifications.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Packed:
    """A whole mail and the one address that it goes to."""

    to_address: str
    content: bytes


def packed(
    mail: StartedMail, letterhead: Letterhead, sender_address: str, now: datetime
) -> Packed | Verdict:
    """The mail to hand in; a suppressing verdict when there is no address or it is not safe.

    Raises what jinja2, babel and mjml raise when the letter lacks something that its text needs.
    """
    contact = mail.contact
    if contact is None:
        return Verdict("suppressed", code="NO_CONTACT")
    if contact.erased:
        return Verdict("suppressed", code="ERASED")
    name = safe_name(contact.name)
    rendered = letterhead.render(
        mail.attempt.kind,
        mail.letter,
        name=name,
        locale=contact.locale,
        time_zone=contact.time_zone,
    )
    labels = Labels(
        mail.message_id, mail.subscription_id, mail.attempt.notice_id, mail.attempt.kind
    )
    try:
        content = compose(
            rendered,
            labels,
            sender_name=str(mail.letter["provider_name"]),
            sender_address=sender_address,
            to_name=name,
            to_address=contact.email,
            date=now,
        )
    except UnsafeMail as unsafe:
        return Verdict("suppressed", code=unsafe.code)
    return Packed(contact.email, content)
